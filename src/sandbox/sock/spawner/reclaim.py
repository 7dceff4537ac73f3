"""Removes what an earlier run of the same worker left: frozen or stray processes, cgroups, scratch.

The next start does it before anything else, and `admin kill` does it for workers that died with their
spawner. Both hold the worker directory's lock first; a spawner that hangs is ended by the latter.
"""
import json
import os
import select
import signal
import sys

from . import lock, scratch
from .cgroups import Cgroups

_OWN_DIRS = ("slots", "handlers")
_KILL_SECONDS_MAX = 5.0
# What a spawner may take to end 1,000 sandboxes and their files, several times over.
_CLEAN_UP_SECONDS_MAX = 8.0


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
    lock.take_by_force(_CLEAN_UP_SECONDS_MAX)
    cgroups = Cgroups(config["marker"])
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    remove_left_overs(fd, cgroups)
    cgroups.remove_all()
