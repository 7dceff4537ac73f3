"""What a Python kernel reads and writes: its end of the socket, and sys.stdin, stdout and stderr.

A line is a packet, as in a terminal; what is no whole line yet goes before anything else that is said, so that the order
of the two streams, and of what is displayed, is that in which it happened. What other processes have written to
descriptors 1 and 2 meanwhile is looked for with each packet.
"""
import array
import fcntl
import io
import json
import os
import socket
import sys
import termios
import time
from typing import Callable

from . import forking, packets

_MESSAGE_BYTES_MAX = 1 << 30
# Bound now: a cell may replace them.
_write, _ioctl, _dumps, _clock = os.write, fcntl.ioctl, json.dumps, time.monotonic_ns
_FIONREAD = termios.FIONREAD
_FDS_SPACE = socket.CMSG_LEN(3 * 4)


class Link:
    """The kernel's end of the socket to the runner."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=fd)
        self.fds: "list[int]" = []
        """Descriptors that came with the last message."""
        self._assembler = packets.Assembler(_MESSAGE_BYTES_MAX)
        self._lines: "list[bytes | None]" = []
        """None is the end of input, for one who asks."""
        self.flush_line: "Callable[[], None]" = lambda: None
        """Says what has been printed of a line that is not whole yet."""
        self._waiting_bytes = [array.array("i", [0]), array.array("i", [0])]

    @property
    def fd(self) -> int:
        return self._fd

    def say(self, kind: int, payload: bytes) -> None:
        if kind != packets.STDOUT:
            self.flush_line()
        flags = 0
        others = self._others_wrote()
        if others:
            flags, payload = packets.AFTER_OTHERS, others + payload
        if len(payload) <= packets.PIECE_BYTES:
            _write(self._fd, bytes((kind, flags)) + payload)
            return
        for packet in packets.packets_of(kind, payload, flags):
            _write(self._fd, packet)

    def hello(self) -> None:
        """A fork's first word, before anything that has been printed."""
        _write(self._fd, bytes((packets.HELLO, 0)))

    def begun(self) -> None:
        """From now on an interrupt is one of the cell's."""
        _write(self._fd, bytes((packets.BEGUN, 0)))

    def tell(self, kind: int, value: object) -> None:
        self.say(kind, _dumps(value).encode())

    def receive(self) -> "tuple[int, int, bytes] | None":
        """None when the runner has hung up."""
        while True:
            packet, ancillary, *_ = self._socket.recvmsg(packets.PACKET_BYTES_MAX, _FDS_SPACE, socket.MSG_CMSG_CLOEXEC)
            if not packet:
                return None
            self.fds = forking.receive_fds(ancillary) if ancillary else []
            message = self._assembler.take(packet)
            if message is not None:
                return message

    def become(self, fd: int) -> None:
        """A fork's own socket takes the place of this one."""
        os.dup2(fd, self._fd, inheritable=False)
        os.close(fd)
        self._lines.clear()

    def empty(self) -> None:
        """Whatever has been said to somebody else."""
        while True:
            try:
                self._socket.recv(packets.PACKET_BYTES_MAX, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return

    def keep_line(self, line: bytes) -> None:
        """It came while nobody waited for it."""
        self._lines.append(line)

    def ask_line(self, is_password: bool) -> "str | None":
        """Without its end; None if there is none."""
        if not self._lines:
            self.tell(packets.WAITING, {"password": is_password})
        while not self._lines:
            message = self.receive()
            if message is None:
                os._exit(0)
            if message[0] == packets.LINE:
                self.keep_line(message[2])
            elif message[0] == packets.INPUT_END:
                self._lines.append(None)
        line = self._lines.pop(0)
        return None if line is None else line.decode("utf-8", "replace")

    def _others_wrote(self) -> bytes:
        """Empty if nothing lies in the pipes."""
        out, err = self._waiting_bytes
        for fd, waiting in ((1, out), (2, err)):
            try:
                _ioctl(fd, _FIONREAD, waiting)
            except OSError:
                waiting[0] = 0  # a cell has closed it, or put something else there
        if out[0] <= 0 and err[0] <= 0:
            return b""
        return packets.Others.pack(max(0, out[0]), max(0, err[0]), _clock())


class _Stream(io.RawIOBase):
    def __init__(self, link: Link, kind: int, fd: int, name: str) -> None:
        self._link = link
        self._kind = kind
        self._number = fd
        self.name = name
        self.mode = "wb"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """For programs that are started with it as their output."""
        return self._number

    def close(self) -> None:
        """Whoever closes sys.stdout closes it for one cell, not for those that follow: it stays open."""

    def write(self, data) -> int:
        view = memoryview(data).cast("B")
        if len(view) > 0:
            self._link.say(self._kind, bytes(view))
        return len(view)


class _Input(io.TextIOBase):
    """Lines that somebody types, asked for one by one. As on a terminal, its end is one for whoever asks, not for ever."""

    name = "<stdin>"
    encoding = "utf-8"

    def __init__(self, link: Link) -> None:
        self._link = link
        self._rest = ""

    def readable(self) -> bool:
        return True

    def readline(self, size: "int | None" = -1) -> str:
        text = self._rest
        if not text:
            line = self._link.ask_line(False)
            text = "" if line is None else line + "\n"
        if size is None or size < 0:
            size = len(text)
        self._rest = text[size:]
        return text[:size]

    def read(self, size: "int | None" = -1) -> str:
        return self.readline(size)

    def __next__(self) -> str:
        line = self.readline()
        if not line:
            raise StopIteration
        return line


_link: "Link | None" = None


def install(link: Link) -> None:
    global _link
    _link = link
    for name, kind, fd in (("stdout", packets.STDOUT, 1), ("stderr", packets.STDERR, 2)):
        raw = _Stream(link, kind, fd, f"<{name}>")
        text = io.TextIOWrapper(
            raw, encoding="utf-8", errors="backslashreplace", line_buffering=True, write_through=kind == packets.STDERR
        )
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)
    link.flush_line = sys.stdout.flush
    # Else what a fork finds there would be said twice.
    os.register_at_fork(before=link.flush_line)
    sys.stdin = sys.__stdin__ = _Input(link)


def flush() -> None:
    """What a cell has put in the place of the streams may keep something back."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # it is closed, or none at all: a cell's own affair
            continue


def getpass(prompt: str = "Password: ", stream: object = None) -> str:
    """Instead of getpass.getpass, which looks for a terminal."""
    (stream or sys.stdout).write(prompt)
    line = _link.ask_line(True)
    if line is None:
        raise EOFError
    return line
