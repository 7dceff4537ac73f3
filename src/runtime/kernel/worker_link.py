"""The runner's end of the channel: frames as runtime/python/frames.py has them, all of kind MESSAGE, both ways.

Never waits: what the worker does not take at once is kept, and whoever produces more is held back until it has.
"""
import json
import os
import socket
import struct
from collections import deque
from typing import Callable

MESSAGE = 0x21
# Above this, those that produce output are not read any more.
UNSENT_BYTES_MAX = 1 << 20

_HEAD = struct.Struct(">IBH")
_META_LENGTH_BYTES = 2
_PIECE_BYTES = 65_536


class WorkerLink:
    def __init__(
        self, channel: socket.socket, loop, on_message: "Callable[[dict, bytes], None]", on_closed: "Callable[[], None]"
    ) -> None:
        self._channel = channel
        self._fd = channel.fileno()
        os.set_blocking(self._fd, False)
        self._loop = loop
        self._on_message = on_message
        self._on_closed = on_closed
        self._received = bytearray()
        self._unsent: "deque[bytes]" = deque()
        self.unsent_bytes = 0
        self.on_relieved: "Callable[[], None]" = lambda: None
        """Called when all that was kept has been sent."""
        loop.on_readable(self._fd, self._read)

    def say(self, meta: dict, body: bytes = b"") -> None:
        head = json.dumps(meta).encode()
        data = b"".join((_HEAD.pack(_META_LENGTH_BYTES + len(head) + len(body), MESSAGE, len(head)), head, body))
        if not self._unsent:
            sent = self._send(data)
            if sent == len(data):
                return
            data = data[sent:]
            self._loop.on_writable(self._fd, self._write)
        self._unsent.append(data)
        self.unsent_bytes += len(data)

    @property
    def is_full(self) -> bool:
        return self.unsent_bytes > UNSENT_BYTES_MAX

    def close(self) -> None:
        self._channel.close()

    def _send(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError:
            self._on_closed()
            return len(data)

    def _write(self) -> None:
        while self._unsent:
            data = self._unsent[0]
            sent = self._send(data)
            self.unsent_bytes -= sent
            if sent < len(data):
                self._unsent[0] = data[sent:]
                return
            self._unsent.popleft()
        self._loop.on_writable(self._fd, None)
        self.on_relieved()

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._on_closed()
            return
        received = self._received
        received += data
        start = 0
        while len(received) - start >= _HEAD.size:
            length, kind, meta_length = _HEAD.unpack_from(received, start)
            end = start + _HEAD.size - _META_LENGTH_BYTES + length
            if len(received) < end:
                break
            if kind != MESSAGE:
                raise ValueError(f"a frame of kind {kind}")
            body_start = start + _HEAD.size + meta_length
            self._on_message(json.loads(received[start + _HEAD.size : body_start]), bytes(received[body_start:end]))
            start = end
        del received[:start]
