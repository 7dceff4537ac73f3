"""The sandbox's end of its connection: a device that pasta makes, seen to come and set up from outside.

Whoever is told that the device is there need not poll for it. The addresses are those that the standards set
aside for the inner end of such a connection (RFC 6333), so no other network is shadowed by them; the sandbox
learns none of the host's. Nobody is asked for link addresses (NOARP): the neighbour table is the machine's.
"""
import errno
import os
import socket
import struct

from . import netlink
from .netlink import attribute

NAME = "tap0"
DEVICE = "/dev/net/tun"
ADDRESSES = {4: ("192.0.0.2", "192.0.0.1"), 6: ("fd69:736c:6100::2", "fe80::1")}  # its own, and the gateway's

_NEW_LINK, _NEW_ADDRESS, _NEW_ROUTE = 16, 20, 24
_GROUP_LINK = 1
_LINK_HEADER = struct.Struct("=BxHiII")
_IFLA_IFNAME = 3
_UP, _NO_ARP = 0x1, 0x80
_NO_DAD = 0x02
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_BITS = {4: 32, 6: 128}
_TABLE_MAIN, _PROTOCOL_STATIC, _SCOPE_UNIVERSE, _UNICAST, _ON_LINK = 254, 4, 0, 1, 4
_READ_BYTES = 1 << 16


def open_watch() -> socket.socket:
    """Readable when a device has come; to be made inside the sandbox's network namespace."""
    sock = netlink.open_socket(socket.NETLINK_ROUTE, _GROUP_LINK)
    sock.setblocking(False)
    return sock


def arrived(watch: socket.socket) -> "int | None":
    """The device's number, once it is there."""
    try:
        while True:
            for message in netlink.parse(watch.recv(_READ_BYTES)):
                if message.kind != _NEW_LINK:
                    continue
                name = message.attributes(_LINK_HEADER.size).get(_IFLA_IFNAME, b"")
                if name == NAME.encode() + b"\0":
                    return _LINK_HEADER.unpack_from(message.body)[2]
    except BlockingIOError:
        return None


def set_up(sock: socket.socket, index: int, versions: "tuple[int, ...]") -> None:
    link = _LINK_HEADER.pack(socket.AF_UNSPEC, 0, index, _UP | _NO_ARP, _UP | _NO_ARP)
    netlink.request(sock, f"bring up {NAME}", netlink.message(_NEW_LINK, netlink.ACK, link))
    for version in versions:
        try:
            _address_and_route(sock, index, version)
        except OSError as error:
            # A machine may have switched IPv6 off for new devices; a lambda then has none of it.
            if version == 4 or error.errno not in (errno.EACCES, errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
                raise


def _address_and_route(sock: socket.socket, index: int, version: int) -> None:
    family = _FAMILIES[version]
    own, gateway = (socket.inet_pton(family, text) for text in ADDRESSES[version])
    address = struct.pack("=BBBBI", family, _BITS[version], _NO_DAD if version == 6 else 0, _SCOPE_UNIVERSE, index)
    address += attribute(1, own) + attribute(2, own)
    flags = netlink.CREATE | netlink.ACK
    netlink.request(sock, f"give {NAME} an address", netlink.message(_NEW_ADDRESS, flags, address))
    route = struct.pack("=BBBBBBBBI", family, 0, 0, 0, _TABLE_MAIN, _PROTOCOL_STATIC, _SCOPE_UNIVERSE, _UNICAST, _ON_LINK)
    route += attribute(5, gateway) + attribute(4, struct.pack("=I", index))
    netlink.request(sock, f"route through {NAME}", netlink.message(_NEW_ROUTE, flags, route))


def has_device() -> bool:
    """Whether this process may make such devices at all."""
    return os.access(DEVICE, os.R_OK | os.W_OK)
