"""Which zygote forks: one at a time, followed by a fresh one after so many forks, or when it dies.

    starting ──is ready──▶ current ──its successor is ready──▶ retired ──its last sandbox has gone──▶ ended

All forks of one zygote have its addresses and its hash seed, so whoever learns them of one sandbox knows them
of all: that ends with the zygote. A successor is made ahead, and until it is ready the current one goes on.
Pid namespaces nest: ending a zygote ends all sandboxes made from it, calls in flight included. So one that
is retired forks no more and is ended when none of them is left; only a zygote that dies takes them with it.
There is one such line for each kind of zygote (lines.py).

Whoever wants a child queues. He is told to take it from the current zygote once that is ready and not many others
are being made from it: so one that dies takes few with it, and what it is asked never fills its socket. One that
dies, or is found to be of no use, is followed at once; those in the queue wait for the next, and are refused if it
does not start.
"""
import os
from typing import Iterator, Protocol

from .fork_queue import ForkQueue, Parent
from .house import House
from .words import Word
from .zygotes import RootZygote, Zygote

# As long as the worker waits for the first one.
_READY_SECONDS_MAX = 20.0
_REST_SECONDS = 1.0
_SAID_CHARACTERS_MAX = 2000


class Observer(Protocol):
    def zygote_said(self, zygote: Zygote, word: Word) -> None: ...
    def zygote_ready(self, zygote: Zygote, python: str) -> None: ...
    def zygote_retired(self, zygote: Zygote) -> None: ...
    def zygote_ended(self, zygote: Zygote, reason: "str | None") -> None: ...
    def zygote_not_started(self, reason: str) -> None: ...
    def zygote_unfit(self, reason: str) -> None: ...


class Succession:
    def __init__(
        self, house: House, forks_max: int, observer: Observer, numbers: "Iterator[int]", in_host_network: bool
    ) -> None:
        """`numbers`: for zygotes, of all lines."""
        self._house = house
        self._forks_max = forks_max
        self._observer = observer
        self._alive: "set[Zygote]" = set()
        # The one to fork from; it may still be starting.
        self._current: "Zygote | None" = None
        self._successor: "Zygote | None" = None
        self._retired: "set[Zygote]" = set()
        self._queue = ForkQueue(lambda: self._current, self._go_on)
        self._numbers = numbers
        self._in_host_network = in_host_network
        # The line in the host's network begins when one of the other was ready.
        self._one_was_ready = in_host_network
        self._lack: "str | None" = None
        self._stopping = False

    def begin(self) -> None:
        """Raises OSError if not even the first can be started."""
        self._current = self._start()

    @property
    def all_gone(self) -> bool:
        return not self._alive

    # -- who waits for a zygote -------------------------------------------------------------------

    def join(self, parent: Parent) -> None:
        """It may be answered before this returns."""
        if self._current is None and self._lack is not None:
            parent.zygote_lacking(self._lack)
            return
        self._queue.join(parent)
        self._go_on()
        self._queue.serve()

    def leave(self, parent: Parent) -> None:
        """It has its child, or wants none any more."""
        self._queue.leave(parent)

    @property
    def current(self) -> "Zygote | None":
        """The one to fork from; it may still be starting."""
        return self._current

    def forked(self) -> None:
        """To be called when one that was made by a zygote of the line has forked."""
        self._go_on()

    # -- the line ---------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Starts what is missing: one to fork from, or a successor if the current one has forked enough."""
        if self._stopping:
            return
        try:
            if self._current is None:
                self._current = self._start()
            elif self._current.forks >= self._forks_max and self._successor is None and self._lack is None:
                self._successor = self._start()
        except OSError as error:
            # Others live, or their sandboxes do: those must not suffer.
            self._observer.zygote_not_started(str(error))
            self._rest(str(error))

    def end_retired(self) -> None:
        """To be called when a sandbox has gone."""
        for zygote in self._retired:
            if zygote.sandboxes == 0:
                zygote.kill()

    def stop(self) -> None:
        """Ends them all, at once."""
        self._stopping = True
        for zygote in self._alive:
            zygote.kill()

    def _start(self) -> Zygote:
        zygote = RootZygote(self._house, next(self._numbers), self._in_host_network, self._hear, self._doomed, self._ended)
        self._alive.add(zygote)
        self._house.loop.after(_READY_SECONDS_MAX, lambda: self._expire(zygote))
        return zygote

    def _expire(self, zygote: Zygote) -> None:
        if not zygote.is_ready and not zygote.is_doomed:
            zygote.kill(f"the zygote was not ready after {_READY_SECONDS_MAX:.0f} s")

    def _hear(self, zygote: Zygote, word: Word) -> None:
        if word.kind == "ready":
            self._one_was_ready = True
            self._lack = None
            self._observer.zygote_ready(zygote, word.version)
            if zygote is self._successor:
                self._take_over()
            self._queue.serve()
        else:
            self._observer.zygote_said(zygote, word)

    def _take_over(self) -> None:
        before, self._current, self._successor = self._current, self._successor, None
        self._retired.add(before)
        self._observer.zygote_retired(before)
        self.end_retired()

    def _doomed(self, zygote: Zygote) -> None:
        """It forks no more, though it may not be gone yet."""
        if zygote is self._current:
            self._current, self._successor = self._successor, None
        elif zygote is self._successor:
            self._successor = None
        if self._stopping:
            return
        if zygote.is_ready:
            self._go_on()
            self._queue.serve()
        elif self._one_was_ready:
            self._rest(self._reason(zygote))
        else:
            # It can not even start: an error of this machine, told once, with what it said.
            self._observer.zygote_unfit(self._reason(zygote))

    def _ended(self, zygote: Zygote) -> None:
        self._house.cgroups.remove(zygote.group)
        was_meant = self._stopping or zygote in self._retired and zygote.sandboxes == 0
        self._alive.discard(zygote)
        self._retired.discard(zygote)
        self._observer.zygote_ended(zygote, None if was_meant else self._reason(zygote))

    def _rest(self, reason: str) -> None:
        """After one that did not start the next is not tried at once."""
        self._lack = reason
        if self._current is None:
            self._queue.dismiss(lambda parent: parent.zygote_lacking(reason))
        self._house.loop.after(_REST_SECONDS, self._wake)

    def _wake(self) -> None:
        self._lack = None
        self._go_on()

    def _reason(self, zygote: Zygote) -> str:
        if zygote.fault is not None:
            return zygote.fault
        return "it died" if zygote.is_ready else self._last_said() or "the zygote ended while it started"

    def _last_said(self) -> str:
        fd = os.open("stderr", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._house.zygote_log_fd)
        with open(fd, errors="replace") as file:
            return file.read()[-_SAID_CHARACTERS_MAX:].strip()
