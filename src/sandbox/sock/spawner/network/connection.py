"""The network of one sandbox, as the keeper holds it: a filter, a pasta, and what is open at the moment."""
import os
import socket
from typing import Callable, Iterable

from ..loop import Loop
from . import tap, walls
from .openings import Openings
from .packet_filter import PacketFilter
from .pasta import Pasta


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
        self._openings: "Openings | None" = None
        self._pasta: "Pasta | None" = None
        self._closed = False
        user_namespace, network_namespace, *sockets = descriptors
        self._watch, self._routes, self._netfilter = (socket.socket(fileno=fd) for fd in sockets)
        try:
            if not versions:
                raise OSError("this machine has no default route, neither of IPv4 nor of IPv6")
            # Closed first, connected then.
            self._filter = PacketFilter(self._netfilter, refused, narrowed)
            self._openings = Openings(loop, self._filter, on_lost)
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
        """Opens addresses, each with the seconds its answer holds, for these ports. Raises OSError if they are too many."""
        self._openings.open(addresses, ports)

    def close(self) -> None:
        """Returns when nothing of it is left."""
        if self._closed:
            return
        self._closed = True
        if self._openings is not None:
            self._openings.close()
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
