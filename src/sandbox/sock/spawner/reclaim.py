"""Removes what an earlier run of the same worker left: frozen or stray processes, cgroups, scratch.

The next start does it before anything else, and `admin kill` does it for workers that died with their
spawner. Both hold the worker directory's lock, which a living spawner holds until it has cleaned up.
"""
import fcntl
import json
import os
import select
import signal
import sys

from . import scratch
from .cgroups import Cgroups

_LOCK = "spawner.lock"
_OWN_DIRS = ("slots", "handlers")
_KILL_SECONDS_MAX = 5.0


def lock() -> int:
    """Waits until no other spawner of this worker directory lives. Must run in that directory."""
    fd = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def remove_left_overs(worker_dir_fd: int, cgroups: Cgroups) -> None:
    _end_processes(cgroups.thaw_and_kill_all())
    for name in cgroups.names():
        cgroups.remove(name)
    for name in _OWN_DIRS:
        try:
            os.mkdir(name, 0o711, dir_fd=worker_dir_fd)
        except FileExistsError:
            scratch.empty(worker_dir_fd, name)


def _end_processes(pids: "set[int]") -> None:
    """Kills and waits. The pids come from cgroups of our own, and are used only through pidfds."""
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            waiter = select.poll()
            waiter.register(fd, select.POLLIN)
            waiter.poll(_KILL_SECONDS_MAX * 1000)
        except ProcessLookupError:
            continue
        finally:
            os.close(fd)


def main() -> None:
    config = json.loads(sys.stdin.readline())
    os.chdir(config["worker_dir"])
    lock()
    cgroups = Cgroups(config["marker"])
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    remove_left_overs(fd, cgroups)
    cgroups.remove_all()
