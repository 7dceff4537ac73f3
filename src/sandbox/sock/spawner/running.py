"""What is done to a running sandbox by its cgroup, and the next best thing where there is none to use."""
import os
import resource
import signal

from . import posture
from .cgroups import Cgroups
from .limits import Limits


def freeze(cgroups: Cgroups, name: str, pidfd: int, frozen: bool) -> None:
    """Without a v2 tree only the first process is stopped; what others a handler left go on."""
    if cgroups.can_freeze:
        cgroups.freeze(name, frozen)
    else:
        posture.send_signal(pidfd, signal.SIGSTOP if frozen else signal.SIGCONT)


def memory_bytes(cgroups: Cgroups, name: str, pid: int) -> int:
    charged = cgroups.memory_bytes(name)
    if charged is not None or pid == 0:
        return charged or 0
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has just ended; that word is under way


def limit_memory(cgroups: Cgroups, pid: int, limits: Limits) -> None:
    """Each process alone where the sandbox as a whole can not be limited; Python makes a MemoryError of it."""
    if not cgroups.limits_memory:
        resource.prlimit(pid, resource.RLIMIT_DATA, (limits.memory_mb << 20, limits.memory_mb << 20))
