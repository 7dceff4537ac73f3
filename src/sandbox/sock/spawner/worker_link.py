"""The connection to the worker: one JSON object per line, both ways, never blocking the loop.

    worker  → {"op": "prepare", "slot", "program", "heap_mb", "host_network", "branch"}   make a sandbox that waits for
                                                   code; program: "fork", or "python" or "node" with its own
                                                   interpreter; heap_mb: Node's; host_network: for lambdas with
                                                   network host only; branch: from that zygote, if not null
            → {"op": "start", "slot", "code", "packages", "limits", "secrets", "network", "description"}   hand code over, if not null
            → {"op": "pause" | "resume" | "kill", "slot"}
            → {"op": "end-fork", "slot", "fork"}   a kernel that was forked there, with all that is in its groups
            → {"op": "memory", "slot"}             of that one alone, if not null
            → {"op": "grow", "branch", "parent", "packages", "modules", "kernels", "memory_mb"}   make a zygote that has
                                                   imported these; parent: the branch to make it from, or null;
                                                   kernels: what sessions take instead, with its parent's packages
            → {"op": "load", "branch", "code", "packages", "limits", "secrets", "description", "seeded"}   make one that has
                                                   loaded a lambda's code; seeded: states of generators, see loader.py
            → {"op": "retire", "branch"}           it forks no more, and ends with its last sandbox
            → {"op": "measure"}
    spawner → {"ev": "ready", "python", "uses", "weaker", "oom_file", "cpu_file", "peak_file", "memory_files"}   once; `*` is for a slot
            → {"ev": "zygote", "zygote", "state": "ready" | "retired" | "ended", "reason"}   reason: why it died
            → {"ev": "listening" | "waiting" | "started", "slot"}
            → {"ev": "ended", "slot", "cause", "peak_bytes", "cpu_us", …}  exactly once per slot
            → {"ev": "fork-ended", "slot", "fork", "peak_bytes", "cpu_us", "oom"}  once per "end-fork", or the slot's end
            → {"ev": "unfit", "reason"}            instead of ready: no zygote can be started here
            → {"ev": "left", "path", "reason"}     scratch that could not be removed yet
            → {"ev": "memory", "slots": {slot: bytes}}   and of forks, as `<slot>-<fork>`
            → {"ev": "branch", "branch", "state": "ready", "zygote", "report"}
            → {"ev": "branch", "branch", "state": "ended", "ending"}   once for each grow, ready or not
            → {"ev": "measured", "branches": {branch: bytes}}
"""
import contextlib
import json
import socket
from typing import Callable, Iterator

from .loop import Loop

_READ_BYTES = 1 << 16
_LINE_BYTES_MAX = 4 << 20


class WorkerLink:
    def __init__(self, loop: Loop, sock: socket.socket, on_message: "Callable[[dict], None]", on_end: "Callable[[], None]") -> None:
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._on_message = on_message
        self._on_end = on_end
        self._unread = b""
        self._unsent = b""
        self._gathering = False
        self._is_full = False
        self._ended = False
        loop.on_readable(sock.fileno(), self._read)

    def tell(self, message: dict) -> None:
        self._unsent += json.dumps(message).encode() + b"\n"
        if not self._gathering:
            self._write()

    @contextlib.contextmanager
    def at_once(self) -> "Iterator[None]":
        """What is told meanwhile reaches the worker in one piece."""
        self._gathering = True
        try:
            yield
        finally:
            self._gathering = False
            self._write()

    def _read(self) -> None:
        try:
            data = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # a reset is an end like any other: the worker is gone
        if not data:
            self._end()
            return
        *lines, self._unread = (self._unread + data).split(b"\n")
        if len(self._unread) > _LINE_BYTES_MAX:
            self._end()
            return
        for line in lines:
            self._on_message(json.loads(line))

    def _write(self) -> None:
        if self._ended:
            return
        try:
            while self._unsent:
                sent = self._sock.send(self._unsent)
                self._unsent = self._unsent[sent:]
        except BlockingIOError:
            self._loop.on_writable(self._sock.fileno(), self._write)
            self._is_full = True
            return
        except OSError:
            self._unsent = b""  # the read side sees the end and acts on it
            return
        if self._is_full:
            self._loop.on_writable(self._sock.fileno(), None)
            self._is_full = False

    def _end(self) -> None:
        self._ended = True
        self._loop.forget(self._sock.fileno())
        self._on_end()
