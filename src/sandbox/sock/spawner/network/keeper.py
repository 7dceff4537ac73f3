"""The process that connects sandboxes to the network, and the spawner's end of it.

Theory of operation. Without root the spawner leaves the host's network namespace when it starts, and as root
it should not stand still while a process is started; so a child of the spawner, forked before it leaves, does
all that has to do with networks, if the operator allows any. It starts one pasta for each sandbox that asks
and one process that answers all their questions for names (dns_proxy.py), watches the host's addresses, and
changes the sandboxes' filters. They speak over one socket (SOCK_SEQPACKET, JSON):

    spawner → {"connect": slot, "egress": entries or null} + the descriptors of `open_descriptors`
            → {"disconnect": slot}
    keeper  → {"connected": slot}                          the device is there, filtered, addressed, routed
            → {"lost": slot, "reason"}                     instead, or later; what is left of it is to be disconnected
            → {"disconnected": slot}                       nothing of it is left

The keeper holds every socket that changes a sandbox's network; none is left when it dies. It dies with the
spawner, the pastas and the proxy with it (PR_SET_PDEATHSIG each). A spawner whose keeper died ends.
"""
import errno
import json
import os
import signal
import socket

from zygote import linux

from ..loop import Loop
from . import dns_proxy, netlink, tap
from .connection import Connection
from .host_addresses import HostAddresses

_NAME = "network-keeper"
_LINK_FD = 3
_MESSAGE_BYTES_MAX = 1 << 17
_FDS_MAX = 7
_NETFILTER = 12
_RESOLVER = ("127.0.0.1", 53)
_BACKLOG = 8


def open_descriptors() -> "list[int]":
    """What must be made inside a sandbox's network namespace: two route sockets, netfilter's, and its resolver's two."""
    sockets: "list[socket.socket]" = []
    try:
        sockets.append(tap.open_watch())
        sockets.append(netlink.open_socket(socket.NETLINK_ROUTE))
        sockets.append(netlink.open_socket(_NETFILTER))
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            sockets.append(socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC))
            sockets[-1].bind(_RESOLVER)
        sockets[-1].listen(_BACKLOG)
        return [sock.detach() for sock in sockets]
    except OSError as error:
        for sock in sockets:
            sock.close()
        if error.errno == errno.EPROTONOSUPPORT:
            raise OSError(error.errno, "this kernel has no netfilter (CONFIG_NF_TABLES)") from error
        raise


def start(user_id: "int | None") -> "tuple[socket.socket, int]":
    """Forks the keeper: the socket to it, and its pid. `user_id`: of the proxy, on the host; None for one's own."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become(theirs, user_id, parent)
        finally:
            os._exit(1)
    theirs.close()
    return ours, pid


def _become(link: socket.socket, user_id: "int | None", parent: int) -> None:
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    with open("/proc/self/comm", "w") as name:
        name.write(_NAME)
    # No descriptor of the spawner's may live on here: its end is told to others by their closing. Its stderr
    # stays, so that an accident here is told as one of the spawner's.
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(os.dup(link.fileno()), _LINK_FD, inheritable=False)
    linux.close_from(_LINK_FD + 1)
    os.chdir("/")
    _Keeper(socket.socket(fileno=_LINK_FD), user_id).run()


class _Keeper:
    def __init__(self, link: socket.socket, user_id: "int | None") -> None:
        self._link = link
        self._user_id = user_id
        self._loop = Loop()
        self._connections: "dict[int, Connection]" = {}
        self._questions: "dict[int, tuple[list | None, list[int]]]" = {}  # slot → entries, resolver's sockets
        self._host = HostAddresses(self._loop, self._host_changed)
        self._start_proxy()

    def run(self) -> None:
        self._loop.on_readable(self._link.fileno(), self._hear)
        self._loop.run()
        for connection in self._connections.values():
            connection.close()
        self._end_proxy()
        os._exit(0)

    def _tell(self, message: dict) -> None:
        self._link.send(json.dumps(message).encode())

    # -- the spawner's requests -------------------------------------------------------------------

    def _hear(self) -> None:
        message, fds, _flags, _address = socket.recv_fds(self._link, _MESSAGE_BYTES_MAX, _FDS_MAX)
        if not message:
            self._loop.stop()
            return
        word = json.loads(message)
        if "connect" in word:
            self._connect(word["connect"], word["egress"], fds)
        else:
            self._disconnect(word["disconnect"])

    def _connect(self, slot: int, egress: "list | None", fds: "list[int]") -> None:
        resolver = fds[-2:]
        try:
            self._connections[slot] = Connection(
                self._loop, fds[:-2], self._host.networks, self._host.ways_out(), egress is not None,
                lambda: self._tell({"connected": slot}), lambda reason: self._tell({"lost": slot, "reason": reason}),
            )
        except OSError as error:
            for fd in resolver:
                os.close(fd)
            self._tell({"lost": slot, "reason": str(error.strerror or error)})
            return
        self._questions[slot] = (egress, resolver)
        self._serve(slot)

    def _disconnect(self, slot: int) -> None:
        connection = self._connections.pop(slot, None)
        if connection is not None:
            connection.close()
            _egress, resolver = self._questions.pop(slot)
            for fd in resolver:
                os.close(fd)
            self._tell_proxy({"drop": slot})
        self._tell({"disconnected": slot})

    def _host_changed(self) -> None:
        for slot, connection in self._connections.items():
            try:
                connection.refuse(self._host.networks)
            except OSError as error:
                self._tell({"lost": slot, "reason": f"the host's new addresses could not be refused: {error}"})

    # -- the proxy --------------------------------------------------------------------------------

    def _start_proxy(self) -> None:
        self._proxy, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._proxy_pid = dns_proxy.start(theirs, self._user_id, os.getpid())
        theirs.close()
        self._loop.on_readable(self._proxy.fileno(), self._hear_proxy)
        for slot in self._questions:
            self._serve(slot)

    def _serve(self, slot: int) -> None:
        egress, resolver = self._questions[slot]
        self._tell_proxy({"serve": slot, "egress": egress}, resolver)

    def _tell_proxy(self, message: dict, fds: "list[int] | tuple[()]" = ()) -> None:
        """Never waits for it: one that does not read is seen to be replaced."""
        try:
            socket.send_fds(self._proxy, [json.dumps(message).encode()], list(fds), socket.MSG_DONTWAIT)
        except OSError:
            os.kill(self._proxy_pid, signal.SIGKILL)

    def _hear_proxy(self) -> None:
        try:
            message = self._proxy.recv(_MESSAGE_BYTES_MAX)
        except OSError:
            message = b""
        if not message:
            self._replace_proxy()
            return
        word = json.loads(message)
        connection = self._connections.get(word["slot"])
        opened = connection is not None
        if connection is not None:
            try:
                connection.open([(bytes.fromhex(text), seconds) for text, seconds in word["addresses"]], word["ports"])
            except OSError:
                opened = False  # the sandbox has as many as it may have; its next question is told so as well
        self._tell_proxy({"opened": word["open"], "ok": opened})

    def _replace_proxy(self) -> None:
        self._loop.forget(self._proxy.fileno())
        self._end_proxy()
        self._start_proxy()

    def _end_proxy(self) -> None:
        self._proxy.close()
        os.kill(self._proxy_pid, signal.SIGKILL)
        os.waitpid(self._proxy_pid, 0)
