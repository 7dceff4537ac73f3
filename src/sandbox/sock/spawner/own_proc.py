"""A /proc of a sandbox's own, made from outside, for those that may mount nothing themselves.

A proc shows the pid namespace of whoever makes it, so a process of this program must be in there: a fork that has
joined it, which hands the mount back and ends. Who joins a pid namespace makes children there from then on. Only root
can take that back: this process's own namespace is the machine's. For others a fork joins, and makes that one.
"""
import os
import socket
from typing import NoReturn

from zygote import linux

_ATTRIBUTES = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOEXEC
_SAID_BYTES_MAX = 1024


class OwnProc:
    def __init__(self, may_return: bool) -> None:
        """`may_return`: into the pid namespace that this process's children are in."""
        self._may_return = may_return
        self._own_pids_fd = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def make(self, pidfd: int) -> int:
        """The mount, attached nowhere, of a process in whose pid namespace nothing has happened yet. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            pid = self._fork_into(pidfd, theirs) if self._may_return else _fork_one_who_joins(pidfd, theirs)
            theirs.close()
            said, fds, _flags, _address = socket.recv_fds(ours, _SAID_BYTES_MAX, 1)
            os.waitpid(pid, 0)
        if not fds:
            raise OSError(said.decode() or "whoever made its /proc was ended")
        return fds[0]

    def _fork_into(self, pidfd: int, link: socket.socket) -> int:
        linux.setns(pidfd, linux.CLONE_NEWPID)
        try:
            return _fork_maker(link)
        finally:
            linux.setns(self._own_pids_fd, linux.CLONE_NEWPID)


def _fork_one_who_joins(pidfd: int, link: socket.socket) -> int:
    pid, own_pidfd = linux.clone(0)
    if pid == 0:
        _make_by_another(pidfd, link)
    os.close(own_pidfd)
    return pid


def _make_by_another(pidfd: int, link: socket.socket) -> NoReturn:
    try:
        linux.setns(pidfd, linux.CLONE_NEWPID)
        # The namespace ends only when nobody has to be waited for in it any more.
        os.waitpid(_fork_maker(link), 0)
    except OSError as error:
        link.send(f"join its pid namespace: {error}".encode())
    finally:
        os._exit(0)


def _fork_maker(link: socket.socket) -> int:
    pid, own_pidfd = linux.clone(0)
    if pid == 0:
        _hand_back(link)
    os.close(own_pidfd)
    return pid


def _hand_back(link: socket.socket) -> NoReturn:
    try:
        socket.send_fds(link, [b"mount"], [linux.new_mount("proc", {}, _ATTRIBUTES)])
    except OSError as error:
        link.send(f"proc: {error}".encode())
    finally:
        os._exit(0)
