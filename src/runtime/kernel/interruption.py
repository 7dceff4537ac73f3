"""ctrl-C for a process group, and for those of it that were just being made.

A shell that has forked and not yet executed its program still has its own handler there: what hits it then is lost, and the
program runs on. So a while later those are looked for that would have ended of the signal, had they got it: members of the group
that neither catch nor ignore it. They alone get it again, so that whoever handles it is asked once.
"""
import os
import signal
from typing import Callable

from .loop import Loop

_LOOKS_S = (0.05, 0.1, 0.2, 0.4, 0.8)
_BIT = 1 << (signal.SIGINT - 1)


def interrupt(loop: Loop, group: int, goes_on: "Callable[[], bool]") -> None:
    """`goes_on`: whether what was interrupted still runs; asked later."""
    try:
        os.killpg(group, signal.SIGINT)
    except ProcessLookupError:
        return  # its end is on the way here
    _look_later(loop, group, goes_on, list(_LOOKS_S))


def _look_later(loop: Loop, group: int, goes_on: "Callable[[], bool]", looks: "list[float]") -> None:
    def look() -> None:
        if goes_on():
            for pid in _members(group):
                if _would_have_ended(pid):
                    _send(pid)
            _look_later(loop, group, goes_on, looks)

    if looks:
        loop.after(looks.pop(0), look)


def _members(group: int) -> "list[str]":
    found = []
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            fields = _read(pid, "stat").rpartition(b")")[2].split()
            if len(fields) > 2 and int(fields[2]) == group:
                found.append(pid)
    return found


def _would_have_ended(pid: str) -> bool:
    masks = {}
    for line in _read(pid, "status").splitlines():
        name, _, value = line.partition(b":")
        if name in (b"SigBlk", b"SigIgn", b"SigCgt"):
            masks[name] = int(value, 16)
    return len(masks) == 3 and not any(mask & _BIT for mask in masks.values())


def _send(pid: str) -> None:
    try:
        os.kill(int(pid), signal.SIGINT)
    except ProcessLookupError:
        return  # it has ended meanwhile


def _read(pid: str, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""  # it has ended meanwhile
