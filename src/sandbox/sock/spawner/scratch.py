"""Scratch directories: made before user code runs, deleted by descriptor after it.

A handler owns what lies in its scratch. Nothing here follows a link, opens a path below a scratch
directory that a handler could have changed, or recurses: a tree 2,000 levels deep is flattened by
renaming its directories up.
"""
import os
import socket
import stat

_PIPE = "server_pipe"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Scratch:
    """One sandbox's directory: `slots/<n>` while it waits, `handlers/<lambda>/<instance>` once it is used."""

    def __init__(self, worker_dir_fd: int, slot: int, owner: int) -> None:
        self._top = worker_dir_fd
        self.path = f"slots/{slot}"
        os.mkdir(self.path, 0o755, dir_fd=worker_dir_fd)
        self.fd = os.open(self.path, _DIRECTORY, dir_fd=worker_dir_fd)
        self._owner = owner

    def make_output(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o644, dir_fd=self.fd)
        os.fchown(fd, self._owner, self._owner)
        return fd

    def listen(self) -> socket.socket:
        """The socket that the worker connects to, once, before user code exists here."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Through the descriptor: the directory's own path may be longer than the 107 bytes of a socket's name.
        listener.bind(f"/proc/self/fd/{self.fd}/{_PIPE}")
        listener.listen(1)
        listener.setblocking(False)
        return listener

    def give_away(self) -> None:
        """From here on the directory is the sandbox's own."""
        os.fchmod(self.fd, 0o755)
        os.fchown(self.fd, self._owner, self._owner)

    def rename(self, lambda_name: str, instance: int) -> None:
        parent = f"handlers/{lambda_name}"
        try:
            os.mkdir(parent, 0o755, dir_fd=self._top)
        except FileExistsError:
            pass  # an earlier instance of the lambda made it
        path = f"{parent}/{instance}"
        os.rename(self.path, path, src_dir_fd=self._top, dst_dir_fd=self._top)
        self.path = path

    def remove(self) -> None:
        os.close(self.fd)
        parent, name = os.path.split(self.path)
        remove_tree(self._top, parent, name)


def remove_tree(top_fd: int, parent: str, name: str) -> None:
    parent_fd = os.open(parent, _DIRECTORY, dir_fd=top_fd)
    try:
        _remove(parent_fd, name)
    finally:
        os.close(parent_fd)


def empty(top_fd: int, name: str) -> None:
    """Deletes everything in a directory of the worker's."""
    fd = os.open(name, _DIRECTORY, dir_fd=top_fd)
    try:
        for entry in os.listdir(fd):
            _remove(fd, entry)
    finally:
        os.close(fd)


def _remove(parent_fd: int, name: str) -> None:
    try:
        mode = os.stat(name, dir_fd=parent_fd, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        os.unlink(name, dir_fd=parent_fd)
        return
    lifted = [name]  # directories that now lie directly in parent_fd
    made = 0
    while lifted:
        current = lifted.pop()
        fd = os.open(current, _DIRECTORY, dir_fd=parent_fd)
        try:
            for entry in _entries(fd):
                if entry.is_dir(follow_symlinks=False):
                    made += 1
                    flat = f".removing-{name}-{made}"
                    os.rename(entry.name, flat, src_dir_fd=fd, dst_dir_fd=parent_fd)
                    lifted.append(flat)
                else:
                    os.unlink(entry.name, dir_fd=fd)
        finally:
            os.close(fd)
        os.rmdir(current, dir_fd=parent_fd)


def _entries(fd: int) -> "list[os.DirEntry[str]]":
    with os.scandir(fd) as entries:
        return list(entries)

