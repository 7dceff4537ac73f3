"""Asks the host's resolvers one question at a time each, in their order: by datagram, then by connection.

Nothing waits: every exchange is a few callbacks of the loop and one deadline per try. A new socket for each
try makes its port a part of what a forger would have to guess.
"""
import os
import secrets
import socket
import struct
from typing import Callable

from ..loop import Loop
from . import dns_message

_FILE = "/etc/resolv.conf"
_FILE_BYTES_MAX = 1 << 16
_SERVERS_MAX = 3
_TRY_SECONDS_MAX = 3.0
_PORT = 53
_READ_BYTES = 1 << 16
_LENGTH = struct.Struct("!H")


class Resolvers:
    """The machine's, as /etc/resolv.conf names them at the moment."""

    def __init__(self) -> None:
        self._stamp: object = None
        self._servers: "list[str]" = []

    def current(self) -> "list[str]":
        try:
            status = os.stat(_FILE)
            stamp: object = (status.st_mtime_ns, status.st_ino, status.st_size)
        except OSError:
            stamp = "none"
        if stamp != self._stamp:
            self._stamp = stamp
            self._servers = _read_servers()
        return self._servers


def _read_servers() -> "list[str]":
    try:
        with open(_FILE, errors="replace") as file:
            lines = [line.split() for line in file.read(_FILE_BYTES_MAX).splitlines()]
    except OSError:
        lines = []
    named = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return named[:_SERVERS_MAX] or ["127.0.0.1"]


class Exchange:
    """One question on its way. `on_done` gets the answer, numbered as the question was, or None; once.

    `whole`: what a datagram did not hold is asked for again by connection.
    """

    def __init__(
        self, loop: Loop, servers: "list[str]", question: bytes, on_done: "Callable[[bytes | None], None]",
        by_connection: bool = False, whole: bool = False,
    ) -> None:
        self._loop = loop
        self._question = question
        self._on_done = on_done
        self._whole = whole
        self._tries = [(server, by_connection) for server in servers]
        self._sock: "socket.socket | None" = None
        self._number = 0
        self._unsent = b""
        self._unread = b""
        self._next()

    @property
    def is_done(self) -> bool:
        return self._sock is None

    def cancel(self) -> None:
        self._close()
        self._on_done = lambda _answer: None
        self._tries = []

    def _next(self) -> None:
        """The next try that can be made at all."""
        self._close()
        while self._tries:
            server, by_connection = self._tries.pop(0)
            try:
                self._ask(server, by_connection)
                return
            except OSError:
                self._close()  # that one can not be reached from here
        self._done(None)

    def _ask(self, server: str, by_connection: bool) -> None:
        kind = socket.SOCK_STREAM if by_connection else socket.SOCK_DGRAM
        family, _kind, _protocol, _name, address = socket.getaddrinfo(
            # As bytes: for text, Python would load what it knows of international names, from files.
            server.encode(), _PORT, type=kind, flags=socket.AI_NUMERICHOST
        )[0]
        self._sock = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._number = secrets.randbelow(1 << 16)
        message = dns_message.renumbered(self._question, self._number)
        self._loop.on_readable(self._sock.fileno(), self._read_stream if by_connection else lambda: self._read_datagram(server))
        if by_connection:
            self._unsent, self._unread = _LENGTH.pack(len(message)) + message, b""
            self._sock.connect_ex(address)
            self._loop.on_writable(self._sock.fileno(), self._write_stream)
        else:
            self._sock.connect(address)
            self._sock.send(message)
        sock = self._sock
        self._loop.after(_TRY_SECONDS_MAX, lambda: self._next() if self._sock is sock else None)

    def _read_datagram(self, server: str) -> None:
        try:
            answer = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._next()
            return
        if not self._is_ours(answer):
            return  # a forger's, or a straggler: the right one may still come
        if self._whole and dns_message.is_truncated(answer):
            self._tries.insert(0, (server, True))
            self._next()
        else:
            self._done(answer)

    def _write_stream(self) -> None:
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._next()
            return
        if not self._unsent:
            self._loop.on_writable(self._sock.fileno(), None)

    def _read_stream(self) -> None:
        try:
            data = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._next()
            return
        self._unread += data
        if len(self._unread) < _LENGTH.size:
            return
        (length,) = _LENGTH.unpack_from(self._unread)
        if len(self._unread) < _LENGTH.size + length:
            return
        answer = self._unread[_LENGTH.size : _LENGTH.size + length]
        if self._is_ours(answer):
            self._done(answer)
        else:
            self._next()

    def _is_ours(self, answer: bytes) -> bool:
        try:
            return dns_message.number_of(answer) == self._number
        except dns_message.Malformed:
            return False

    def _done(self, answer: "bytes | None") -> None:
        self._close()
        tell, self._on_done = self._on_done, lambda _answer: None
        if answer is not None:
            answer = dns_message.renumbered(answer, dns_message.number_of(self._question))
        tell(answer)

    def _close(self) -> None:
        if self._sock is not None:
            self._loop.forget(self._sock.fileno())
            self._sock.close()
            self._sock = None
