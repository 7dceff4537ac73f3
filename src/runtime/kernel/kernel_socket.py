"""The runner's end of the socket to a kernel's process: messages there, without waiting, and packets back."""
import os
import socket
from collections import deque

from . import packets


def pair() -> "tuple[socket.socket, socket.socket]":
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


class KernelSocket:
    def __init__(self, control: socket.socket, loop) -> None:
        """`control` does not block."""
        self.fd = control.fileno()
        self._control = control
        self._loop = loop
        self._unsent: "deque[tuple[bytes, list[int]]]" = deque()
        """Packets, with descriptors of ours that go along."""

    def send(self, kind: int, payload: bytes, fds: "list[int] | None" = None) -> None:
        """`fds` go along; they stay the caller's."""
        was_empty = not self._unsent
        self._unsent.extend((packet, []) for packet in packets.packets_of(kind, payload))
        self._unsent[-1][1].extend(os.dup(fd) for fd in fds or ())
        if was_empty:
            self._write()
            if self._unsent:
                self._loop.on_writable(self.fd, self._write)

    def receive(self) -> "bytes | None":
        """A packet; empty at the end, None if there is none at the moment."""
        try:
            return os.read(self.fd, packets.PACKET_BYTES_MAX)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def empty(self) -> None:
        """Forgets what has been said both ways, as far as it has not been heard."""
        self._forget_unsent()
        while self.receive():
            pass

    def close(self) -> None:
        self._forget_unsent()
        self._loop.forget(self.fd)
        self._control.close()

    def _write(self) -> None:
        while self._unsent:
            packet, fds = self._unsent[0]
            try:
                if fds:
                    socket.send_fds(self._control, [packet], fds)
                else:
                    os.write(self.fd, packet)
            except BlockingIOError:
                return
            except OSError:
                self._forget_unsent()  # it has ended, or has closed its end; the first is about to be told
                break
            self._unsent.popleft()
            for fd in fds:
                os.close(fd)
        self._loop.on_writable(self.fd, None)

    def _forget_unsent(self) -> None:
        for _packet, fds in self._unsent:
            for fd in fds:
                os.close(fd)
        self._unsent.clear()
