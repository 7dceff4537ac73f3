"""The lock of a worker's directory: a spawner holds it until it has cleaned up, whoever reclaims waits for it.

The file names the holder and its worker by pid and start time. While the lock is held the holder's own
entry is true; the start times guard against pids that have been used again.
"""
import fcntl
import json
import os
import signal

from . import processes

_FILE = "spawner.lock"


class Held(Exception):
    """Somebody else holds the lock, and went on holding it."""


def take(wait_seconds: float) -> int:
    """Waits for the lock of the working directory; raises Held with the holder's name after a while."""
    fd = os.open(_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # The signal's only work is to break off flock, which knows no deadline.
    before = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, wait_seconds)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except InterruptedError:
        held_by = os.pread(fd, 4096, 0).decode(errors="replace")
        os.close(fd)
        raise Held(held_by) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps({"worker": _named(os.getppid()), "spawner": _named(os.getpid())}).encode(), 0)
    return fd


def take_by_force(wait_seconds: float) -> int:
    """As take, but ends a holder that does not let go: its worker first, which would start another."""
    try:
        return take(wait_seconds)
    except Held as held:
        for name in ("worker", "spawner"):
            pid, started = json.loads(str(held))[name]
            processes.end(pid, lambda at=pid, since=started: since != "" and _start_time(at) == since)
    return take(wait_seconds)


def _give_up(_number: int, _frame: object) -> None:
    raise InterruptedError


def _named(pid: int) -> "tuple[int, str]":
    return pid, _start_time(pid)


def _start_time(pid: int) -> str:
    """Field 22 of stat, counted behind the name, which may hold spaces."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""
