"""The filter of one sandbox's network: nf_tables inside its own network namespace, put there from outside.

The sandbox holds no capability over that namespace, so it can not take the filter away; the kernel does, with
the namespace. Nothing of the machine's own firewall is read or changed. What leaves by the loopback is the
sandbox's own affair. A name that was answered opens its addresses for the ports that it was listed with; of
TCP only what begins a connection is asked for its destination, so that one that stands outlives the answer.

Datagrams have no connection that pasta could know of: it binds the sandbox's own port on all of the host's
addresses, and hands in whatever comes there. So the table remembers who was spoken to, and lets in nobody else;
it passes no port that a service of the host's would have; and it says how many ports of the host's one may take.
"""
import errno
import socket
import struct
from typing import Iterable

from . import netlink, walls
from .netlink import attribute, nested

_FAMILY_INET = 1
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_SUBSYSTEM = 10
_NEW_TABLE, _NEW_CHAIN, _NEW_RULE, _NEW_SET, _NEW_ELEMENT, _DELETE_ELEMENT = 0, 3, 6, 9, 12, 14
_TABLE, _INPUT, _OUTPUT, _DATAGRAM, _REFUSE = b"isla\0", b"input\0", b"output\0", b"datagram\0", b"refuse\0"
_HOOK_INPUT, _HOOK_OUTPUT = 1, 3
_DROP, _ACCEPT, _GOTO = 0, 1, -4
_SET_INTERVAL, _SET_TIMEOUT, _SET_EVALUATED, _INTERVAL_END = 4, 0x10, 0x20, 1
_KEY_INPUT_DEVICE, _KEY_OUTPUT_DEVICE, _KEY_IP_VERSION, _KEY_PROTOCOL = 4, 5, 15, 16
_NETWORK, _TRANSPORT = 1, 2
_REGISTER, _FIRST_WORD = 1, 8
_VERDICT = 0
_EQUAL, _AT_MOST, _AT_LEAST = 0, 3, 5
_UPDATE = 1
_LOOPBACK_INDEX = 1
_TCP, _UDP = 6, 17
_TCP_FLAGS_AT, _SYN = 13, 2
_SOURCE_PORT_AT, _PORT_AT = 0, 2
_REJECT_RESET, _REJECT_UNREACHABLE, _ADMIN_PROHIBITED = 1, 2, 3
# (netfilter's number of the protocol, offset of the source, offset of the destination, length of both)
_VERSIONS = {4: (2, 12, 16, 4), 6: (10, 8, 24, 16)}

OPEN_MAX = 4096  # destinations open at the same time
# Peers (address, port, and one's own port) of datagrams at the same time, per IP version; and for how long each
# is remembered after the last one to it, which is as long as pasta keeps the port.
_PEERS_MAX, _PEER_MS_MAX = 512, 180_000
# What a program gets that asks for no certain port (a new network namespace's ip_local_port_range).
_OWN_PORT_MIN, _OWN_PORT_MAX = 32_768, 60_999
# An attribute holds 65,535 bytes; a batch, what the socket may send at once.
_ELEMENTS_MAX = 1024
_BATCH_BYTES_MAX = 8 << 20
_SEND_BUFFER_FORCE = 32


class PacketFilter:
    """`sock` was made inside the sandbox's network namespace."""

    def __init__(self, sock: socket.socket, refused: "Iterable[walls._Network]", narrowed: bool) -> None:
        """`narrowed`: nothing is open but what `open` opens."""
        self._sock = sock
        _widen(sock)
        try:
            self._transact("make the filter", [*_skeleton(), *_refuse_elements(refused), *_rules(narrowed)])
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.ENOENT, errno.EPROTONOSUPPORT, errno.EINVAL):
                lacks = "this kernel has no nf_tables with inet tables, sets and reject (CONFIG_NF_TABLES, CONFIG_NFT_REJECT_INET)"
                raise OSError(error.errno, f"{lacks}: {error.strerror}") from error
            raise

    def refuse(self, networks: "Iterable[walls._Network]") -> None:
        """Replaces the refused networks at once."""
        flush = [_elements(_DELETE_ELEMENT, name, ()) for name in ("refused4", "refused6")]
        self._transact("refuse the host's addresses", [*flush, *_refuse_elements(networks)])

    def open(self, destinations: "Iterable[tuple[bytes, int]]") -> None:
        """Packed address and port; none may be open already."""
        self._change(_NEW_ELEMENT, "open destinations", destinations)

    def close(self, destinations: "Iterable[tuple[bytes, int]]") -> None:
        self._change(_DELETE_ELEMENT, "close destinations", destinations)

    def _change(self, kind: int, what: str, destinations: "Iterable[tuple[bytes, int]]") -> None:
        keys: "dict[str, list[bytes]]" = {}
        for address, port in destinations:
            keys.setdefault("open4" if len(address) == 4 else "open6", []).append(address + struct.pack("!Hxx", port))
        if keys:
            self._transact(what, [one for name, found in keys.items() for one in _changes(kind, name, [(key, 0) for key in found])])

    def _transact(self, what: str, messages: "list[tuple[int, bytes]]") -> None:
        batch = [_message(_BATCH_BEGIN, 0, 0, b"", resource=_SUBSYSTEM)]
        flags = netlink.CREATE | netlink.APPEND | netlink.ACK
        batch += [_message(_SUBSYSTEM << 8 | kind, _FAMILY_INET, flags, body) for kind, body in messages]
        batch.append(_message(_BATCH_END, 0, 0, b"", resource=_SUBSYSTEM))
        netlink.transact(self._sock, what, b"".join(batch), len(messages))


def _widen(sock: socket.socket) -> None:
    """For a host of thousands of addresses. Without root only as far as this machine lets everybody."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SEND_BUFFER_FORCE, _BATCH_BYTES_MAX)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BATCH_BYTES_MAX)


def _message(kind: int, family: int, flags: int, body: bytes, resource: int = 0) -> bytes:
    return netlink.message(kind, flags, struct.pack("!BBH", family, 0, resource) + body)


def _word(number: int) -> bytes:
    return struct.pack("!i" if number < 0 else "!I", number)


# -- table, chains and sets ----------------------------------------------------------------------------


def _skeleton() -> "list[tuple[int, bytes]]":
    return [
        (_NEW_TABLE, attribute(1, _TABLE)),
        (_NEW_CHAIN, attribute(1, _TABLE) + attribute(3, _REFUSE)),
        (_NEW_CHAIN, attribute(1, _TABLE) + attribute(3, _DATAGRAM)),
        _base_chain(_INPUT, _HOOK_INPUT, _ACCEPT),
        _base_chain(_OUTPUT, _HOOK_OUTPUT, _DROP),
        *(_set(number, *one) for number, one in enumerate(_SETS, 1)),
    ]


def _base_chain(name: bytes, where: int, policy: int) -> "tuple[int, bytes]":
    hook = nested(4, attribute(1, _word(where)), attribute(2, _word(0)))
    return _NEW_CHAIN, attribute(1, _TABLE) + attribute(3, name) + hook + attribute(5, _word(policy)) + attribute(7, b"filter\0")


# What `nft list ruleset` calls ipv4_addr, ipv6_addr, and each of them with an inet_service behind.
_ADDRESS4, _ADDRESS6, _DESTINATION4, _DESTINATION6 = 7, 8, 7 << 6 | 13, 8 << 6 | 13
_PEER4, _PEER6 = _DESTINATION4 << 6 | 13, _DESTINATION6 << 6 | 13
_SETS = (
    ("refused4", _SET_INTERVAL, (_ADDRESS4, 4), 0),
    ("refused6", _SET_INTERVAL, (_ADDRESS6, 16), 0),
    ("open4", 0, (_DESTINATION4, 8), OPEN_MAX),
    ("open6", 0, (_DESTINATION6, 20), OPEN_MAX),
    ("peers4", _SET_TIMEOUT | _SET_EVALUATED, (_PEER4, 12), _PEERS_MAX),
    ("peers6", _SET_TIMEOUT | _SET_EVALUATED, (_PEER6, 24), _PEERS_MAX),
)


def _set(number: int, name: str, flags: int, key: "tuple[int, int]", size: int) -> "tuple[int, bytes]":
    body = attribute(1, _TABLE) + attribute(2, name.encode() + b"\0") + attribute(3, _word(flags))
    body += attribute(4, _word(key[0])) + attribute(5, _word(key[1])) + attribute(10, _word(number))
    if size > 0:
        body += nested(9, attribute(1, _word(size)))
    return _NEW_SET, body


def _changes(kind: int, name: str, keys: "list[tuple[bytes, int]]") -> "list[tuple[int, bytes]]":
    return [_elements(kind, name, keys[at : at + _ELEMENTS_MAX]) for at in range(0, len(keys), _ELEMENTS_MAX)]


def _elements(kind: int, name: str, keys: "Iterable[tuple[bytes, int]]") -> "tuple[int, bytes]":
    """Key and flags each; without any, what is deleted is everything."""
    body = attribute(1, _TABLE) + attribute(2, name.encode() + b"\0")
    elements = [
        nested(1, nested(1, attribute(1, key)), *([attribute(3, _word(flags))] if flags else []))
        for key, flags in keys
    ]
    return kind, body + (nested(3, *elements) if elements else b"")


def _refuse_elements(networks: "Iterable[walls._Network]") -> "list[tuple[int, bytes]]":
    networks = walls.refused(networks)
    found = []
    for version in (4, 6):
        keys: "list[tuple[bytes, int]]" = []
        for start, end in walls.intervals(networks, version):
            keys.append((start, 0))
            if end is not None:
                keys.append((end, _INTERVAL_END))
        found += _changes(_NEW_ELEMENT, f"refused{version}", keys)
    return found


# -- rules ---------------------------------------------------------------------------------------------


def _rules(narrowed: bool) -> "list[tuple[int, bytes]]":
    rules = [
        (_REFUSE, [*_is_protocol(_TCP), _reject(_REJECT_RESET)]),
        (_REFUSE, [_reject(_REJECT_UNREACHABLE)]),
        *_datagram_rules(),
        (_OUTPUT, [*_is_loopback(_KEY_OUTPUT_DEVICE), _verdict(_ACCEPT)]),
    ]
    for version in _VERSIONS:
        rules.append((_OUTPUT, [*_destination_of(version), _in_set(f"refused{version}"), _verdict(_GOTO, _REFUSE)]))
    if narrowed:
        rules.append((_OUTPUT, [*_is_protocol(_TCP), *_begins_no_connection(), _verdict(_ACCEPT)]))
        for version in _VERSIONS:
            for protocol, verdict in ((_TCP, _verdict(_ACCEPT)), (_UDP, _verdict(_GOTO, _DATAGRAM))):
                destination = [*_is_protocol(protocol), *_destination_of(version), _load_port(version, 1, _PORT_AT)]
                rules.append((_OUTPUT, [*destination, _in_set(f"open{version}"), verdict]))
        rules.append((_OUTPUT, [_verdict(_GOTO, _REFUSE)]))
    else:
        rules.append((_OUTPUT, [*_is_protocol(_UDP), _verdict(_GOTO, _DATAGRAM)]))
        rules.append((_OUTPUT, [_verdict(_ACCEPT)]))
    return [(_NEW_RULE, attribute(1, _TABLE) + attribute(2, chain) + nested(4, *body)) for chain, body in rules]


def _datagram_rules() -> "list[tuple[bytes, list[bytes]]]":
    """Out: from a port that is nobody's, while there is room to remember the peer. In: from a peer."""
    rules = [(_INPUT, [*_is_loopback(_KEY_INPUT_DEVICE), _verdict(_ACCEPT)])]
    own_port = [
        _load(_TRANSPORT, _SOURCE_PORT_AT, 2, _REGISTER),
        _compares(_AT_LEAST, struct.pack("!H", _OWN_PORT_MIN)),
        _compares(_AT_MOST, struct.pack("!H", _OWN_PORT_MAX)),
    ]
    for version in _VERSIONS:
        to = [*_destination_of(version), _load_port(version, 1, _PORT_AT), _load_port(version, 2, _SOURCE_PORT_AT)]
        rules.append((_DATAGRAM, [*own_port, *to, _remember(f"peers{version}"), _verdict(_ACCEPT)]))
        of = [*_source_of(version), _load_port(version, 1, _SOURCE_PORT_AT), _load_port(version, 2, _PORT_AT)]
        rules.append((_INPUT, [*_is_protocol(_UDP), *of, _in_set(f"peers{version}"), _verdict(_ACCEPT)]))
    rules.append((_INPUT, [*_is_protocol(_UDP), _verdict(_DROP)]))
    rules.append((_DATAGRAM, [_verdict(_GOTO, _REFUSE)]))
    return rules


def _expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, attribute(1, name.encode() + b"\0"), nested(2, *attributes))


def _is(key: int, value: bytes) -> "list[bytes]":
    return [_expression("meta", attribute(2, _word(key)), attribute(1, _word(_REGISTER))), _compares(_EQUAL, value)]


def _is_loopback(key: int) -> "list[bytes]":
    return _is(key, struct.pack("=I", _LOOPBACK_INDEX))


def _is_protocol(number: int) -> "list[bytes]":
    return _is(_KEY_PROTOCOL, bytes([number]))


def _compares(how: int, value: bytes) -> bytes:
    return _expression("cmp", attribute(1, _word(_REGISTER)), attribute(2, _word(how)), nested(3, attribute(1, value)))


def _load(base: int, offset: int, length: int, register: int) -> bytes:
    places = (register, base, offset, length)
    return _expression("payload", *(attribute(kind, _word(value)) for kind, value in enumerate(places, 1)))


def _source_of(version: int) -> "list[bytes]":
    protocol, offset, _destination, length = _VERSIONS[version]
    return [*_is(_KEY_IP_VERSION, bytes([protocol])), _load(_NETWORK, offset, length, _REGISTER)]


def _destination_of(version: int) -> "list[bytes]":
    protocol, _source, offset, length = _VERSIONS[version]
    return [*_is(_KEY_IP_VERSION, bytes([protocol])), _load(_NETWORK, offset, length, _REGISTER)]


def _load_port(version: int, place: int, offset: int) -> bytes:
    """Behind the address, as a key's first or second port."""
    return _load(_TRANSPORT, offset, 2, _FIRST_WORD + _VERSIONS[version][3] // 4 + place - 1)


def _begins_no_connection() -> "list[bytes]":
    mask = nested(4, attribute(1, bytes([_SYN]))) + nested(5, attribute(1, b"\0"))
    bits = attribute(1, _word(_REGISTER)) + attribute(2, _word(_REGISTER)) + attribute(3, _word(1)) + mask
    return [_load(_TRANSPORT, _TCP_FLAGS_AT, 1, _REGISTER), _expression("bitwise", bits), _compares(_EQUAL, b"\0")]


def _in_set(name: str) -> bytes:
    return _expression("lookup", attribute(1, name.encode() + b"\0"), attribute(2, _word(_REGISTER)))


def _remember(name: str) -> bytes:
    """Ends the rule if there is no room."""
    timeout = struct.pack("!Q", _PEER_MS_MAX)
    key = attribute(1, name.encode() + b"\0") + attribute(3, _word(_UPDATE)) + attribute(4, _word(_REGISTER))
    return _expression("dynset", key, attribute(6, timeout))


def _verdict(code: int, chain: bytes = b"") -> bytes:
    target = attribute(2, chain) if code == _GOTO else b""
    return _expression("immediate", attribute(1, _word(_VERDICT)), nested(2, nested(2, attribute(1, _word(code)), target)))


def _reject(kind: int) -> bytes:
    code = attribute(2, bytes([_ADMIN_PROHIBITED])) if kind == _REJECT_UNREACHABLE else b""
    return _expression("reject", attribute(1, _word(kind)), code)
