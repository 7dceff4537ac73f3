"""Kernels of one sandbox that were forked from another one there: each has control groups beside those of the sandbox.

Theory of operation. A kernel forks by itself, so a fork is born in the groups of the process that it comes from. Process 1
of the sandbox (runtime/kernel/groups.py), which runs nobody's code, brings a descriptor of the new process before anybody
can give it code to run. It is not believed: what it brings must be a process of this sandbox, and neither process 1
nor a fork that has groups already. Then it is moved from here. Back go descriptors by which a child of process 1 moves
itself there, as a sandbox does: what is started later for the fork, terminals and the like, is limited with it.

    process 1 → {"fork": number} + a pidfd
    spawner   → {"fork": number} + descriptors, none where there are no groups | {"fork": number, "failed": why}

The worker has every fork ended here, however that has ended, and whatever else is in its groups with it.
"""
import array
import json
import os
import select
import signal
import socket
from typing import Callable

from . import posture, words
from .cgroups import Cgroups
from .house import House
from .limits import Limits

_MESSAGE_BYTES_MAX = 256
_ONE_FD = socket.CMSG_LEN(4)
_REASON_CHARACTERS_MAX = 200
# Each takes a handful of directories; sessions_max is far below.
_FORKS_MAX = 4096
# Of those that are being killed, as many are waited for at a time: each takes a descriptor.
_AWAITED_MAX = 64
NOTHING = {"peak_bytes": None, "cpu_us": None, "oom": None}
"""What is charged to a fork without groups."""


class Forks:
    def __init__(
        self, house: House, name: str, pid: int, limits: Limits, link: socket.socket, on_fault: "Callable[[str], None]"
    ) -> None:
        """`name` and `pid` are the sandbox's, `limits` what each fork may use. `link` is this object's from now on."""
        self._house = house
        self._name = name
        self._first = pid
        self._pids = os.readlink(f"/proc/{pid}/ns/pid")
        self._limits = limits
        self._link: "socket.socket | None" = link
        self._on_fault = on_fault
        self._forks: "dict[int, int]" = {}
        """Pids, by the worker's numbers."""
        self._endings: "dict[int, _Ending]" = {}
        house.loop.on_readable(link.fileno(), self._hear)

    @property
    def groups(self) -> "dict[int, str]":
        return {number: self._group(number) for number in self._forks}

    def end(self, number: int, on_ended: "Callable[[dict], None]") -> None:
        """Ends all that is in its groups; `on_ended` is told what was charged to it when nothing is left of it. Once is enough."""
        if number not in self._forks:
            on_ended(NOTHING)
        elif number not in self._endings:
            self._endings[number] = _Ending(self._house, self._group(number), lambda: self._ended(number, on_ended))
            self._endings[number].go_on()

    def close(self) -> None:
        """Once all processes of the sandbox have gone. Nobody is told of the end of a fork any more."""
        for ending in self._endings.values():
            ending.close()
        self._close_link()
        for group in self.groups.values():
            self._house.cgroups.remove(group)

    def _group(self, number: int) -> str:
        return f"{self._name}-{number}"

    def _ended(self, number: int, on_ended: "Callable[[dict], None]") -> None:
        group, cgroups = self._group(number), self._house.cgroups
        oom = cgroups.oom_kills(group) > 0 if cgroups.has("memory") else None
        charged = {"peak_bytes": cgroups.peak_bytes(group), "cpu_us": cgroups.cpu_us(group), "oom": oom}
        del self._endings[number]
        del self._forks[number]
        cgroups.remove(group)
        on_ended(charged)

    # -- what process 1 brings ----------------------------------------------------------------------

    def _hear(self) -> None:
        fds: "list[int]" = []
        try:
            message, fds = _receive(self._link)
            if not message:
                self._close_link()
                return
            self._take(words.of_runner(message, fds), fds[0])
        except (OSError, ValueError) as error:
            self._close_link()
            self._on_fault(f"what runs its kernels said what it may not: {error}")
        finally:
            for fd in fds:
                os.close(fd)

    def _take(self, number: int, pidfd: int) -> None:
        joins: "list[int]" = []
        answer: "dict[str, object]" = {"fork": number}
        try:
            joins = self._admit(number, pidfd)
        except (OSError, posture.PostureError) as error:
            answer["failed"] = str(error)[:_REASON_CHARACTERS_MAX]
        try:
            _send(self._link, json.dumps(answer).encode(), joins)
        finally:
            for fd in joins:
                os.close(fd)

    def _admit(self, number: int, pidfd: int) -> "list[int]":
        cgroups = self._house.cgroups
        if number in self._forks or len(self._forks) >= _FORKS_MAX:
            raise OSError(f"there is a fork {number} already, or there are too many")
        pid = posture.pid_of(pidfd)
        if os.readlink(f"/proc/{pid}/ns/pid") != self._pids or pid == self._first or pid in self._forks.values():
            raise OSError("it is no process of this sandbox that could be a fork")
        if not cgroups.are_there:
            return []
        group = self._group(number)
        joins = cgroups.make(group, self._limits)
        try:
            self._forks[number] = pid
            cgroups.move(group, pid)
            # Until now the number was its own, so that nobody else was moved.
            if _has_ended(pidfd):
                raise OSError("it has ended")
        except OSError:
            for fd in joins:
                os.close(fd)
            # What may be in it already ends when the worker, or the sandbox, ends this fork.
            raise
        return joins

    def _close_link(self) -> None:
        if self._link is not None:
            self._house.loop.forget(self._link.fileno())
            self._link.close()
            self._link = None


class _Ending:
    """Kills what is in a group until nobody is there any more. Where processes are counted, none is made meanwhile."""

    def __init__(self, house: House, group: str, on_empty: "Callable[[], None]") -> None:
        self._house = house
        self._group = group
        self._on_empty = on_empty
        self._awaited: "list[int]" = []
        """Descriptors of processes that have been killed and are on their way out."""
        house.cgroups.forbid_more(group)

    def go_on(self) -> None:
        self._awaited = _kill_all(self._house.cgroups, self._group)
        if not self._awaited:
            self._on_empty()
        for pidfd in self._awaited:
            self._house.loop.on_readable(pidfd, lambda pidfd=pidfd: self._gone(pidfd))

    def close(self) -> None:
        for pidfd in list(self._awaited):
            self._forget(pidfd)

    def _gone(self, pidfd: int) -> None:
        self._forget(pidfd)
        if not self._awaited:
            self.go_on()

    def _forget(self, pidfd: int) -> None:
        self._awaited.remove(pidfd)
        self._house.loop.forget(pidfd)
        os.close(pidfd)


def _kill_all(cgroups: Cgroups, group: str) -> "list[int]":
    """Pidfds of some of those that were killed, none if there was nobody."""
    cgroups.kill(group)
    awaited: "list[int]" = []
    pids = sorted(cgroups.processes(group))
    for start in range(0, len(pids), _AWAITED_MAX):
        opened = _open(pids[start : start + _AWAITED_MAX])
        # Who is in the group still, and was opened before this look, is what was opened.
        still = cgroups.processes(group)
        for pid, pidfd in opened.items():
            if pid in still:
                posture.send_signal(pidfd, signal.SIGKILL)
            if pid in still and len(awaited) < _AWAITED_MAX:
                awaited.append(pidfd)
            else:
                os.close(pidfd)
    return awaited


def _open(pids: "list[int]") -> "dict[int, int]":
    opened = {}
    for pid in pids:
        try:
            opened[pid] = os.pidfd_open(pid)
        except OSError:
            continue  # it has ended, or is a thread of one that is in the list, too
    return opened


def _has_ended(pidfd: int) -> bool:
    waiter = select.poll()
    waiter.register(pidfd, select.POLLIN)
    return bool(waiter.poll(0))


def _send(link: socket.socket, message: bytes, fds: "list[int]") -> None:
    # As recv_fds below: send_fds would wait for one who does not read.
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    link.sendmsg([message], ancillary, socket.MSG_DONTWAIT)


def _receive(link: socket.socket) -> "tuple[bytes, list[int]]":
    # recv_fds takes flags and ignores them, up to Python 3.11 at least.
    message, ancillary, _flags, _address = link.recvmsg(_MESSAGE_BYTES_MAX, _ONE_FD, socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT)
    fds: "list[int]" = []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds += memoryview(data).cast("i").tolist()
    return message, fds
