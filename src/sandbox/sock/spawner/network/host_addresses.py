"""All addresses that mean this machine, at any time: whatever the kernel would deliver to itself.

That is every address of every device, and every route of the kinds that end here, which also finds those
that nobody has given a device. The kernel tells when one comes or goes; then all are read anew.
"""
import ipaddress
import socket
import struct
from typing import Callable

from ..loop import Loop
from . import netlink, walls

_GET_ADDRESS, _GET_ROUTE, _NEW_ADDRESS, _NEW_ROUTE = 22, 26, 20, 24
_GROUPS = 0x10 | 0x40 | 0x100 | 0x400  # addresses and routes, IPv4 and IPv6
_ADDRESS_HEADER = struct.Struct("=BBBBI")
_ROUTE_HEADER = struct.Struct("=BBBBBBBBI")
_IFA_ADDRESS, _IFA_LOCAL, _RTA_DST, _RTA_OIF = 1, 2, 1, 4
_LOCAL, _BROADCAST, _ANYCAST = 2, 3, 4
# What such a look-up is asked for decides nothing; it must only be far away.
_FAR = {4: "192.88.99.1", 6: "2001:db8::1"}
_FAMILIES = {socket.AF_INET: 4, socket.AF_INET6: 6}
_BITS = {4: 32, 6: 128}


class HostAddresses:
    """Of the network namespace that this is made in, whichever the process moves to later."""

    def __init__(self, loop: Loop, on_change: "Callable[[], None]") -> None:
        self._on_change = on_change
        self._asking = netlink.open_socket(socket.NETLINK_ROUTE)
        self._watch = netlink.open_socket(socket.NETLINK_ROUTE, _GROUPS)
        self._watch.setblocking(False)
        self.networks: "frozenset[walls._Network]" = frozenset()
        self._read()
        loop.on_readable(self._watch.fileno(), self._changed)

    def _changed(self) -> None:
        try:
            while self._watch.recv(1 << 16):
                pass
        except BlockingIOError:
            pass
        except OSError:
            pass  # more happened than the socket could hold (ENOBUFS); all is read anew in any case
        before = self.networks
        self._read()
        if self.networks != before:
            self._on_change()

    def _read(self) -> None:
        found = set()
        for family, version in _FAMILIES.items():
            addresses = netlink.dump(self._asking, "list addresses", _GET_ADDRESS, _ADDRESS_HEADER.pack(family, 0, 0, 0, 0))
            for message in addresses:
                attributes = message.attributes(_ADDRESS_HEADER.size)
                address = attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS))
                if message.kind == _NEW_ADDRESS and address is not None:
                    found.add(_network(address, _BITS[version]))
            for kind in (_LOCAL, _BROADCAST, _ANYCAST):
                found |= self._routes(family, kind)
        self.networks = frozenset(found)

    def _routes(self, family: int, kind: int) -> "set[walls._Network]":
        asked = _ROUTE_HEADER.pack(family, 0, 0, 0, 0, 0, 0, kind, 0)
        found = set()
        for message in netlink.dump(self._asking, "list routes", _GET_ROUTE, asked):
            if message.kind != _NEW_ROUTE:
                continue
            _family, prefix, _from, _tos, _table, _protocol, _scope, found_kind, _flags = _ROUTE_HEADER.unpack_from(message.body)
            target = message.attributes(_ROUTE_HEADER.size).get(_RTA_DST)
            # Old kernels do not filter. One that delivers everything to itself (a proxy's) would leave no network.
            if target is not None and found_kind == kind and prefix > 0:
                found.add(_network(target, prefix))
        return found

    def ways_out(self) -> "tuple[int, ...]":
        """The IP versions for which there is a route to far away."""
        return tuple(version for version in _BITS if self._has_route(version))

    def _has_route(self, version: int) -> bool:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        body = _ROUTE_HEADER.pack(family, _BITS[version], 0, 0, 0, 0, 0, 0, 0)
        body += netlink.attribute(_RTA_DST, socket.inet_pton(family, _FAR[version]))
        try:
            answer = netlink.ask(self._asking, "look up a route", netlink.message(_GET_ROUTE, 0, body))
        except OSError:
            return False
        return _RTA_OIF in answer.attributes(_ROUTE_HEADER.size)


def _network(packed: bytes, prefix: int) -> "walls._Network":
    return ipaddress.ip_network((packed, prefix), strict=False)
