"""Which addresses no sandbox may reach, whatever its lambda asked for. Pure.

Named here is what means this machine or a machine's keeper wherever one is; the host's own addresses come
on top, as they are at the moment. What is not refused: private networks, which are where people's own
services are.
"""
import ipaddress
from typing import Iterable

_Network = "ipaddress.IPv4Network | ipaddress.IPv6Network"

ALWAYS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, most clouds' metadata
        "192.0.0.0/24",  # what the sandbox's own end of the connection is made of
        "224.0.0.0/4",
        "240.0.0.0/4",
        "100.100.100.200/32",  # Alibaba's metadata
        "168.63.129.16/32",  # Azure's keeper of virtual machines
        # IPv6 addresses that are IPv4 ones to whoever carries them.
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "2002::/16",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
        "fd00:ec2::/32",  # Amazon's metadata
        "fd20:ce::254/128",  # Google's metadata
        "fd00:c1::a9fe:a9fe/128",  # Oracle's metadata
        "fd00:42::42/128",  # Scaleway's metadata
    )
)
# Where a machine without IPv4 finds it (RFC 6052): what is behind is everybody's, but for the refused.
_TRANSLATED = int(ipaddress.IPv6Address("64:ff9b::"))


def refused(networks: "Iterable[_Network]") -> "list[_Network]":
    """These and `ALWAYS`, in both the versions in which they can be reached."""
    found = [*ALWAYS, *networks]
    return found + [
        ipaddress.IPv6Network((_TRANSLATED + int(net.network_address), 96 + net.prefixlen))
        for net in found
        if net.version == 4
    ]


def intervals(networks: "Iterable[_Network]", version: int) -> "list[tuple[bytes, bytes | None]]":
    """Of one IP version, merged and in order: first address and the one behind the last, None behind the very last."""
    bits = 32 if version == 4 else 128
    found = []
    for network in ipaddress.collapse_addresses(net for net in networks if net.version == version):
        end = int(network.broadcast_address) + 1
        start = int(network.network_address)
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))

    def packed(number: int) -> "bytes | None":
        return None if number >> bits else number.to_bytes(bits // 8, "big")

    return [(packed(start), packed(end)) for start, end in found]
