"""The lines of zygotes: one for all sandboxes, and one in the host's network for those that are to be in it.

A child can not be moved from one network namespace to another, so it is forked by a zygote that is in the right
one. The second line begins when the first such sandbox is asked for; where none is, it costs nothing.
"""
from typing import Iterator

from .house import House
from .succession import Observer, Succession


class Lines:
    def __init__(self, house: House, forks_max: int, observer: Observer, numbers: "Iterator[int]") -> None:
        """`numbers`: for zygotes, of all kinds."""
        self._apart = Succession(house, forks_max, observer, numbers, in_host_network=False)
        self._in_host_network = Succession(house, forks_max, observer, numbers, in_host_network=True)

    def begin(self) -> None:
        """Raises OSError if not even the first zygote can be started."""
        self._apart.begin()

    def of(self, host_network: bool) -> Succession:
        return self._in_host_network if host_network else self._apart

    @property
    def all_gone(self) -> bool:
        return self._apart.all_gone and self._in_host_network.all_gone

    def end_retired(self) -> None:
        """To be called when a sandbox has gone."""
        self._apart.end_retired()
        self._in_host_network.end_retired()

    def stop(self) -> None:
        """Ends all zygotes, at once."""
        self._apart.stop()
        self._in_host_network.stop()
