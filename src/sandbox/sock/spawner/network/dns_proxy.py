"""The process that answers the questions of sandboxes for names.

Theory of operation. Each sandbox has a resolver at its own 127.0.0.1, port 53: two sockets that were made in
its network namespace and are read here, in the host's. One process serves all sandboxes of a worker. It reads
what strangers write, so it holds no right, is under a filter, has an id of its own (as root), may neither
start a process nor write a file, and everything about a sandbox is counted. It speaks with the keeper over
one socket (SOCK_SEQPACKET, JSON):

    keeper → {"serve": slot, "egress": entries or null} + [datagram socket, listening socket]
           → {"drop": slot}
           → {"opened": number, "ok": bool}
    proxy  → {"open": number, "slot", "addresses": [[hex, seconds], …], "ports": […]}

Without entries, questions and answers pass through. With them, a name off the list does not exist; one on it
is asked about in words of our own, and its addresses are told to the sandbox only after the keeper has opened
them, so that the first packet finds its way.
"""
import itertools
import json
import os
import resource
import signal
import socket

from zygote import linux, seccomp

from ..loop import Loop
from .dns_client import Client
from .egress import Egress
from .resolver import Resolvers

_LINK_FD = 3
_NAME = "dns-proxy"
_MESSAGE_BYTES_MAX = 1 << 16
_DATA_BYTES_MAX = 256 << 20
_FDS_MAX = 16_384


def start(link: socket.socket, user_id: "int | None", parent: int) -> int:
    """Forks the proxy; its end of the socket is `link`. `user_id`: on the host, or None to keep one's own."""
    pid = os.fork()
    if pid == 0:
        try:
            _become(link, user_id, parent)
        finally:
            os._exit(1)
    return pid


def _become(link: socket.socket, user_id: "int | None", parent: int) -> None:
    with open("/proc/self/comm", "w") as name:
        name.write(_NAME)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if link.fileno() != _LINK_FD:
        os.dup2(link.fileno(), _LINK_FD, inheritable=False)
    linux.close_from(_LINK_FD + 1)
    os.chdir("/")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FDS_MAX if hard == resource.RLIM_INFINITY else min(_FDS_MAX, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    resource.setrlimit(resource.RLIMIT_DATA, (_DATA_BYTES_MAX, _DATA_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if user_id is not None:
        linux.drop_bounding_set()
        os.setgroups([])
        os.setresgid(user_id, user_id, user_id)
        os.setresuid(user_id, user_id, user_id)
    linux.capset(())
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    # After the last change of ids, which clears it.
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == parent:
        for program in (seccomp.zygote_program(), seccomp.lone_program()):
            linux.install_filter(linux.Filter(program))
        _Proxy(socket.socket(fileno=_LINK_FD)).run()


class _Proxy:
    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._loop = Loop()
        self._resolvers = Resolvers()
        self._clients: "dict[int, Client]" = {}
        self._numbers = itertools.count()
        self._opening: "dict[int, tuple[Client, object]]" = {}

    def run(self) -> None:
        self._loop.on_readable(self._link.fileno(), self._hear)
        self._loop.run()

    def _hear(self) -> None:
        message, fds, _flags, _address = socket.recv_fds(self._link, _MESSAGE_BYTES_MAX, 2)
        if not message:
            os._exit(0)
        word = json.loads(message)
        if "serve" in word:
            entries = word["egress"]
            egress = None if entries is None else Egress((name, port) for name, port in entries)
            sockets = [socket.socket(fileno=fd) for fd in fds]
            self._clients[word["serve"]] = Client(self._loop, self._resolvers, egress, sockets, self._open_for(word["serve"]))
        elif "drop" in word:
            client = self._clients.pop(word["drop"], None)
            if client is not None:
                client.close()
        else:
            self._opening.pop(word["opened"])(word["ok"])

    def _open_for(self, slot: int):
        def open_addresses(addresses, ports, on_done) -> None:
            number = next(self._numbers)
            self._opening[number] = on_done
            told = [[one.packed.hex(), one.ttl_seconds] for one in addresses]
            self._link.send(json.dumps({"open": number, "slot": slot, "addresses": told, "ports": ports}).encode())

        return open_addresses
