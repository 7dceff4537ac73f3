"""The RECORD of a package: which files it consists of, with their hashes.

A wheel brings one, which may say anything. Others believe it: importlib.metadata, and whoever wants to know which of two
packages a module is from. So it is not installed, and one is written instead of what has been.
"""
import base64
import csv
import hashlib
import io

# A signature is of the wheel's own.
_NAMES = ("RECORD", "RECORD.jws", "RECORD.p7s")


def is_record(path: str, info_dir: str) -> bool:
    return path in [f"{info_dir}/{name}" for name in _NAMES]


class Record:
    """What is noted of one file comes piece by piece, and of no other in between."""

    def __init__(self, info_dir: str) -> None:
        self.path = f"{info_dir}/{_NAMES[0]}"
        self._rows: "list[tuple[str, str, str]]" = []
        self._hash = hashlib.sha256()
        self._bytes = 0

    def note(self, path: str, data: bytes, more: bool) -> None:
        """`more`: whether the next piece is of the same file."""
        self._hash.update(data)
        self._bytes += len(data)
        if more:
            return
        digest = base64.urlsafe_b64encode(self._hash.digest()).rstrip(b"=").decode()
        self._rows.append((path, f"sha256={digest}", str(self._bytes)))
        self._hash, self._bytes = hashlib.sha256(), 0

    def text(self) -> bytes:
        """Of itself a RECORD says neither hash nor size."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*sorted(self._rows), (self.path, "", "")])
        return text.getvalue().encode()
