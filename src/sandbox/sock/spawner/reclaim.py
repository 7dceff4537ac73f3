"""Removes what an earlier run of the same worker left: frozen or stray processes, cgroups, scratch.

The next start does it before anything else, and `admin kill` does it for workers that died with their
spawner. Both hold the worker directory's lock first; a spawner that hangs is ended by the latter.
"""
import json
import os
import sys

from . import hierarchies, lock, processes, scratch
from .cgroups import Cgroups
from .hierarchies import Hierarchies

_OWN_DIRS = ("slots", "handlers")
# What a spawner may take to end 1,000 sandboxes and their files, several times over.
_CLEAN_UP_SECONDS_MAX = 8.0
# Each waits for every process that is left, which a busy disk can hold for seconds after it was killed.
_ROUNDS_MAX = 4


def remove_left_overs(worker_dir_fd: int, cgroups: Cgroups) -> None:
    # The pids come from cgroups of our own.
    for pid in cgroups.thaw_and_kill_all():
        processes.end(pid)
    for name in cgroups.names():
        cgroups.remove(name)
    for name in _OWN_DIRS:
        try:
            os.mkdir(name, 0o711, dir_fd=worker_dir_fd)
        except FileExistsError:
            scratch.empty(worker_dir_fd, name)


def remove_elsewhere(worker_dir_fd: int, marker: str, places: Hierarchies) -> "set[int]":
    """Who is not root has groups where the worker was started, which may be somewhere else each time. Returns the processes
    that do not end."""
    earlier = hierarchies.earlier(worker_dir_fd, places)
    if earlier is None:
        return set()
    cgroups = Cgroups(marker, earlier)
    for _round in range(_ROUNDS_MAX):
        for pid in cgroups.thaw_and_kill_all():
            processes.end(pid)
        if cgroups.remove_all():
            return set()
    return cgroups.thaw_and_kill_all()


def main() -> None:
    config = json.loads(sys.stdin.readline())
    os.chdir(config["worker_dir"])
    lock.take_by_force(_CLEAN_UP_SECONDS_MAX)
    places = hierarchies.find(os.geteuid() == 0)
    cgroups = Cgroups(config["marker"], places)
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for _round in range(_ROUNDS_MAX):
        remove_left_overs(fd, cgroups)
        if cgroups.remove_all():
            left = remove_elsewhere(fd, config["marker"], places)
            break
    else:
        left = cgroups.thaw_and_kill_all()
    if left:
        sys.exit(f"processes {sorted(left)} do not end even of SIGKILL; a file system that hangs or is very busy holds them")
