"""Messages of the domain name system (RFC 1035), read with suspicion and written small. Pure.

A question comes from a stranger's code, an answer from whoever the question led to: neither is believed to be
as long as it says. Every error is a Malformed.
"""
import struct
from dataclasses import dataclass

A, AAAA = 1, 28
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME, REFUSED = 0, 2, 3, 5
_CNAME, _INTERNET = 5, 1
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_ANSWERS, _RECURSION_DESIRED, _RECURSION_AVAILABLE, _TRUNCATED = 0x8000, 0x0100, 0x0080, 0x0200
_OPCODE, _CODE = 0x7800, 0x000F
_NAME_BYTES_MAX = 255
_POINTERS_MAX = 32
_RECORDS_MAX = 256
_LINKS_MAX = 16
# Kinds that ask for no record but for something to be done: transfers of whole zones, above all (RFC 6895).
_REQUESTS = range(128, 255)
_ADDRESS_BYTES = {A: 4, AAAA: 16}
# What fits into 512 bytes with the longest question.
_ADDRESSES_MAX = 8
_TTL_SECONDS_MAX = 86_400
# Asks for answers of up to 1,232 bytes, which every path carries whole.
_EDNS = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)


class Malformed(Exception):
    pass


@dataclass(frozen=True)
class Question:
    number: int
    flags: int
    name: str  # lower case, without the last dot
    kind: int
    encoded: bytes  # name, kind and class, as asked

    @property
    def is_for_records(self) -> bool:
        return self.kind not in _REQUESTS


@dataclass(frozen=True)
class Address:
    packed: bytes
    ttl_seconds: int


def number_of(message: bytes) -> int:
    if len(message) < _HEADER.size:
        raise Malformed("it is shorter than a header")
    return int.from_bytes(message[:2], "big")


def renumbered(message: bytes, number: int) -> bytes:
    return number.to_bytes(2, "big") + message[2:]


def is_truncated(message: bytes) -> bool:
    return bool(message[2] & (_TRUNCATED >> 8))


def read_question(message: bytes) -> Question:
    number_of(message)
    number, flags, questions, _answers, _authorities, _more = _HEADER.unpack_from(message)
    if flags & (_ANSWERS | _OPCODE) or questions != 1:
        raise Malformed("it is not one question")
    # A pointer would lead elsewhere in the message that is sent on: judged would be another name than is asked.
    name, at = _read_name(message, _HEADER.size, pointers_max=0)
    kind, network = _unpack("!HH", message, at)
    if network != _INTERNET:
        raise Malformed("it does not ask about the Internet")
    return Question(number, flags, name, kind, message[_HEADER.size : at + 4])


def asking(question: Question, number: int) -> bytes:
    return _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 1) + question.encoded + _EDNS


def answering(question: Question, code: int, addresses: "list[Address]") -> bytes:
    """The addresses as those of the very name that was asked for."""
    flags = _ANSWERS | _RECURSION_AVAILABLE | question.flags & _RECURSION_DESIRED | code
    records = b"".join(
        b"\xc0\x0c" + _RECORD.pack(question.kind, _INTERNET, one.ttl_seconds, len(one.packed)) + one.packed
        for one in addresses
    )
    return _HEADER.pack(question.number, flags, 1, len(addresses), 0, 0) + question.encoded + records


def read_answer(message: bytes, question: Question) -> "tuple[int, list[Address]]":
    """The code, and the addresses that the name leads to, by way of other names if need be."""
    number_of(message)
    _number, flags, questions, answers, _authorities, _more = _HEADER.unpack_from(message)
    if not flags & _ANSWERS or questions != 1 or answers > _RECORDS_MAX:
        raise Malformed("it is no answer")
    name, at = _read_name(message, _HEADER.size)
    kind, network = _unpack("!HH", message, at)
    if (name, kind, network) != (question.name, question.kind, _INTERNET):
        raise Malformed("it answers another question")
    at += 4
    aliases: "dict[str, str]" = {}
    found: "dict[str, list[Address]]" = {}
    for _record in range(answers):
        owner, at = _read_name(message, at)
        kind, network, ttl, length = _unpack("!HHIH", message, at)
        at += _RECORD.size
        if at + length > len(message):
            raise Malformed("a record ends behind the end")
        if network == _INTERNET and kind == _CNAME:
            aliases[owner] = _read_name(message, at)[0]
        elif network == _INTERNET and kind == question.kind and length == _ADDRESS_BYTES.get(kind):
            found.setdefault(owner, []).append(Address(message[at : at + length], min(ttl, _TTL_SECONDS_MAX)))
        at += length
    return flags & _CODE, _follow(name, aliases, found)


def _follow(name: str, aliases: "dict[str, str]", found: "dict[str, list[Address]]") -> "list[Address]":
    for _link in range(_LINKS_MAX):
        if name in found:
            return found[name][:_ADDRESSES_MAX]
        if name not in aliases:
            return []
        name = aliases[name]
    return []


def _unpack(form: str, message: bytes, at: int) -> "tuple[int, ...]":
    try:
        return struct.unpack_from(form, message, at)
    except struct.error:
        raise Malformed("it ends too early") from None


def _read_name(message: bytes, at: int, pointers_max: int = _POINTERS_MAX) -> "tuple[str, int]":
    """The name and where it ends. Bytes that no host name has stay what they are, and match nothing."""
    labels: "list[str]" = []
    total, end, pointers = 0, -1, 0
    while True:
        (length,) = _unpack("!B", message, at)
        if length >= 0xC0:
            (pointer,) = _unpack("!H", message, at)
            end = at + 2 if end == -1 else end
            at = pointer & 0x3FFF
            pointers += 1
            if pointers > pointers_max:
                raise Malformed("a name leads to another too often")
            continue
        if length > 63 or total + length > _NAME_BYTES_MAX:
            raise Malformed("a name is too long")
        at += 1
        if length == 0:
            return ".".join(labels), at if end == -1 else end
        label = message[at : at + length]
        if len(label) < length:
            raise Malformed("it ends too early")
        # A dot inside a label would make two of one.
        labels.append(label.decode("latin-1").lower().replace(".", "\\046"))
        total += length + 1
        at += length
