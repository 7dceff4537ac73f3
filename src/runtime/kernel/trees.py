"""Directories with all that is in them: copied, and removed. Links stay what they are; none is followed."""
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
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    remove(entry.path)
                else:
                    os.unlink(entry.path)
        os.rmdir(path)
    except OSError:
        return


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
