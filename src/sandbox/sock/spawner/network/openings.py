"""Which destinations a sandbox's filter lets through because a listed name was answered with them, and until when."""
import math
import time
from typing import Callable

from ..loop import Loop
from .packet_filter import OPEN_MAX, PacketFilter

# How long an address stays open after it was answered: at least, and at most. A client may keep the one it
# got for as long as the answer says; one that is answered again stays open for as long again.
_SECONDS_MIN, _SECONDS_MAX = 300, 3600
_LOOK_SECONDS_MIN = 1.0


class Openings:
    def __init__(
        self, loop: Loop, packet_filter: PacketFilter, on_lost: "Callable[[str], None]",
        seconds_min: float = _SECONDS_MIN, seconds_max: float = _SECONDS_MAX,
    ) -> None:
        """`on_lost(reason)`: one that is due could not be closed."""
        self._loop = loop
        self._filter = packet_filter
        self._on_lost = on_lost
        self._seconds_min = seconds_min
        self._seconds_max = seconds_max
        self._until: "dict[tuple[bytes, int], float]" = {}
        # When those that are due are looked for next.
        self._look_at = math.inf
        self._closed = False

    def open(self, addresses: "list[tuple[bytes, int]]", ports: "list[int]") -> None:
        """Opens addresses, each with the seconds its answer holds, for these ports. Raises OSError if they are too many."""
        now = time.monotonic()
        asked = {(packed, port): seconds for packed, seconds in addresses for port in ports}
        new = [destination for destination in asked if destination not in self._until]
        if len(self._until) + len(new) > OPEN_MAX:
            raise OSError(f"more than {OPEN_MAX} destinations are open")
        self._filter.open(new)
        for destination, seconds in asked.items():
            until = now + min(max(seconds, self._seconds_min), self._seconds_max)
            self._until[destination] = max(until, self._until.get(destination, 0.0))
            self._look_by(self._until[destination], now)

    def close(self) -> None:
        """The filter is no more."""
        self._closed = True

    def _look_by(self, at: float, now: float) -> None:
        if at < self._look_at:
            self._look_at = at
            self._loop.after(at - now, lambda: self._look(at))

    def _look(self, at: float) -> None:
        if self._closed or at != self._look_at:
            return  # another is due earlier, and looks again
        now = time.monotonic()
        due = [destination for destination, until in self._until.items() if until <= now]
        try:
            self._filter.close(due)
        except OSError as error:
            self._on_lost(str(error))
            return
        for destination in due:
            del self._until[destination]
        self._look_at = math.inf
        if self._until:
            self._look_by(max(min(self._until.values()), now + _LOOK_SECONDS_MIN), now)
