"""Netlink: how the kernel's network settings are read and changed without a program in between.

A socket belongs for good to the network namespace that it was made in, whoever uses it from where. So one
that was made inside a sandbox's namespace changes that sandbox's network and nobody else's, and nothing has
to step in there again.
"""
import os
import socket
import struct
from dataclasses import dataclass
from typing import Iterator

REQUEST, ACK, CREATE, APPEND, DUMP = 0x1, 0x4, 0x400, 0x800, 0x300
_NESTED = 0x8000
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERRNO = struct.Struct("=i")
_READ_BYTES = 1 << 18
_SOL_NETLINK, _STRICT_CHECK = 270, 12


@dataclass(frozen=True)
class Message:
    kind: int
    body: bytes

    def attributes(self, header_bytes: int) -> "dict[int, bytes]":
        return dict(_attributes(self.body[header_bytes:]))


def _attributes(data: bytes) -> "Iterator[tuple[int, bytes]]":
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind & ~_NESTED, data[_ATTRIBUTE.size : length]
        data = data[_padded(length) :]


def attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(_padded(length) - length)


def nested(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | _NESTED, b"".join(attributes))


def _padded(length: int) -> int:
    return (length + 3) & ~3


def message(kind: int, flags: int, body: bytes, number: int = 0) -> bytes:
    return _HEADER.pack(_HEADER.size + len(body), kind, flags | REQUEST, number, 0) + body


def open_socket(family: int, groups: int = 0) -> socket.socket:
    """In the calling process's network namespace."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
    try:
        sock.bind((0, groups))
    except OSError:
        sock.close()
        raise
    return sock


def request(sock: socket.socket, what: str, data: bytes) -> None:
    """Sends what asks for one acknowledgement and waits for that; the kernel has done it, or not, by then."""
    sock.send(data)
    for answer in _read(sock, what):
        if answer.kind == _ERROR:
            _check(answer, what)
            return


def ask(sock: socket.socket, what: str, data: bytes) -> Message:
    """Sends what is answered with one message."""
    sock.send(data)
    answer = next(_read(sock, what))
    _check(answer, what)
    return answer


def transact(sock: socket.socket, what: str, data: bytes, acknowledgements: int) -> None:
    """Sends a batch that takes effect as a whole or not at all. The first complaint is raised."""
    sock.send(data)
    failed: "OSError | None" = None
    for answer in _read(sock, what):
        try:
            _check(answer, what)
            acknowledgements -= 1
        except OSError as error:
            failed = failed or error
            break
        if acknowledgements == 0:
            break
    if failed is not None:
        _drain(sock)
        raise failed


def dump(sock: socket.socket, what: str, kind: int, body: bytes) -> "list[Message]":
    """Everything of a kind; `sock` must be in no multicast group. The kernel filters by what `body` names."""
    sock.setsockopt(_SOL_NETLINK, _STRICT_CHECK, 1)
    sock.send(message(kind, DUMP, body))
    found = []
    for answer in _read(sock, what):
        if answer.kind == _DONE:
            break
        if answer.kind == _ERROR:
            _check(answer, what)
        found.append(answer)
    return found


def parse(data: bytes) -> "Iterator[Message]":
    while len(data) >= _HEADER.size:
        length, kind, _flags, _number, _port = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            return
        yield Message(kind, data[_HEADER.size : length])
        data = data[_padded(length) :]


def _read(sock: socket.socket, what: str) -> "Iterator[Message]":
    """Answers are there when a request has been sent; one that is missing is an error, never a wait."""
    while True:
        try:
            data = sock.recv(_READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            raise OSError(f"{what}: the kernel did not answer") from None
        yield from parse(data)


def _drain(sock: socket.socket) -> None:
    try:
        while sock.recv(_READ_BYTES, socket.MSG_DONTWAIT):
            pass
    except BlockingIOError:
        return


def _check(answer: Message, what: str) -> None:
    if answer.kind != _ERROR:
        return
    (number,) = _ERRNO.unpack_from(answer.body)
    if number != 0:
        raise OSError(-number, f"{what}: {os.strerror(-number)}")
