"""Messages between the runner and a kernel's process, over a socket that keeps packets whole (SOCK_SEQPACKET).

Each packet is whole however many threads, or forked children, write at the same time, and is there once it was written,
whatever becomes of the writer. A message that is longer than one packet comes in parts, which belong together by a key:

    u8 kind | u8 flags | payload            the whole message
    u8 kind | u8 flags | u64 key | payload  a part of it

A message may follow what other processes have written to stdout and stderr: then its payload begins with how much of
that lay in the two pipes when it was sent, and when that was (AFTER_OTHERS, `Others`).

Nothing here trusts the other side: what can not be is a ValueError.
"""
import os
import struct
import threading
from typing import Iterator

PIECE_BYTES = 48 * 1024
PACKET_BYTES_MAX = PIECE_BYTES + 16
_OPEN_MAX = 64

PART, FIRST, LAST = 1, 2, 4
AFTER_OTHERS = 8

# From the kernel.
STDOUT, STDERR, DISPLAY, WAITING, FINISHED, ANSWER, HELLO, BEGUN = b"oediFahb"
# To the kernel.
CELL, LINE, COMPLETE, FORK, CHECKPOINT, INPUT_END = b"CLPKSE"

_KEY = struct.Struct("=Q")
Others = struct.Struct("=IIQ")
"""Bytes in the pipes of stdout and of stderr, and the monotonic clock in ns."""


def packets_of(kind: int, payload: bytes, flags: int = 0) -> "Iterator[bytes]":
    if len(payload) <= PIECE_BYTES:
        yield bytes((kind, flags)) + payload
        return
    key = _KEY.pack((os.getpid() << 32) | (threading.get_ident() & 0xFFFFFFFF))
    for start in range(0, len(payload), PIECE_BYTES):
        place = (FIRST if start == 0 else 0) | (LAST if start + PIECE_BYTES >= len(payload) else 0)
        yield bytes((kind, flags | PART | place)) + key + payload[start : start + PIECE_BYTES]


class Assembler:
    """Makes messages of packets. One that was begun anew is forgotten as far as it had come."""

    def __init__(self, message_bytes_max: int) -> None:
        self._bytes_max = message_bytes_max
        self._open: "dict[tuple[int, bytes], bytearray]" = {}

    def take(self, packet: bytes) -> "tuple[int, int, bytes] | None":
        """A message as (kind, flags, payload), once it is whole."""
        if len(packet) < 2:
            raise ValueError("a packet without a head")
        kind, flags = packet[0], packet[1]
        if not flags & PART:
            return kind, flags, packet[2:]
        if len(packet) < 2 + _KEY.size:
            raise ValueError("a part without a key")
        name = (kind, packet[2 : 2 + _KEY.size])
        if flags & FIRST:
            if len(self._open) >= _OPEN_MAX:
                raise ValueError(f"more than {_OPEN_MAX} messages begun at once")
            self._open[name] = bytearray()
        message = self._open.get(name)
        if message is None:
            raise ValueError("a part of what was not begun")
        message += packet[2 + _KEY.size :]
        if sum(map(len, self._open.values())) > self._bytes_max:
            raise ValueError(f"a message of more than {self._bytes_max} bytes")
        if not flags & LAST:
            return None
        del self._open[name]
        return kind, flags, bytes(message)
