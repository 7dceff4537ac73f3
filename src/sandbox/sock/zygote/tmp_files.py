"""What packages have written to /tmp while a zygote imported them: each of its forks finds the same in a /tmp of its own.

A module may remember the path of a file or directory that it has made, and a sandbox that had imported it by itself would
have that. What can not be made again, or is much, keeps a module out of zygotes.
"""
import os
import stat
from typing import NamedTuple

_PLACE = "/tmp"
_ENTRIES_MAX = 64
# The smallest /tmp that a lambda can have holds as much.
_KB_MAX = 1024
_PAGE_KB = 4


class Unlike(Exception):
    """There is something that a fork can not be given; the message names it."""


class _Entry(NamedTuple):
    path: str
    mode: int
    content: "bytes | None"
    """None for a directory."""


class TmpFiles:
    def __init__(self) -> None:
        self.entries: "list[_Entry]" = []
        """Directories before what is in them."""

    def take(self) -> None:
        """Those that are there now. Raises Unlike."""
        self.entries = []
        kb_left = _KB_MAX
        waiting = [_PLACE]
        while waiting:
            with os.scandir(waiting.pop()) as found:
                for one in sorted(found, key=lambda entry: entry.name):
                    entry = _read(one, kb_left)
                    kb_left -= _kb_of(len(entry.content or b""))
                    self.entries.append(entry)
                    if len(self.entries) > _ENTRIES_MAX:
                        raise Unlike(f"more than {_ENTRIES_MAX} files in {_PLACE}")
                    if entry.content is None:
                        waiting.append(entry.path)

    def put(self) -> None:
        """To be called where none of them is there. Raises OSError."""
        for entry in self.entries:
            if entry.content is None:
                os.mkdir(entry.path, 0o700)
                continue
            with open(entry.path, "xb") as file:
                file.write(entry.content)
        for entry in reversed(self.entries):
            # Last, for a directory may be one in which nothing can be made.
            os.chmod(entry.path, entry.mode)


def _read(one: os.DirEntry, kb_max: int) -> _Entry:
    status = one.stat(follow_symlinks=False)
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return _Entry(one.path, mode, None)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise Unlike(f"{one.path}, which is no plain file")
    if _kb_of(status.st_size) > kb_max:
        raise Unlike(f"{one.path}, with which {_PLACE} holds more than {_KB_MAX} KiB")
    with open(one.path, "rb") as file:
        return _Entry(one.path, mode, file.read())


def _kb_of(file_bytes: int) -> int:
    """What a tmpfs takes for it."""
    return -(-file_bytes // (_PAGE_KB << 10)) * _PAGE_KB
