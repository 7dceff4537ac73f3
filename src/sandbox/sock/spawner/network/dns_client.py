"""One sandbox's questions: read from its two sockets, judged, asked on its behalf, answered. All of it is counted."""
import socket
import struct
import time
from typing import Callable

from ..loop import Loop
from . import dns_message
from .dns_message import Address, Malformed, Question
from .egress import Egress
from .resolver import Exchange, Resolvers

_QUESTION_BYTES_MAX = 4096
_PENDING_MAX = 64
_CONNECTIONS_MAX = 4
_CONNECTION_SECONDS_MAX = 15.0
# One sandbox's questions must not take the others' time: so many at once, and per second.
_BURST_MAX = 200
_PER_SECOND = 200.0
_REST_SECONDS = 0.05
_TTL_SECONDS_MAX = 3600
_LENGTH = struct.Struct("!H")

OpenAddresses = "Callable[[list[Address], list[int], Callable[[bool], None]], None]"
_Reply = "Callable[[bytes], None]"


class Client:
    def __init__(
        self, loop: Loop, resolvers: Resolvers, egress: "Egress | None", sockets: "list[socket.socket]",
        open_addresses: "OpenAddresses",
    ) -> None:
        self._loop = loop
        self._resolvers = resolvers
        self._egress = egress
        self._open_addresses = open_addresses
        self._datagrams, self._listener = sockets
        self._connections: "set[_Connection]" = set()
        self._pending: "set[Exchange]" = set()
        self._tokens = float(_BURST_MAX)
        self._counted_at = time.monotonic()
        self._closed = False
        for sock in sockets:
            sock.setblocking(False)
        loop.on_readable(self._datagrams.fileno(), self._read_datagram)
        loop.on_readable(self._listener.fileno(), self._accept)

    def close(self) -> None:
        self._closed = True
        for connection in list(self._connections):
            connection.close()
        for exchange in self._pending:
            exchange.cancel()
        for sock in (self._datagrams, self._listener):
            self._loop.forget(sock.fileno())
            sock.close()

    # -- in ---------------------------------------------------------------------------------------

    def _read_datagram(self) -> None:
        if not self._may_ask():
            # What comes meanwhile waits in the socket, and what that does not hold is lost, as datagrams are.
            self._loop.forget(self._datagrams.fileno())
            self._loop.after(_REST_SECONDS, self._read_on)
            return
        try:
            message, sender = self._datagrams.recvfrom(_QUESTION_BYTES_MAX)
        except OSError:
            return
        try:
            self.ask(message, lambda answer: self._send(answer, sender), by_connection=False)
        except Malformed:
            return  # there is nobody to complain to: the sender's number may be what is broken

    def _read_on(self) -> None:
        if not self._closed:
            self._loop.on_readable(self._datagrams.fileno(), self._read_datagram)

    def _may_ask(self) -> bool:
        now = time.monotonic()
        self._tokens = min(float(_BURST_MAX), self._tokens + (now - self._counted_at) * _PER_SECOND)
        self._counted_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _send(self, answer: bytes, receiver: "tuple[str, int]") -> None:
        try:
            self._datagrams.sendto(answer, receiver)
        except OSError:
            return  # who asked has gone, or does not read

    def _accept(self) -> None:
        try:
            sock, _address = self._listener.accept()
        except OSError:
            return
        if len(self._connections) >= _CONNECTIONS_MAX or not self._may_ask():
            sock.close()
            return
        self._connections.add(_Connection(self._loop, sock, self.ask, self._connections.discard))

    # -- out --------------------------------------------------------------------------------------

    def ask(self, message: bytes, reply: "_Reply", by_connection: bool) -> None:
        """Raises Malformed if that is no question."""
        question = dns_message.read_question(message)
        if len(self._pending) >= _PENDING_MAX:
            reply(dns_message.answering(question, dns_message.SERVER_FAILURE, []))
        elif not question.is_for_records:
            # The host's resolver would take it for one of the host's own, which it may trust.
            reply(dns_message.answering(question, dns_message.REFUSED, []))
        elif self._egress is None:
            self._exchange(message, lambda answer: reply(answer or _failure(question)), by_connection=by_connection)
        else:
            self._ask_listed(question, self._egress.ports_of(question.name), reply)

    def _ask_listed(self, question: Question, ports: "list[int]", reply: "_Reply") -> None:
        if not ports:
            reply(dns_message.answering(question, dns_message.NO_SUCH_NAME, []))
        elif question.kind not in (dns_message.A, dns_message.AAAA):
            reply(dns_message.answering(question, dns_message.NO_ERROR, []))
        else:
            asking = dns_message.asking(question, 0)
            self._exchange(asking, lambda answer: self._answer_listed(question, ports, answer, reply), whole=True)

    def _answer_listed(self, question: Question, ports: "list[int]", answer: "bytes | None", reply: "_Reply") -> None:
        try:
            code, addresses = dns_message.read_answer(answer or b"", question)
        except Malformed:
            reply(_failure(question))
            return
        if code not in (dns_message.NO_ERROR, dns_message.NO_SUCH_NAME):
            reply(_failure(question))
        elif not addresses:
            reply(dns_message.answering(question, code, []))
        else:
            addresses = [Address(one.packed, min(one.ttl_seconds, _TTL_SECONDS_MAX)) for one in addresses]

            def tell(opened: bool) -> None:
                if not self._closed:
                    reply(dns_message.answering(question, dns_message.NO_ERROR, addresses) if opened else _failure(question))

            self._open_addresses(addresses, ports, tell)

    def _exchange(self, question: bytes, on_answer: "Callable[[bytes | None], None]", by_connection: bool = False, whole: bool = False) -> None:
        holder: "list[Exchange]" = []

        def done(answer: "bytes | None") -> None:
            self._pending.difference_update(holder)
            on_answer(answer)

        exchange = Exchange(self._loop, self._resolvers.current(), question, done, by_connection, whole)
        if not exchange.is_done:
            holder.append(exchange)
            self._pending.add(exchange)


def _failure(question: Question) -> bytes:
    return dns_message.answering(question, dns_message.SERVER_FAILURE, [])


class _Connection:
    """One question with its length before it, and one answer."""

    def __init__(self, loop: Loop, sock: socket.socket, ask: "Callable[..., None]", on_closed: "Callable[[_Connection], None]") -> None:
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._ask = ask
        self._on_closed = on_closed
        self._unread = b""
        self._closed = False
        loop.on_readable(sock.fileno(), self._read)
        loop.after(_CONNECTION_SECONDS_MAX, self.close)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.forget(self._sock.fileno())
            self._sock.close()
            self._on_closed(self)

    def _read(self) -> None:
        try:
            data = self._sock.recv(_LENGTH.size + _QUESTION_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._unread += data
        if not data or len(self._unread) > _LENGTH.size + _QUESTION_BYTES_MAX:
            self.close()
            return
        if len(self._unread) < _LENGTH.size:
            return
        (length,) = _LENGTH.unpack_from(self._unread)
        if len(self._unread) < _LENGTH.size + length:
            return
        self._loop.forget(self._sock.fileno())
        try:
            self._ask(self._unread[_LENGTH.size : _LENGTH.size + length], self._reply, by_connection=True)
        except Malformed:
            self.close()

    def _reply(self, answer: bytes) -> None:
        """In one piece or not at all: who does not read what was asked for is not waited for."""
        if self._closed:
            return
        try:
            self._sock.send(_LENGTH.pack(len(answer)) + answer)
        except OSError:
            pass  # who asked has gone, or does not read
        self.close()
