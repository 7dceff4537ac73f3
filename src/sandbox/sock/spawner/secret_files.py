"""Secrets: the files that a lambda was granted, copied to a tmpfs that only its sandbox sees.

The worker says names, this opens the files, the kernel copies: no process but the operator's
`admin secrets set` and the lambda itself ever has a value in its memory. That there is a grant is looked up
here again. One that has gone since the worker looked is left out; the worker is about to end the instance.
"""
import os
import re
import stat

from zygote import linux

_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}")
_COUNT_MAX = 64
_BYTES_MAX = 1 << 16
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Not blocking: a pipe in the place of a file must not stop the spawner.
_VALUE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_TMPFS = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOEXEC


class SecretFiles:
    def __init__(self, directory: str) -> None:
        self._directory = directory

    def copy(self, lambda_name: str, names: "list[str]", owner: int) -> "int | None":
        """A tmpfs, mounted nowhere, with the files in it, each readable by its owner; None if there is no file."""
        if len(names) > _COUNT_MAX or not all(_NAME.fullmatch(name) for name in names):
            raise OSError(f"{len(names)} secrets were asked for, or one whose name is not legal")
        # Opened anew each time: somebody may have put another directory in its place.
        top = os.open(self._directory, _DIRECTORY)
        tree: "int | None" = None
        try:
            for name in names:
                value = _open_granted(top, lambda_name, name)
                if value is None:
                    continue
                try:
                    tree = _new_tmpfs(len(names)) if tree is None else tree
                    _copy(value, tree, name, owner)
                finally:
                    os.close(value)
        except OSError:
            if tree is not None:
                os.close(tree)
            raise
        finally:
            os.close(top)
        return tree


def _open_granted(top: int, lambda_name: str, name: str) -> "int | None":
    # A version may read what its lambda may.
    granted = lambda_name.partition("~")[0]
    try:
        os.stat(f"grants/{granted}:{name}", dir_fd=top, follow_symlinks=False)
        return os.open(f"values/{name}", _VALUE, dir_fd=top)
    except FileNotFoundError:
        return None


def _new_tmpfs(files: int) -> int:
    options = {"mode": "0755", "size": str(files * _BYTES_MAX), "nr_inodes": str(files + 2)}
    return linux.new_tmpfs(options, _TMPFS)


def _copy(value: int, tree: int, name: str, owner: int) -> None:
    status = os.fstat(value)
    if not stat.S_ISREG(status.st_mode) or status.st_size > _BYTES_MAX:
        raise OSError(f"the secret {name} is no file of at most {_BYTES_MAX} bytes")
    copy = os.open(name, _NEW, 0o400, dir_fd=tree)
    try:
        left = status.st_size
        while left > 0:
            sent = os.sendfile(copy, value, None, left)
            if sent == 0:
                raise OSError(f"the secret {name} became shorter while it was copied")
            left -= sent
        os.fchmod(copy, 0o400)
        os.fchown(copy, owner, owner)
    finally:
        os.close(copy)
