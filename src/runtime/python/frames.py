"""Frames between worker and sandbox: `u32 length | u8 kind | u16 meta length | meta | body`, big-endian.

The length counts what follows the kind. The other side is sandbox/frame.ts; test/fixtures/frames.json
pins both.
"""
import socket
import struct

CALL = 0x01
RESULT = 0x11
RAISED = 0x12
INIT_FAILED = 0x13
EVENT_INVALID = 0x14

_HEAD = struct.Struct(">IBH")
_META_LENGTH_BYTES = 2


def _read_exactly(channel: socket.socket, count: int) -> "bytearray | None":
    data = bytearray(count)
    view = memoryview(data)
    filled = 0
    while filled < count:
        received = channel.recv_into(view[filled:])
        if received == 0:
            return None
        filled += received
    return data


def read(channel: socket.socket) -> "tuple[int, bytes, bytes] | None":
    """One frame as (kind, meta, body), or None when the worker has closed the channel."""
    head = _read_exactly(channel, _HEAD.size)
    if head is None:
        return None
    length, kind, meta_length = _HEAD.unpack(head)
    payload = _read_exactly(channel, length - _META_LENGTH_BYTES)
    if payload is None:
        return None
    return kind, bytes(payload[:meta_length]), bytes(payload[meta_length:])


def write(channel: socket.socket, kind: int, meta: bytes, body: bytes) -> None:
    head = _HEAD.pack(_META_LENGTH_BYTES + len(meta) + len(body), kind, len(meta))
    channel.sendall(b"".join((head, meta, body)))
