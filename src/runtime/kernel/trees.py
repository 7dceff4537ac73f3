"""Directories with all that is in them: copied, and removed. Links stay what they are; none is followed."""
import errno
import os
import stat

_PIECE_BYTES = 1 << 24
_COPIED_MODE = 0o7777


def copy(source: str, target: str) -> None:
    """Into `target`, which is there. What is neither file, directory nor link is left out; links to one file become files.
    Raises OSError."""
    with os.scandir(source) as entries:
        for entry in entries:
            path = os.path.join(target, entry.name)
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), path)
            elif entry.is_dir(follow_symlinks=False):
                os.mkdir(path, 0o700)
                copy(entry.path, path)
                _copy_facts(entry, path)
            elif entry.is_file(follow_symlinks=False):
                _copy_file(entry.path, path)
                _copy_facts(entry, path)


def remove(path: str) -> None:
    """What can not be removed stays, with what it lies in."""
    try:
        parent = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_at(parent, os.path.basename(path))
        finally:
            os.close(parent)
    except OSError:
        return


def remove_at(parent: int, name: str) -> None:
    """A file, or a directory with all that is in it. `parent` is a descriptor. Raises OSError."""
    try:
        os.unlink(name, dir_fd=parent)
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
    top = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
    try:
        _empty(top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _empty(top: int) -> None:
    """A tree may be deeper than there are descriptors or frames: what lies in a subdirectory is moved up before that goes."""
    moved = 0
    names = os.listdir(top)
    while names:
        for name in names:
            if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=top)
                continue
            directory = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=top)
            try:
                for entry in os.listdir(directory):
                    moved += 1
                    os.rename(entry, f".going.{moved}.{os.getpid()}", src_dir_fd=directory, dst_dir_fd=top)
            finally:
                os.close(directory)
            os.rmdir(name, dir_fd=top)
        names = os.listdir(top)


def _copy_file(source: str, target: str) -> None:
    ours = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        theirs = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # Shares what it can with the first, where the file system has that.
            while os.copy_file_range(ours, theirs, _PIECE_BYTES) > 0:
                pass
        finally:
            os.close(theirs)
    finally:
        os.close(ours)


def _copy_facts(entry: "os.DirEntry[str]", target: str) -> None:
    facts = entry.stat(follow_symlinks=False)
    os.chmod(target, stat.S_IMODE(facts.st_mode) & _COPIED_MODE)
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
