"""What code has left behind by being imported that a fork of the process would lack, or share with other forks.

Each finding is {"what": a kind, "where": a name}, as in findings.py. Code that leaves such a thing is imported anew by each
process of its lambda.
"""
import os
import _signal
from typing import Iterator

from . import findings
from .findings import found

# Gone with the process, or not the same in a fork's own.
_PLACES = ("/tmp", "/dev/shm", "/host")
_OWN_FILES = {"/host/server_pipe", "/host/stdout", "/host/stderr", "/host/lost+found"}
_TIMERS = ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF")
_OBJECTS = ("shm", "msg", "sem")
_FINDINGS_MAX = 20


def left_behind(files: "set[str]") -> "list[dict]":
    """`files`: descriptors from before."""
    left = [
        *findings.unforkable(files), *_files(), *_memory(), *_objects(), *_timers(), *_handlers(), *_directory()
    ]
    return left[:_FINDINGS_MAX]


def _files() -> "Iterator[dict]":
    for place in _PLACES:
        for name in os.listdir(place):
            if f"{place}/{name}" not in _OWN_FILES:
                yield found("file", f"{place}/{name}")


def _memory() -> "Iterator[dict]":
    for line in _text("/proc/self/maps").splitlines():
        fields = line.split(maxsplit=5)
        if fields[1].endswith("s") and "w" in fields[1]:
            yield found("memory", f"shared: {fields[5] if len(fields) > 5 else 'anonymous'}")


def _objects() -> "Iterator[dict]":
    for kind in _OBJECTS:
        for line in _text(f"/proc/sysvipc/{kind}").splitlines()[1:]:
            yield found("ipc", f"{kind} {line.split()[0]}")


def _timers() -> "Iterator[dict]":
    for name in _TIMERS:
        if _signal.getitimer(getattr(_signal, name)) != (0.0, 0.0):
            yield found("timer", name)


def _handlers() -> "Iterator[dict]":
    """Whoever forks has children that it must wait for."""
    if _signal.getsignal(_signal.SIGCHLD) != _signal.SIG_DFL:
        yield found("handler", "SIGCHLD")


def _directory() -> "Iterator[dict]":
    directory = os.getcwd()
    if directory.startswith((*_PLACES, "/proc")):
        yield found("directory", directory)


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:  # this kernel has none
        return ""
