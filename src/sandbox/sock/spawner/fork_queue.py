"""Who waits for a child of a zygote. It is asked for a few at a time, so that one that dies takes few with it, and what it
is asked never fills its socket."""
import collections
from typing import Callable, Protocol

from .zygote_limits import CHILDREN_JOINING_MAX
from .zygotes import Zygote


class Parent(Protocol):
    """Whoever wants a child of a zygote: hears one of these, once."""

    def zygote_found(self, zygote: Zygote) -> None: ...
    def zygote_lacking(self, reason: str) -> None: ...
    def zygote_gone(self) -> None: ...


class ForkQueue:
    def __init__(self, zygote: "Callable[[], Zygote | None]", on_served: "Callable[[], None]") -> None:
        """`zygote`: the one that forks, as of now; `on_served` comes after each that has been told."""
        self._zygote = zygote
        self._on_served = on_served
        self._queue: "collections.OrderedDict[Parent, None]" = collections.OrderedDict()
        self._making: "dict[Parent, Zygote]" = {}
        self._serving = False

    def join(self, parent: Parent) -> None:
        self._queue[parent] = None

    def leave(self, parent: Parent) -> None:
        """It has its child, or wants none any more."""
        self._queue.pop(parent, None)
        zygote = self._making.pop(parent, None)
        if zygote is not None:
            zygote.making -= 1
            self.serve()

    def serve(self) -> None:
        if self._serving:
            return  # whoever is served may leave at once; the loop below goes on with the next
        self._serving = True
        while self._queue:
            zygote = self._zygote()
            if zygote is None or not zygote.is_ready or zygote.making >= CHILDREN_JOINING_MAX:
                break
            parent, _ = self._queue.popitem(last=False)
            self._making[parent] = zygote
            zygote.making += 1
            parent.zygote_found(zygote)
            self._on_served()
        self._serving = False

    def dismiss(self, tell: "Callable[[Parent], None]") -> None:
        """All who wait."""
        while self._queue:
            parent, _ = self._queue.popitem(last=False)
            tell(parent)
