"""Frames between worker and sandbox: `u32 length | u8 kind | u16 meta length | meta | body`, big-endian.

The length counts what follows the kind. The other side is sandbox/frame.ts; test/fixtures/frames.json
pins both.
"""
import os
import select
import socket
import struct

CALL = 0x01
LOAD = 0x02
RESULT = 0x11
RAISED = 0x12
INIT_FAILED = 0x13
EVENT_INVALID = 0x14
LOADED = 0x15
# Not an answer: it comes before one, once at most.
PRINTED_BEFORE = 0x16
# Of an answer that comes bit by bit, before the result, which has the end of it: what it begins with, and what follows.
HEAD = 0x17
PART = 0x18

_HEAD = struct.Struct(">IBH")
_META_LENGTH_BYTES = 2
# Most frames come whole in one read of this size; what is larger gets a buffer of its own.
_PIECE_BYTES = 16_384


class Channel:
    """One end: a frame there, a frame back. os.read and os.write take half the time of a socket's own methods."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._fd = connected.fileno()
        self._held = b""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        self._wait = poll.poll

    def read(self) -> "tuple[int, bytes, bytes] | None":
        """One frame as (kind, meta, body), or None when the other side has closed the channel."""
        # Who waits in a read is woken when the other side has read what was written, too, for nothing: the kernel
        # wakes every sleeper of a stream socket that can be written again. Who waits in poll says for what.
        self._wait()
        data = os.read(self._fd, _PIECE_BYTES)
        while len(data) < _HEAD.size:
            more = os.read(self._fd, _HEAD.size - len(data)) if data else b""
            if not more:
                return None
            data += more
        length, kind, meta_length = _HEAD.unpack_from(data)
        total = _HEAD.size - _META_LENGTH_BYTES + length
        if len(data) < total:
            whole = self._fill(data, total)
            if whole is None:
                return None
            data = whole
        elif len(data) > total:
            raise ValueError("a frame came while another was being answered")
        body_start = _HEAD.size + meta_length
        return kind, data[_HEAD.size : body_start], data[body_start:]

    def fileno(self) -> int:
        return self._fd

    def hold(self, kind: int, body: bytes) -> None:
        """A frame that goes out with the next one, in one piece."""
        self._held = b"".join((_HEAD.pack(_META_LENGTH_BYTES + len(body), kind, 0), body))

    def write(self, kind: int, meta: bytes, body: bytes) -> None:
        head = _HEAD.pack(_META_LENGTH_BYTES + len(meta) + len(body), kind, len(meta))
        data = b"".join((self._held, head, meta, body))
        self._held = b""
        written = os.write(self._fd, data)
        if written < len(data):
            self._socket.sendall(memoryview(data)[written:])

    def _fill(self, begun: bytes, total: int) -> "bytes | None":
        data = bytearray(total)
        data[: len(begun)] = begun
        view, filled = memoryview(data), len(begun)
        while filled < total:
            received = self._socket.recv_into(view[filled:])
            if received == 0:
                return None
            filled += received
        return bytes(data)
