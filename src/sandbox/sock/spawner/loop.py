"""An event loop on epoll (select() fails at descriptor 1,024): descriptors and deadlines, nothing else."""
import heapq
import itertools
import select
import time
from typing import Callable


class Loop:
    def __init__(self) -> None:
        self._poll = select.epoll()
        self._readers: "dict[int, Callable[[], None]]" = {}
        self._writers: "dict[int, Callable[[], None]]" = {}
        self._deadlines: "list[tuple[float, int, Callable[[], None]]]" = []
        self._order = itertools.count()
        self._forgotten: "set[int]" = set()
        """In this turn: an event of one of them is of a descriptor that was closed, whoever has the number now."""
        self._running = True

    def on_readable(self, fd: int, callback: "Callable[[], None]") -> None:
        self._readers[fd] = callback
        self._poll.register(fd, select.EPOLLIN)

    def on_writable(self, fd: int, callback: "Callable[[], None] | None") -> None:
        """For a descriptor that is being read already; None ends it."""
        if callback is None:
            self._writers.pop(fd, None)
            self._poll.modify(fd, select.EPOLLIN)
        else:
            self._writers[fd] = callback
            self._poll.modify(fd, select.EPOLLIN | select.EPOLLOUT)

    def forget(self, fd: int) -> None:
        """Must come before the descriptor is closed."""
        if self._readers.pop(fd, None) is not None:
            self._writers.pop(fd, None)
            self._poll.unregister(fd)
            self._forgotten.add(fd)

    def after(self, seconds: float, callback: "Callable[[], None]") -> None:
        heapq.heappush(self._deadlines, (time.monotonic() + seconds, next(self._order), callback))

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        while self._running:
            self._forgotten.clear()
            for fd, events in self._poll.poll(self._wait_seconds()):
                if events & select.EPOLLOUT and fd in self._writers and fd not in self._forgotten:
                    self._writers[fd]()
                # A callback before this one may have ended the owner of this descriptor.
                if events & ~select.EPOLLOUT and fd in self._readers and fd not in self._forgotten:
                    self._readers[fd]()
            self._run_due()

    def _wait_seconds(self) -> float:
        if not self._deadlines:
            return -1
        return max(0.0, self._deadlines[0][0] - time.monotonic())

    def _run_due(self) -> None:
        now = time.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            heapq.heappop(self._deadlines)[2]()
