"""Which zygote forks: one at a time, followed by a fresh one after so many forks, or when it dies.

    starting ──is ready──▶ current ──its successor is ready──▶ retired ──its last sandbox has gone──▶ ended

All forks of one zygote have its addresses and its hash seed, so whoever learns them of one sandbox knows them
of all: that ends with the zygote. A successor is made ahead, and until it is ready the current one goes on.
Pid namespaces nest: ending a zygote ends all sandboxes made from it, calls in flight included. So one that
is retired forks no more and is ended when none of them is left; only a zygote that dies takes them with it.
There is one such line for each kind of zygote (lines.py).
"""
import os
from typing import Iterator, Protocol

from .house import House
from .words import Word
from .zygotes import Zygote

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
        self.current: "Zygote | None" = None
        """The one to fork from; it may still be starting, and forks then when it is ready."""
        self._house = house
        self._forks_max = forks_max
        self._observer = observer
        self._successor: "Zygote | None" = None
        self._retired: "set[Zygote]" = set()
        self._numbers = numbers
        self._in_host_network = in_host_network
        # The line in the host's network begins when one of the other was ready.
        self._one_was_ready = in_host_network
        self._resting = False
        self._stopping = False

    def begin(self) -> None:
        """Raises OSError if not even the first can be started."""
        self.current = self._start()

    @property
    def all_gone(self) -> bool:
        return self.current is None and self._successor is None and not self._retired

    def go_on(self) -> None:
        """Starts what is missing: one to fork from, or a successor if the current one has forked enough."""
        try:
            if self._stopping:
                return
            if self.current is None:
                self.current = self._start()
            elif self.current.forks >= self._forks_max and self._successor is None and not self._resting:
                self._successor = self._start()
        except OSError as error:
            # Others live, or their sandboxes do: those must not suffer.
            self._observer.zygote_not_started(str(error))
            self._rest()

    def end_retired(self) -> None:
        """To be called when a sandbox has gone."""
        for zygote in self._retired:
            if zygote.sandboxes == 0:
                zygote.kill()

    def stop(self) -> None:
        """Ends them all, at once."""
        self._stopping = True
        for zygote in (self.current, self._successor, *self._retired):
            if zygote is not None:
                zygote.kill()

    def _start(self) -> Zygote:
        return Zygote(self._house, next(self._numbers), self._in_host_network, self._hear, self._ended)

    def _hear(self, zygote: Zygote, word: Word) -> None:
        if word.kind != "ready":
            self._observer.zygote_said(zygote, word)
            return
        self._one_was_ready = True
        self._observer.zygote_ready(zygote, word.version)
        if zygote is self._successor:
            self._take_over()

    def _take_over(self) -> None:
        before, self.current, self._successor = self.current, self._successor, None
        self._retired.add(before)
        self._observer.zygote_retired(before)
        self.end_retired()

    def _ended(self, zygote: Zygote) -> None:
        self._house.cgroups.remove(zygote.group)
        was_meant = self._stopping or zygote in self._retired and zygote.sandboxes == 0
        self._retired.discard(zygote)
        if zygote is self.current:
            self.current, self._successor = self._successor, None
        elif zygote is self._successor:
            self._successor = None
        self._observer.zygote_ended(zygote, None if was_meant else zygote.lie or "it died")
        if zygote.is_ready:
            self.go_on()
        elif self._one_was_ready:
            self._rest()
        else:
            # It can not even start: an error of this machine, told once, with what it said.
            self._observer.zygote_unfit(self._last_said() or "the zygote ended while it started")

    def _rest(self) -> None:
        """After one that did not start the next is not tried at once."""
        self._resting = True
        self._house.loop.after(_REST_SECONDS, self._wake)

    def _wake(self) -> None:
        self._resting = False
        self.go_on()

    def _last_said(self) -> str:
        fd = os.open("stderr", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._house.zygote_log_fd)
        with open(fd, errors="replace") as file:
            return file.read()[-_SAID_CHARACTERS_MAX:].strip()
