"""A /proc of a sandbox's own, made from outside, for those that may mount nothing themselves.

A proc shows the pid namespace of whoever makes it, so a process of this program must be in there: a fork that has
joined it, which hands the mount back and ends.
"""
import os
import socket
from typing import NoReturn

from zygote import linux

_ATTRIBUTES = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOEXEC
_SAID_BYTES_MAX = 1024


class OwnProc:
    def __init__(self) -> None:
        self._own_pids_fd = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def make(self, pidfd: int) -> int:
        """The mount, attached nowhere, of a process in whose pid namespace nothing has happened yet. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            pid = self._fork_into(pidfd)
            if pid == 0:
                _hand_back(theirs)
            theirs.close()
            said, fds, _flags, _address = socket.recv_fds(ours, _SAID_BYTES_MAX, 1)
            os.waitpid(pid, 0)
        if not fds:
            raise OSError(said.decode() or "whoever made its /proc was ended")
        return fds[0]

    def _fork_into(self, pidfd: int) -> int:
        linux.setns(pidfd, linux.CLONE_NEWPID)
        pid = -1
        try:
            pid, own_pidfd = linux.clone(0)
        finally:
            if pid != 0:
                linux.setns(self._own_pids_fd, linux.CLONE_NEWPID)
        if pid != 0:
            os.close(own_pidfd)
        return pid


def _hand_back(link: socket.socket) -> NoReturn:
    try:
        socket.send_fds(link, [b"mount"], [linux.new_mount("proc", {}, _ATTRIBUTES)])
    except OSError as error:
        link.send(f"proc: {error}".encode())
    finally:
        os._exit(0)
