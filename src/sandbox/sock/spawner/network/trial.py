"""For `admin doctor`: connects a network namespace of its own the way a sandbox's is, and prints what came of it.

Nothing of it outlives this process. Prints {"outbound": null}, or what this machine lacks.
"""
import json
import os
import socket
import sys

from zygote import linux

from ..loop import Loop
from . import keeper
from .connection import Connection
from .host_addresses import HostAddresses

_SECONDS_MAX = 5.0
_FDS = 5
_WORDS_BYTES_MAX = 4096


def main() -> None:
    json.dump({"outbound": _try()}, sys.stdout)


def _try() -> "str | None":
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        pid, _pidfd = linux.clone(linux.CLONE_NEWUSER | linux.CLONE_NEWNET)
    except OSError as error:
        return str(error)
    if pid == 0:
        _be_sandbox(ours, theirs)
    theirs.close()
    try:
        return _connect(pid, ours)
    except OSError as error:
        return str(error.strerror or error)
    finally:
        ours.close()
        os.waitpid(pid, 0)


def _be_sandbox(ours: socket.socket, theirs: socket.socket) -> None:
    """Never returns. Its namespaces last until the other side hangs up."""
    ours.close()
    try:
        theirs.recv(1)
        linux.bring_up_loopback()
        socket.send_fds(theirs, [b"here"], keeper.open_descriptors())
        theirs.recv(1)
    except OSError as error:
        theirs.send(str(error).encode())
    finally:
        os._exit(0)


def _connect(pid: int, link: socket.socket) -> "str | None":
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {os.geteuid()} 1"), ("gid_map", f"0 {os.getegid()} 1")):
        with open(f"/proc/{pid}/{name}", "w") as file:
            file.write(text)
    link.send(b"x")
    said, fds, _flags, _address = socket.recv_fds(link, _WORDS_BYTES_MAX, _FDS)
    if not fds:
        return said.decode()
    namespaces = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("user", "net")]
    loop = Loop()
    host = HostAddresses(loop, lambda: None)
    problems: "list[str]" = []

    def lost(reason: str) -> None:
        problems.append(reason)
        loop.stop()

    connection = Connection(loop, namespaces + fds[:3], host.networks, host.ways_out(), True, loop.stop, lost)
    loop.after(_SECONDS_MAX, lambda: lost(f"pasta was not ready after {_SECONDS_MAX:.0f} s"))
    loop.run()
    connection.close()
    return problems[0] if problems else None
