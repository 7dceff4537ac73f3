"""The network of one sandbox, as the keeper holds it: a filter, a pasta, and what is open at the moment."""
import os
import socket
import time
from typing import Callable, Iterable

from ..loop import Loop
from . import tap, walls
from .packet_filter import OPEN_MAX, PacketFilter
from .pasta import Pasta

# How long an address stays open after it was answered: at least, and at most. A client may keep the one it
# got for as long as the answer says; one that is answered again stays open for as long again.
_OPEN_SECONDS_MIN, _OPEN_SECONDS_MAX = 300, 3600


class Connection:
    """`on_ready()` comes once, or `on_lost(reason)`; the latter also whenever it breaks later."""

    def __init__(
        self, loop: Loop, descriptors: "list[int]", refused: "Iterable[walls._Network]", versions: "tuple[int, ...]",
        narrowed: bool, on_ready: "Callable[[], None]", on_lost: "Callable[[str], None]",
    ) -> None:
        """descriptors: the sandbox's user and network namespace; of the latter two route sockets and one of netfilter."""
        self._loop = loop
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._versions = versions
        self._open: "dict[tuple[bytes, int], float]" = {}
        self._pasta: "Pasta | None" = None
        self._closed = False
        user_namespace, network_namespace, *sockets = descriptors
        self._watch, self._routes, self._netfilter = (socket.socket(fileno=fd) for fd in sockets)
        try:
            if not versions:
                raise OSError("this machine has no default route, neither of IPv4 nor of IPv6")
            # Closed first, connected then.
            self._filter = PacketFilter(self._netfilter, refused, narrowed)
            self._pasta = Pasta(user_namespace, network_namespace, versions)
        except OSError:
            self.close()
            raise
        finally:
            os.close(user_namespace)
            os.close(network_namespace)
        loop.on_readable(self._watch.fileno(), self._look)
        loop.on_readable(self._pasta.pidfd, self._pasta_ended)

    def refuse(self, networks: "Iterable[walls._Network]") -> None:
        self._filter.refuse(networks)

    def open(self, addresses: "list[tuple[bytes, int]]", ports: "list[int]") -> None:
        """Opens addresses, each with the seconds its answer holds, for these ports."""
        now = time.monotonic()
        was_empty = not self._open
        asked = {(packed, port): seconds for packed, seconds in addresses for port in ports}
        new = [destination for destination in asked if destination not in self._open]
        if len(self._open) + len(new) > OPEN_MAX:
            raise OSError(f"more than {OPEN_MAX} destinations are open")
        self._filter.open(new)
        for destination, seconds in asked.items():
            until = now + min(max(seconds, _OPEN_SECONDS_MIN), _OPEN_SECONDS_MAX)
            self._open[destination] = max(until, self._open.get(destination, 0.0))
        if was_empty and self._open:
            self._loop.after(_OPEN_SECONDS_MIN, self._close_old)

    def close(self) -> None:
        """Returns when nothing of it is left."""
        if self._closed:
            return
        self._closed = True
        if self._pasta is not None:
            self._loop.forget(self._pasta.pidfd)
            self._pasta.end()
        self._forget_watch()
        for sock in (self._watch, self._routes, self._netfilter):
            sock.close()

    def _look(self) -> None:
        try:
            index = tap.arrived(self._watch)
            if index is None:
                return
            tap.set_up(self._routes, index, self._versions)
        except OSError as error:
            self._on_lost(str(error))
            return
        self._forget_watch()
        self._on_ready()

    def _forget_watch(self) -> None:
        self._loop.forget(self._watch.fileno())

    def _pasta_ended(self) -> None:
        self._loop.forget(self._pasta.pidfd)
        self._on_lost(f"pasta ended: {self._pasta.said()}")

    def _close_old(self) -> None:
        if self._closed:
            return
        now = time.monotonic()
        old = [destination for destination, until in self._open.items() if until <= now]
        try:
            self._filter.close(old)
        except OSError as error:
            self._on_lost(str(error))
            return
        for destination in old:
            del self._open[destination]
        if self._open:
            self._loop.after(max(1.0, min(self._open.values()) - now), self._close_old)
