"""A wheel as the files that an installation of it consists of."""
import importlib.util
import io
import marshal
import re
import stat
import sys
import warnings
import zipfile
from dataclasses import dataclass
from typing import Iterator

from record import Record, is_record

PACKAGES_DIR = "/packages"
_CHUNK_BYTES = 524_288
_ENTRIES_MAX = 100_000
_BYTES_MAX = 8 * 1024 ** 3
# A larger source is data in disguise; compiling it takes a hundred times its size.
_SOURCE_BYTES_MAX = 4_194_304
_UNCHECKED_HASH = (1).to_bytes(4, "little")
_ENTRY_POINT = re.compile(r"^([\w.-]+)\s*=\s*([\w.]+)\s*:\s*([\w.]+)\s*(?:\[.*\])?$")
_SCRIPT = """#!{python}
import sys
sys.path[0] = "{packages}"
from {module} import {first}
sys.exit({function}())
"""


class WheelRefused(Exception):
    """Its message is for whoever wants the package."""


@dataclass
class Part:
    path: str
    executable: bool
    more: bool
    """Whether the next part goes on with the same file."""
    data: bytes


class Wheel:
    def __init__(self, file: str, name: str, version: str) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise WheelRefused(f"it is no zip file: {error}") from error
        self._files = self._list()
        self._info_dir = self._find_info_dir(name, version)

    def parts(self) -> "Iterator[Part]":
        """Every file in pieces, compiled code after its source, and at last a RECORD of just those."""
        record = Record(self._info_dir)
        for part in self._installed():
            record.note(part.path, part.data, part.more)
            yield part
        yield Part(record.path, False, False, record.text())

    def _installed(self) -> "Iterator[Part]":
        seen: "set[str]" = set()
        dirs: "set[str]" = set()
        for entry in self._files:
            path = self._place_of(entry.filename)
            if path is None or is_record(path, self._info_dir):
                continue
            _claim(path, seen, dirs)
            yield from self._read(entry, path)
        for path, text in self._entry_points():
            # A wheel may bring the script that its entry point describes.
            if path not in seen:
                yield Part(path, True, False, text.encode())

    def _list(self) -> "list[zipfile.ZipInfo]":
        entries = self._zip.infolist()
        if len(entries) > _ENTRIES_MAX:
            raise WheelRefused(f"it has {len(entries)} files; {_ENTRIES_MAX} are allowed")
        if sum(entry.file_size for entry in entries) > _BYTES_MAX:
            raise WheelRefused(f"unpacked it has more than {_BYTES_MAX >> 30} GiB")
        for entry in entries:
            _refuse_bad(entry)
        return [entry for entry in entries if not entry.is_dir()]

    def _find_info_dir(self, name: str, version: str) -> str:
        tops = {entry.filename.split("/")[0] for entry in self._files}
        found = [top for top in tops if top.endswith(".dist-info")]
        if len(found) != 1:
            raise WheelRefused(f"it has {len(found)} .dist-info directories instead of one")
        inside, _dash, inside_version = found[0][: -len(".dist-info")].rpartition("-")
        if _normal(inside) != name or _normal(inside_version) != _normal(version):
            raise WheelRefused(f"it says it is {inside} {inside_version}, not {name} {version}")
        return found[0]

    def _place_of(self, filename: str) -> "str | None":
        """Where a file of the wheel belongs in a site-packages directory; None for nowhere."""
        if "__pycache__" in filename.split("/"):
            return None  # somebody else's interpreter has compiled it
        top, _slash, rest = filename.partition("/")
        if top != f"{self._info_dir[: -len('.dist-info')]}.data":
            return filename
        scheme, _slash, rest = rest.partition("/")
        if scheme in ("purelib", "platlib", "data") and rest:
            return rest
        if scheme == "scripts" and rest:
            return f"bin/{rest}"
        if scheme == "headers":
            return None  # for compilers; there is none in a sandbox
        raise WheelRefused(f"it has {filename}, of a kind that wheels do not have")

    def _read(self, entry: zipfile.ZipInfo, path: str) -> "Iterator[Part]":
        is_script = path.startswith("bin/")
        executable = is_script or bool(entry.external_attr >> 16 & 0o111)
        try:
            with self._zip.open(entry) as file:
                if path.endswith(".py") and not is_script and entry.file_size <= _SOURCE_BYTES_MAX:
                    source = file.read()
                    yield Part(path, executable, False, source)
                    yield from _compiled(path, source)
                else:
                    yield from _in_chunks(file, path, executable)
        except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
            raise WheelRefused(f"{entry.filename} in it is damaged: {error}") from error

    def _entry_points(self) -> "Iterator[tuple[str, str]]":
        try:
            text = self._zip.read(f"{self._info_dir}/entry_points.txt").decode("utf-8", "replace")
        except KeyError:
            return
        section = ""
        for line in map(str.strip, text.splitlines()):
            if line.startswith("["):
                section = line
            found = _ENTRY_POINT.match(line) if section == "[console_scripts]" else None
            if found and "/" not in found[1] and found[1] not in (".", ".."):
                facts = {"python": sys.executable, "packages": PACKAGES_DIR, "module": found[2], "function": found[3]}
                yield f"bin/{found[1]}", _SCRIPT.format(first=found[3].split(".")[0], **facts)


def _refuse_bad(entry: zipfile.ZipInfo) -> None:
    # zipfile has cut the name at its first zero byte, and orig_filename has not.
    name = entry.orig_filename
    segments = name[:-1].split("/") if name.endswith("/") else name.split("/")
    if any(segment in ("", ".", "..") for segment in segments) or "\0" in name or "\\" in name:
        raise WheelRefused(f"the path {name!r} in it leads out of the package, or is no path")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise WheelRefused(f"{name} in it is neither a file nor a directory")
    if entry.flag_bits & 0x1:
        raise WheelRefused(f"{name} in it is encrypted")


def _claim(path: str, seen: "set[str]", dirs: "set[str]") -> None:
    if path in seen:
        raise WheelRefused(f"it has {path} twice")
    seen.add(path)
    parts = path.split("/")
    parents = ["/".join(parts[:end]) for end in range(1, len(parts))]
    dirs.update(parents)
    both = next((one for one in (path, *parents) if one in dirs and one in seen), None)
    if both is not None:
        raise WheelRefused(f"it has {both} both as a file and as a directory")


def _in_chunks(file: "io.BufferedIOBase | zipfile.ZipExtFile", path: str, executable: bool) -> "Iterator[Part]":
    data = file.read(_CHUNK_BYTES)
    if path.startswith("bin/"):
        data = _with_interpreter(data)
    while True:
        following = file.read(_CHUNK_BYTES)
        yield Part(path, executable, following != b"", data)
        if following == b"":
            return
        data = following


def _with_interpreter(script: bytes) -> bytes:
    """Wheels write `#!python` for an interpreter that they do not know."""
    return re.sub(rb"\A#!pythonw?(?=[\s])", b"#!" + sys.executable.encode(), script)


def _compiled(path: str, source: bytes) -> "Iterator[Part]":
    """As the import system looks for it; nothing for what is no Python of this version, which many packages have."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, f"{PACKAGES_DIR}/{path}", "exec", dont_inherit=True)
        data = marshal.dumps(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return
    head = importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + importlib.util.source_hash(source)
    yield Part(importlib.util.cache_from_source(path), False, False, head + data)


def _normal(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()
