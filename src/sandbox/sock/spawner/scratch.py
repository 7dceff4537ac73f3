"""Scratch: one sandbox's volume, with its socket and its output files, and the name under which people find it.

What is on the host is a link, `slots/<n>` while the sandbox waits and `handlers/<lambda>/<instance>` once
it is used; it leads through this process's descriptor to the volume, which is mounted nowhere else than in
the sandbox. stdout and stderr lie on a small tmpfs of their own, so that what a handler prints has a limit
apart from what it stores; the volume holds links to them. When the descriptors are closed, all is gone.

A handler owns what lies in its scratch. Nothing here follows a link or opens a path below it.
"""
import errno
import os
import socket
import stat

from zygote import linux

from .limits import Limits
from .spare_directory import SpareDirectory
from .volumes import Volumes

_PIPE = "server_pipe"
_WORDS_BYTES_MAX = 4096
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_OUTPUT = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOEXEC


class Scratch:
    def __init__(self, worker_dir_fd: int, slot: int, owner: int, volumes: Volumes, limits: Limits) -> None:
        self._top = worker_dir_fd
        self._owner = owner
        self._volumes = volumes
        self._volume = volumes.make()
        self._output = -1
        self.path = f"slots/{slot}"
        try:
            self._output = linux.new_tmpfs({"size": f"{limits.output_kb}k", "nr_inodes": "4", "mode": "0755"}, _OUTPUT)
            os.symlink(f"/proc/{os.getpid()}/fd/{self.fd}", self.path, dir_fd=worker_dir_fd)
        except OSError:
            self._close()
            raise

    @property
    def fd(self) -> int:
        """The volume's root directory."""
        return self._volume.fd

    def make_output(self, name: str) -> int:
        fd = os.open(name, _NEW_OUTPUT, 0o600, dir_fd=self._output)
        # The worker empties it, under an id of its own, and the sandbox may open it anew; nobody else gets there.
        os.fchmod(fd, 0o666)
        os.symlink(f"/proc/{os.getpid()}/fd/{self._output}/{name}", name, dir_fd=self.fd)
        return fd

    def last_words(self) -> str:
        """What was printed to stderr last, or of an error, as the end of a sentence, as long as no code has run."""
        try:
            fd = os.open("stderr", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._output)
        except FileNotFoundError:
            return ""
        with open(fd, "rb") as file:
            text = file.read(_WORDS_BYTES_MAX).decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return f": {next((line for line in lines if 'rror' in line), lines[-1])}" if lines else ""

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

    def take_tree(self) -> int:
        """The mount, to be attached in the sandbox; it is the caller's now."""
        tree, self._volume.tree = self._volume.tree, -1
        return tree

    def resize(self, limits: Limits, before: Limits) -> None:
        self._volumes.resize(self._volume, limits)
        if limits.output_kb != before.output_kb:
            linux.reconfigure(self._output, {"size": f"{limits.output_kb}k"})

    def rename(self, lambda_name: str, instance: int, spare: SpareDirectory) -> None:
        parent = f"handlers/{lambda_name}"
        spare.become(parent)
        path = f"{parent}/{instance}"
        os.rename(self.path, path, src_dir_fd=self._top, dst_dir_fd=self._top)
        self.path = path

    def remove(self) -> None:
        os.unlink(self.path, dir_fd=self._top)
        if self.path.startswith("handlers/"):
            self._remove_if_last(os.path.dirname(self.path))
        self._close()

    def _remove_if_last(self, lambda_dir: str) -> None:
        """Else a worker on which lambdas come and go would keep a directory of each for ever."""
        try:
            os.rmdir(lambda_dir, dir_fd=self._top)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise

    def _close(self) -> None:
        if self._output != -1:
            os.close(self._output)
        self._volumes.remove(self._volume)


def empty(top_fd: int, name: str) -> None:
    """Deletes everything in a directory of the worker's: what an earlier run left, whatever handlers built there.

    Nothing recurses: a tree 2,000 levels deep is flattened by renaming its directories up.
    """
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

