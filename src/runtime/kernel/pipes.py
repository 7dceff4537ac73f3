"""The ends of pipes that the runner holds: text that comes out of one, and what is to go into one."""
import os
from typing import Callable

from .input_watch import InputWatch, unread_bytes
from .loop import Loop

STREAMS = ("stdout", "stderr")
PIECE_BYTES = 65_536
# What may wait for somebody to read it, in bytes; more is dropped.
WAITING_BYTES_MAX = 64 << 20

OnOutput = Callable[[int, "Callable[[], None] | None"], None]


def exit_code(status: "int | None") -> int:
    """Of a wait status: 128 + N for signal N; 1 if nobody knows it."""
    if status is None:
        return 1
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


class Outputs:
    """The reading ends of somebody's stdout and stderr."""

    def __init__(self, on_output: "OnOutput", fds: "tuple[int, int]", hear: "Callable[[str, bytes], None]") -> None:
        """`on_output` is the session's; `hear(stream, data)` is told every piece. The descriptors are this object's now."""
        self._on_output = on_output
        self._hear = hear
        self._open = dict(zip(STREAMS, fds))
        for name, fd in self._open.items():
            os.set_blocking(fd, False)
            on_output(fd, lambda name=name, fd=fd: self._read(name, fd))

    def tell_rest(self) -> None:
        """What is there now, and no more: others may still write."""
        for name, fd in self._open.items():
            left = unread_bytes(fd)
            while left > 0:
                data = self._take(fd, min(left, PIECE_BYTES))
                if not data:
                    break
                left -= len(data)
                self._hear(name, data)

    def close(self) -> None:
        for fd in self._open.values():
            self._on_output(fd, None)
            os.close(fd)
        self._open.clear()

    def _take(self, fd: int, count: int) -> "bytes | None":
        """None if it has been read meanwhile: a program can open its own output, and read there, too."""
        try:
            return os.read(fd, count)
        except BlockingIOError:
            return None

    def _read(self, name: str, fd: int) -> None:
        data = self._take(fd, PIECE_BYTES)
        if data is None:
            return
        if data:
            self._hear(name, data)
        else:
            self._on_output(fd, None)
            os.close(fd)
            del self._open[name]


class Outbox:
    """Bytes for whoever reads the other end; what finds no room in the pipe waits here."""

    def __init__(self, loop: Loop, fd: int) -> None:
        self._loop = loop
        self._fd = fd
        self._waiting = b""
        self._is_last = False
        os.set_blocking(fd, False)

    def send(self, data: bytes) -> None:
        if self._fd < 0 or self._is_last or len(self._waiting) + len(data) > WAITING_BYTES_MAX:
            return
        is_first = not self._waiting
        self._waiting += data
        if is_first:
            self._write()
            if self._waiting:
                self._loop.on_writable(self._fd, self._write)

    def finish(self) -> None:
        """Closes it once all is written."""
        self._is_last = True
        if not self._waiting:
            self.close()

    def close(self) -> None:
        if self._fd >= 0:
            if self._waiting:
                self._loop.on_writable(self._fd, None)
            os.close(self._fd)
            self._fd = -1
        self._waiting = b""

    def _write(self) -> None:
        was_waiting = self._waiting
        try:
            self._waiting = was_waiting[os.write(self._fd, was_waiting) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._waiting = b""  # nobody will ever read it; the descriptor is looked at until it is closed
        if not self._waiting:
            self._loop.on_writable(self._fd, None)
            if self._is_last:
                self.close()


class Input:
    """Somebody's standard input, and whether somebody waits for it."""

    def __init__(self, loop: Loop, write_end: int, on_waiting: "Callable[[], None]") -> None:
        self._outbox = Outbox(loop, write_end)
        self._watch = InputWatch(loop.after, write_end, on_waiting)
        self._has_ended = False

    def expect(self) -> None:
        """Something has happened after which somebody may wait."""
        if not self._has_ended:
            self._watch.begin()

    def rest(self) -> None:
        """Nobody is to be waited for."""
        self._watch.end()

    def line(self, text: str) -> None:
        self._outbox.send((text + "\n").encode("utf-8", "replace"))
        self.expect()

    def end(self) -> None:
        """There are no more lines: whoever reads finds the end."""
        self._has_ended = True
        self._watch.end()
        self._outbox.finish()

    def close(self) -> None:
        self._has_ended = True
        self._watch.end()
        self._outbox.close()
