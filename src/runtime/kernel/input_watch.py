"""Tells when somebody waits for input: whether any process of the sandbox sits in a call that waits for a pipe to be read.

The kernel has no event for "a reader has found the pipe empty", so this looks, and only where an answer can have changed:
a while after the program was started, has printed, or was given a line, and ever less often as long as nothing comes of it.
A look reads /proc/<pid>/task/<tid>/syscall, which says in which system call a thread sleeps and with which arguments;
those of read name the descriptor, those of poll and select point to the descriptors in the process's memory, and what epoll waits
for stands in /proc/<pid>/fdinfo. The pipe is told by its inode, so whoever holds a copy of it, shell or grandchild,
is found. A process that forbids others to look at it (PR_SET_DUMPABLE) is not found; it is served all the same.
"""
import array
import fcntl
import os
import platform
import struct
import termios
from typing import Callable

_X86 = platform.machine() == "x86_64"
_READS = (0, 19, 45, 47) if _X86 else (63, 65, 207, 212)  # read, readv, recvfrom, recvmsg
_POLLS = (7, 271) if _X86 else (73,)  # poll, ppoll
_SELECTS = (23, 270) if _X86 else (72,)  # select, pselect6
_EPOLLS = (232, 281, 441) if _X86 else (22, 441)  # epoll_wait, epoll_pwait, epoll_pwait2
_POLLED = struct.Struct("=ihh")
_POLLED_MAX = 64
_POLLIN, _EPOLLIN = 1, 1
_FIRST_LOOK_S, _LAST_LOOK_S = 0.01, 0.25

Identity = "tuple[int, int]"


class InputWatch:
    def __init__(self, after: "Callable[[float, Callable[[], None]], None]", pipe: int, on_waiting: "Callable[[], None]") -> None:
        """`pipe`: its writing end. `after(seconds, callback)` is the loop's."""
        status = os.fstat(pipe)
        self._identity = (status.st_dev, status.st_ino)
        self._pipe = pipe
        self._after = after
        self._on_waiting = on_waiting
        self._pause_s = _FIRST_LOOK_S
        self._is_due = False
        self._active = False

    def begin(self) -> None:
        """Something has happened after which somebody may wait."""
        self._active = True
        self._pause_s = _FIRST_LOOK_S
        self._arrange()

    def end(self) -> None:
        self._active = False

    def _arrange(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._after(self._pause_s, self._look)

    def _look(self) -> None:
        self._is_due = False
        if not self._active:
            return
        # Who is about to wake up for what is there still looks asleep.
        if unread_bytes(self._pipe) == 0 and somebody_waits(self._identity):
            self._active = False
            self._on_waiting()
            return
        self._pause_s = min(self._pause_s * 2, _LAST_LOOK_S)
        self._arrange()


def unread_bytes(pipe: int) -> int:
    """At either end."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


def somebody_waits(identity: "Identity") -> bool:
    """Whether any other process here sleeps until the pipe (device, inode) can be read."""
    own = str(os.getpid())
    for pid in os.listdir("/proc"):
        if pid.isdigit() and pid != own and _process_waits(pid, identity):
            return True
    return False


def _process_waits(pid: str, identity: "Identity") -> bool:
    try:
        return any(_thread_waits(pid, tid, identity) for tid in os.listdir(f"/proc/{pid}/task"))
    except OSError:  # it has ended, or is nobody else's business
        return False


def _thread_waits(pid: str, tid: str, identity: "Identity") -> bool:
    with open(f"/proc/{pid}/task/{tid}/syscall", "rb", buffering=0) as file:
        words = file.read().split()
    if len(words) < 8:  # b"running": in no call
        return False
    number = int(words[0])
    first, second = int(words[1], 16), int(words[2], 16)
    if number in _READS:
        return _is_pipe(pid, first & 0xFFFFFFFF, identity)
    if number in _POLLS:
        return any(_is_pipe(pid, fd, identity) for fd in _polled(pid, first, second))
    if number in _SELECTS:
        return any(_is_pipe(pid, fd, identity) for fd in _selected(pid, first, second))
    if number in _EPOLLS:
        return _epoll_has(pid, first & 0xFFFFFFFF, identity)
    return False


def _is_pipe(pid: str, fd: int, identity: "Identity") -> bool:
    try:
        status = os.stat(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == identity


def _polled(pid: str, address: int, count: int) -> "list[int]":
    data = _memory(pid, address, min(count, _POLLED_MAX) * _POLLED.size)
    return [fd for fd, events, _ready in _POLLED.iter_unpack(data) if fd >= 0 and events & _POLLIN]


def _selected(pid: str, count: int, address: int) -> "list[int]":
    if address == 0:
        return []
    data = _memory(pid, address, (min(count, _POLLED_MAX) + 7) // 8)
    return [fd for fd in range(len(data) * 8) if data[fd // 8] >> fd % 8 & 1]


def _memory(pid: str, address: int, length: int) -> bytes:
    if length == 0:  # who waits for nothing may have any number for its place
        return b""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        file.seek(address)
        data = file.read(length)
    return data if len(data) == length else b""


def _epoll_has(pid: str, fd: int, identity: "Identity") -> bool:
    """Lines as `tfd:       12 events:       19 data: … pos:0 ino:1a2b sdev:d`."""
    with open(f"/proc/{pid}/fdinfo/{fd}", "rb", buffering=0) as file:
        for line in file.read().splitlines():
            words = line.replace(b":", b": ").split()
            if len(words) > 3 and words[0] == b"tfd:" and int(words[3], 16) & _EPOLLIN and _is_pipe(pid, int(words[1]), identity):
                return True
    return False
