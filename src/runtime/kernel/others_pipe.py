"""What other processes than the kernel's own write to its stdout or stderr, and which of it came before something else.

Whoever says something says how much lay in the pipe then, and when that was. How much had been taken out by that time is
remembered here: so the place in the stream is known, however late the word is heard.
"""
import array
import fcntl
import os
import select
import termios
import time
from collections import deque

_PIPE_BYTES = 65_536


def pipes() -> "tuple[list[int], list[int]]":
    """Read and write ends, of stdout and stderr."""
    (out, out_end), (err, err_end) = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
    for fd in (out, err):
        os.set_blocking(fd, False)
    return [out, err], [out_end, err_end]


class OthersPipe:
    def __init__(self, fd: int) -> None:
        """`fd` does not block."""
        self.fd = fd
        self._taken = 0
        # (when, how much had been taken by then); the first holds for all times before the second.
        self._history = deque([(0, 0)])
        self._waiting = array.array("i", [0])

    def end(self) -> int:
        """Where the stream ends now."""
        fcntl.ioctl(self.fd, termios.FIONREAD, self._waiting)
        return self._taken + self._waiting[0]

    def is_over(self) -> bool:
        """Nothing lies in it, and nobody can write to it any more."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return [events for _fd, events in poll.poll(0)] == [select.POLLHUP]

    def end_at(self, then_ns: int, count: int) -> int:
        """Where it ended then, when `count` bytes lay in the pipe. Asked in the order of the times."""
        self.forget_before(then_ns)
        return self._history[0][1] + count

    def take(self, end: int) -> bytes:
        """All up to there that has not been taken."""
        data = b""
        if end > self._taken:
            try:
                data = os.read(self.fd, min(end - self._taken, _PIPE_BYTES))
            except BlockingIOError:
                return b""
            self._taken += len(data)
            self._history.append((time.monotonic_ns(), self._taken))
        return data

    def forget_before(self, then_ns: int) -> None:
        """Nobody will ask about earlier times."""
        history = self._history
        while len(history) > 1 and history[1][0] <= then_ns:
            history.popleft()
