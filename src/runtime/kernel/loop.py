"""The runner's event loop: descriptors, deadlines, and children that have ended.

One turn serves all that is ready; what is to be said to the worker is said once at its end. Whatever a callback raises
ends the runner, and the sandbox with it: what strangers can cause is caught where it arises.
"""
import errno
import heapq
import os
import select
import signal
import time
from typing import Callable

from isla_runtime import orphans

_Callback = "Callable[[], None]"
# Of a thread's number, older kernels say EINVAL.
_NO_PROCESS = (errno.ESRCH, errno.ENOENT, errno.EINVAL)


class Loop:
    def __init__(self, after_turn: "Callable[[], None]") -> None:
        self._after_turn = after_turn
        self._epoll = select.epoll()
        self._readers: "dict[int, _Callback]" = {}
        self._writers: "dict[int, _Callback]" = {}
        self._forgotten: "set[int]" = set()
        """In this turn: an event of one of them is of a descriptor that was closed, whoever has the number now."""
        self._deadlines: "list[tuple[float, int, _Callback]]" = []
        self._counter = 0
        self._stopped = False
        self._bury_what_ends()

    # -- descriptors --------------------------------------------------------------------------------

    def on_readable(self, fd: int, callback: "Callable[[], None] | None") -> None:
        """Called as long as there is something to read, or the other side has hung up. None ends it."""
        self._set(self._readers, fd, callback)

    def on_writable(self, fd: int, callback: "Callable[[], None] | None") -> None:
        self._set(self._writers, fd, callback)

    def forget(self, fd: int) -> None:
        """Must come before the descriptor is closed; nothing happens if it is not watched."""
        self._set(self._readers, fd, None)
        self._set(self._writers, fd, None)

    def _set(self, callbacks: "dict[int, _Callback]", fd: int, callback: "Callable[[], None] | None") -> None:
        before = self._events(fd)
        if callback is None:
            callbacks.pop(fd, None)
        else:
            callbacks[fd] = callback
        events = self._events(fd)
        if events == before:
            return
        if before == 0:
            self._epoll.register(fd, events)
        elif events == 0:
            self._epoll.unregister(fd)
            self._forgotten.add(fd)
        else:
            self._epoll.modify(fd, events)

    def _events(self, fd: int) -> int:
        return (select.EPOLLIN if fd in self._readers else 0) | (select.EPOLLOUT if fd in self._writers else 0)

    # -- time and children --------------------------------------------------------------------------

    def after(self, seconds: float, callback: "Callable[[], None]") -> None:
        """Once. It can not be taken back: the callback looks whether it is still wanted."""
        self._counter += 1
        heapq.heappush(self._deadlines, (time.monotonic() + seconds, self._counter, callback))

    def on_end(self, pid: int, callback: "Callable[[int | None], None]") -> None:
        """Once, with its wait status: a child of this process, or an orphan that it gets. None if nobody knows, or it is none."""
        orphans.expect(pid)
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            if error.errno not in _NO_PROCESS:
                raise
            self.after(0, lambda: callback(None))
            return

        def ended() -> None:
            try:
                _pid, status = os.waitpid(pid, 0)
            except ChildProcessError:
                status = None
            self.forget(pidfd)
            os.close(pidfd)
            callback(status)

        self.on_readable(pidfd, ended)

    def _bury_what_ends(self) -> None:
        """Everybody without a parent is a child of this process, and takes one of the sandbox's places until it is buried."""
        wakes, woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        # Process 1 gets no signal of its own sandbox that has no handler; Python brings one for this.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

        def bury() -> None:
            os.read(wakes, 4096)
            orphans.bury()

        self.on_readable(wakes, bury)

    # -- running ------------------------------------------------------------------------------------

    def run(self) -> None:
        while not self._stopped:
            self._forgotten.clear()
            for fd, events in self._epoll.poll(self._timeout()):
                if fd not in self._forgotten and events & ~select.EPOLLOUT:
                    callback = self._readers.get(fd) or self._writers.get(fd)
                    if callback is not None:
                        callback()
                if fd not in self._forgotten and events & select.EPOLLOUT:
                    callback = self._writers.get(fd)
                    if callback is not None:
                        callback()
            self._run_deadlines()
            self._after_turn()

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        """In a fork of this process, which is to share nothing with it."""
        self._epoll.close()

    def _timeout(self) -> float:
        if not self._deadlines:
            return -1
        return max(0.0, self._deadlines[0][0] - time.monotonic())

    def _run_deadlines(self) -> None:
        while self._deadlines and self._deadlines[0][0] <= time.monotonic():
            heapq.heappop(self._deadlines)[2]()
