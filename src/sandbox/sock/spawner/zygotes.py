"""Starts a zygote from the spawner and speaks with it; its other end is zygote/zygote.py."""
import json
import os
import signal
import socket
from typing import Callable

from . import posture, processes, words, zygote_process
from .house import House
from .zygote_limits import ZygoteLimits, with_children

_REPLY_BYTES_MAX = 1 << 17
_LOG_DIR = "import-cache/0"


class Zygote:
    """One zygote process; RootZygote, Branch and Loader say how it comes to be.

    `own`: what it may use, its children not counted.
    `in_host_network`: it is made in the spawner's network namespace, and so are its children.
    `on_word(zygote, word)` gets what it says and raises ValueError if that can not be true, which ends it;
    `on_doom(zygote)` comes once, as soon as it is known to be of no more use, alive or not; `on_end(zygote)` comes
    once, after that, when it is gone.
    """

    def __init__(
        self, house: House, number: int, own: ZygoteLimits, in_host_network: bool,
        on_word: "Callable[[Zygote, words.Word], None]", on_doom: "Callable[[Zygote], None]", on_end: "Callable[[Zygote], None]",
    ) -> None:
        self.number = number
        self.in_host_network = in_host_network
        self.group = f"zygote-{number}"
        self.is_ready = False
        self.is_doomed = False
        self.forks = 0
        """Children that were asked of it, and of those that it has made."""
        self.making = 0
        """Slots that are being made from it."""
        self.sandboxes = 0
        """Slots and zygotes that are made from it, or will be, and have not gone."""
        self.fault: "str | None" = None
        """What it ended for: what it said that can not be true, or did not say, or had too little of."""
        self.parent: "Zygote | None" = None
        self.pid = 0
        self.namespaces: "dict[str, str]" = {}
        self._pidfd: "int | None" = None
        self._own = own
        self._limits = with_children(own, 0)
        self._house = house
        self._loop = house.loop
        self._on_word = on_word
        self._on_doom = on_doom
        self._on_end = on_end
        self._control, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # One that is stopped reads nothing; its full socket must not stop the spawner too.
        self._control.setblocking(False)

    @property
    def mount_points(self) -> "set[str]":
        """What its children have mounted, before their code comes."""
        return self._house.plan.mount_points()

    @property
    def writable(self) -> "tuple[str, ...]":
        """Those of them that may be written to."""
        return posture.WRITABLE

    is_observed = False
    """Whether it wants to be told of children whose code has run."""

    def look_at(self, child_pid: int) -> None:
        """At such a child, for what the next ones will need. Raises OSError if that can not be seen."""
        raise NotImplementedError

    def fork(self, request: dict, fds: "list[int]") -> None:
        """Raises ConnectionError if it is dying, and forks nothing then."""
        limits = with_children(self._own, self.sandboxes)
        if limits.memory_mb > self._limits.memory_mb:
            self._house.cgroups.limit(self.group, limits, self._limits)
            self._limits = limits
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], fds)
        except ConnectionError:
            self.kill()
            raise
        # Who is made by one that it has made has its addresses, too.
        zygote: "Zygote | None" = self
        while zygote is not None:
            zygote.forks += 1
            zygote = zygote.parent

    @property
    def is_ending(self) -> bool:
        return self.is_doomed or processes.is_ending(self.pid, self._pidfd)

    def kill(self, fault: "str | None" = None) -> None:
        if self._pidfd is not None:
            posture.send_signal(self._pidfd, signal.SIGKILL)
        self._doom(fault)

    def pss_bytes(self) -> int:
        """Its memory, with its part of what it shares; 0 if it has just ended."""
        try:
            with open(f"/proc/{self.pid}/smaps_rollup") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
        except (OSError, StopIteration):
            return 0

    def _doom(self, fault: "str | None" = None) -> None:
        if not self.is_doomed:
            self.is_doomed = True
            self.fault = fault
            if fault is None and self._house.cgroups.oom_kills(self.group) > 0:
                self.fault = f"it ran out of memory: it may have {self._limits.memory_mb} MB"
            self._on_doom(self)

    def _read(self) -> None:
        fds: "list[int]" = []
        fault: "str | None" = None
        try:
            message, fds, _flags, _address = socket.recv_fds(self._control, _REPLY_BYTES_MAX, 1)
            if message:
                self._hear(words.of_zygote(message, fds))
                return
        except BlockingIOError:
            return
        except ConnectionError:
            pass  # an end like any other
        except ValueError as error:
            # Nothing else that it says, or has made, is believed any more.
            fault = str(error)
            for fd in fds:
                os.close(fd)
        # One that has closed its socket is of no use, alive or not.
        self._loop.forget(self._control.fileno())
        self.kill(fault)

    def _hear(self, word: words.Word) -> None:
        if word.kind == "ready":
            if self.is_ready:
                raise ValueError("it said a second time that it is ready")
            self.is_ready = True
        self._on_word(self, word)

    def _ended(self) -> None:
        raise NotImplementedError

    def _start(self, program: zygote_process.ZygoteProgram, output: "list[int]") -> None:
        """As a child of the spawner's. The descriptors are closed."""
        cgroup_fds: "list[int]" = []
        try:
            cgroup_fds = self._house.cgroups.make(self.group, self._limits, from_outside=True)
            self.pid, self._pidfd, self.namespaces = zygote_process.start(
                self._house, program, self._theirs, output, cgroup_fds, self._limits
            )
        finally:
            self._theirs.close()
            for fd in [*output, *cgroup_fds]:
                os.close(fd)


class RootZygote(Zygote):
    """One that the spawner has started itself, with nothing imported."""

    def __init__(
        self, house: House, number: int, in_host_network: bool,
        on_word: "Callable[[Zygote, words.Word], None]", on_doom: "Callable[[Zygote], None]", on_end: "Callable[[Zygote], None]",
    ) -> None:
        super().__init__(house, number, house.zygote_limits, in_host_network, on_word, on_doom, on_end)
        program = zygote_process.ZygoteProgram("zygote", house.ids, in_host_network)
        self._start(program, [_open_log(house.zygote_log_fd, name) for name in ("stdout", "stderr")])
        self._loop.on_readable(self._control.fileno(), self._read)
        self._loop.on_readable(self._pidfd, self._ended)

    def _ended(self) -> None:
        self._loop.forget(self._pidfd)
        self._loop.forget(self._control.fileno())
        os.waitpid(self.pid, 0)
        self._doom()
        os.close(self._pidfd)
        self._control.close()
        self._on_end(self)


def _open_log(dir_fd: int, name: str) -> int:
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=dir_fd)


def open_log_dir() -> int:
    """Where root zygotes print, in the worker's directory, which is the working one."""
    os.makedirs(_LOG_DIR, 0o755, exist_ok=True)
    # By descriptor: stepping into a sandbox's mount namespace and back moves the working directory.
    return os.open(_LOG_DIR, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
