"""The spawner's view of the networks that its sandboxes have; the work is done by the keeper (keeper.py)."""
import json
import os
import socket
import sys
from typing import Callable

from zygote import linux

from .. import enter
from ..loop import Loop
from . import keeper, pasta
from .resolver_file import ResolverFile

_MESSAGE_BYTES_MAX = 1 << 16


class Networks:
    def __init__(
        self, loop: Loop, own_net_fd: int, kept: "tuple[socket.socket, int]", worker_dir: str
    ) -> None:
        self.resolver_file = ResolverFile(worker_dir)
        self._loop = loop
        self._own_net_fd = own_net_fd
        self._link, self._pid = kept
        self._waiting: "dict[int, tuple[Callable[[], None], Callable[[str], None]]]" = {}
        self._leaving: "dict[int, Callable[[], None]]" = {}
        loop.on_readable(self._link.fileno(), self._hear)

    def lacking(self) -> "list[str]":
        """What keeps networks from being had on this machine, in words for the operator."""
        lack = pasta.lacking()
        return [] if lack is None else [f"lambdas with network outbound do not start: {lack}"]

    def connect(
        self, slot: int, pidfd: int, pid: int, egress: "list | None",
        on_ready: "Callable[[], None]", on_lost: "Callable[[str], None]",
    ) -> None:
        """`disconnect` must follow, whatever becomes of it."""
        fds: "list[int]" = []
        self._waiting[slot] = (on_ready, on_lost)
        try:
            for kind in ("user", "net"):
                fds.append(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC))
            enter.run(pidfd, self._own_net_fd, linux.CLONE_NEWNET, lambda: fds.extend(keeper.open_descriptors()))
            socket.send_fds(self._link, [json.dumps({"connect": slot, "egress": egress}).encode()], fds)
        finally:
            for fd in fds:
                os.close(fd)

    def disconnect(self, slot: int, on_done: "Callable[[], None]") -> None:
        """`on_done` comes when nothing of it is left: at once if there was nothing."""
        if self._waiting.pop(slot, None) is None:
            on_done()
            return
        self._leaving[slot] = on_done
        self._link.send(json.dumps({"disconnect": slot}).encode())

    def close(self) -> None:
        """Ends the keeper and all that it keeps; returns when they have gone."""
        self._loop.forget(self._link.fileno())
        self._link.close()
        os.waitpid(self._pid, 0)

    def _hear(self) -> None:
        message = self._link.recv(_MESSAGE_BYTES_MAX)
        if not message:
            # Every connection is gone with it. The worker starts another spawner, which begins with another keeper.
            sys.exit("the keeper of networks died")
        word = json.loads(message)
        if "disconnected" in word:
            self._leaving.pop(word["disconnected"])()
        elif "connected" in word and word["connected"] in self._waiting:
            self._waiting[word["connected"]][0]()
        elif "lost" in word and word["lost"] in self._waiting:
            self._waiting[word["lost"]][1](word["reason"])
