"""Files of the working directory, for those outside the sandbox: nothing beyond it is touched, whatever links lead there.

A path is walked by descriptors, one name at a time and never through a link unseen: links are read and walked
themselves, `..` goes back to a descriptor that is held, and whoever would step above the top is refused. So it
does not matter what programs rename meanwhile.
"""
import io
import os
import stat
import tarfile

from . import trees

_LINKS_MAX = 40  # as the kernel's own limit
_DIR = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_DEPTH_MAX = 128  # each holds a descriptor
_ENTRIES_MAX = 10_000


class PathRefused(Exception):
    """`code` is `path-invalid`, `file-missing` or `store-full` (too large); the text says which path."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Files:
    def __init__(self, top: str) -> None:
        """`top`: absolute path of the working directory, as programs see it."""
        self._top = top.rstrip("/")

    def list(self, path: str) -> "list[dict]":
        """Facts of a directory's entries, sorted by name, the first 10,000; of a file, its own."""
        with _Walk(self._top, path) as walk:
            parent, name = walk.find()
            status = _status(parent, name)
            if not stat.S_ISDIR(status.st_mode):
                return [_facts(os.path.basename(path.rstrip("/")), status)]
            directory = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
            try:
                return [_facts(entry, found) for entry, found in _entries(directory)]
            finally:
                os.close(directory)

    def write(self, path: str, data: bytes) -> None:
        """Missing directories are made; an existing file is replaced as a whole, whoever has it open."""
        with _Walk(self._top, path) as walk:
            parent, name = walk.find(make=True)
            if name == ".":
                raise PathRefused("path-invalid", f"{path!r} is a directory")
            # Nobody's yet, and by no name that could be known before: who opens a pipe of somebody else's waits for him.
            temporary = f".{name[:200]}.{os.urandom(8).hex()}.part"
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=parent)
            try:
                with open(fd, "wb") as file:
                    file.write(data)
                os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                os.unlink(temporary, dir_fd=parent)
                raise

    def remove(self, path: str) -> None:
        """A directory goes with all in it; a link goes itself."""
        with _Walk(self._top, path) as walk:
            parent, name = walk.find(follow_last=False)
            if name == ".":
                raise PathRefused("path-invalid", f"{path!r} names a directory from inside; name it in the one above")
            trees.remove_at(parent, name)

    def read(self, path: str, bytes_max: int) -> bytes:
        """A tar archive of the file or directory; links in it stay links, what is neither file nor directory is left out."""
        archive = _Limited(bytes_max, path)
        with _Walk(self._top, path) as walk, tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
            parent, name = walk.find()
            shown = os.path.basename(os.path.normpath(path)) or "."
            _archive(tar, parent, name, "." if shown in ("/", "..") else shown)
        return archive.getvalue()


class _Limited(io.BytesIO):
    def __init__(self, bytes_max: int, path: str) -> None:
        super().__init__()
        self._bytes_max = bytes_max
        self._path = path

    def write(self, data) -> int:
        if self.tell() + len(data) > self._bytes_max:
            raise PathRefused("store-full", f"{self._path!r} has more than the {self._bytes_max} bytes of one download: take what is in it by itself, or pack it first")
        return super().write(data)


class _Walk:
    """Holds a descriptor of every directory on the way."""

    def __init__(self, top: str, path: str) -> None:
        if "\0" in path:
            raise PathRefused("path-invalid", "the path has a zero byte in it")
        try:
            os.fsencode(path)
        except UnicodeEncodeError:
            raise PathRefused("path-invalid", f"{path!r} has half a character in it") from None
        self._top = top
        self._path = path
        self._held: "list[int]" = []

    def __enter__(self) -> "_Walk":
        self._held.append(os.open(self._top, _DIR & ~os.O_NOFOLLOW))
        return self

    def __exit__(self, *_reason) -> None:
        for fd in self._held:
            os.close(fd)

    def find(self, make: bool = False, follow_last: bool = True) -> "tuple[int, str]":
        """The directory that it is in, and its name there, which is no link if they are followed. The top is (top, ".").
        Only with `make` may the last name be missing."""
        parts = self._parts(self._path)
        links = 0
        name = "."
        while parts:
            part = parts.pop(0)
            name = "."
            if part == ".":
                continue
            if part == "..":
                self._back()
                continue
            is_last = not parts
            status = self._look(part, make)
            if status is not None and stat.S_ISLNK(status.st_mode) and (follow_last or not is_last):
                links += 1
                if links > _LINKS_MAX:
                    raise PathRefused("path-invalid", f"{self._path!r} leads through too many links")
                parts = self._follow(part) + parts
                continue
            if is_last:
                return self._held[-1], part
            self._enter(part, status is None)
        return self._held[-1], name

    def _parts(self, path: str) -> "list[str]":
        if path.startswith("/"):
            if path != self._top and not path.startswith(self._top + "/"):
                raise self._escape()
            path = path[len(self._top) :]
        return [part for part in path.split("/") if part]

    def _follow(self, name: str) -> "list[str]":
        goal = os.readlink(name, dir_fd=self._held[-1])
        parts = self._parts(goal)
        if goal.startswith("/"):
            while len(self._held) > 1:
                os.close(self._held.pop())
        return parts

    def _back(self) -> None:
        if len(self._held) == 1:
            raise self._escape()
        os.close(self._held.pop())

    def _look(self, name: str, make: bool) -> "os.stat_result | None":
        try:
            return os.stat(name, dir_fd=self._held[-1], follow_symlinks=False)
        except FileNotFoundError:
            if make:
                return None
            raise PathRefused("file-missing", f"there is no {self._path!r}") from None

    def _enter(self, name: str, make: bool) -> None:
        if make:
            os.mkdir(name, 0o755, dir_fd=self._held[-1])
        try:
            self._held.append(os.open(name, _DIR, dir_fd=self._held[-1]))
        except NotADirectoryError:
            raise PathRefused("file-missing", f"there is no {self._path!r}: {name!r} is no directory") from None

    def _escape(self) -> PathRefused:
        return PathRefused("path-invalid", f"{self._path!r} leads out of {self._top}")


def _status(parent: int, name: str) -> os.stat_result:
    return os.stat(name, dir_fd=parent, follow_symlinks=False)


def _entries(directory: int) -> "list[tuple[str, os.stat_result]]":
    found = []
    for name in sorted(os.listdir(directory))[:_ENTRIES_MAX]:
        try:
            found.append((name, _status(directory, name)))
        except FileNotFoundError:
            continue  # somebody has removed it meanwhile
    return found


def _facts(name: str, status: os.stat_result) -> dict:
    times = {"mtime": status.st_mtime, "ctime": status.st_ctime, "atime": status.st_atime}
    shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return {"filename": shown, "mode": stat.filemode(status.st_mode), "size": status.st_size, **times}


def _archive(tar: tarfile.TarFile, parent: int, name: str, shown: str, depth: int = 0) -> None:
    if depth > _DEPTH_MAX:
        raise PathRefused("store-full", f"{shown!r} lies more than {_DEPTH_MAX} directories deep")
    status = _status(parent, name)
    info = tarfile.TarInfo(shown.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    # Whoever unpacks it may be root, and would have made a program that runs as root for all.
    info.mode, info.mtime = status.st_mode & 0o777, int(status.st_mtime)
    if stat.S_ISLNK(status.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(name, dir_fd=parent)
        tar.addfile(info)
    elif stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
        directory = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
        try:
            for entry in sorted(os.listdir(directory)):
                _archive(tar, directory, entry, f"{shown}/{entry}", depth + 1)
        finally:
            os.close(directory)
    elif stat.S_ISREG(status.st_mode):
        _archive_file(tar, parent, name, info)


def _archive_file(tar: tarfile.TarFile, parent: int, name: str, info: tarfile.TarInfo) -> None:
    # Never to be stopped by a pipe that has taken its place.
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    with open(fd, "rb") as file:
        info.size = os.fstat(fd).st_size
        tar.addfile(info, file)
