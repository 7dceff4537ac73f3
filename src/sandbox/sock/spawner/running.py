"""What is done to a running sandbox by its cgroup, and the next best thing where there is none to use."""
import os
import resource
import signal

from . import posture
from .cgroups import Cgroups
from .house import House
from .limits import Limits
from .zygote_limits import ZygoteLimits


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


def limit(house: House, pid: int, limits: "Limits | ZygoteLimits") -> None:
    """What no cgroup limits here. To be called before any code has run there."""
    if not house.cgroups.has("memory"):
        # Each process alone; Python makes a MemoryError of it.
        _lower(pid, resource.RLIMIT_DATA, limits.memory_mb << 20)
    if not house.cgroups.has("pids") and house.ids.change_ids:
        # Counted for the sandbox's id in its user namespace, which nobody else has.
        _lower(pid, resource.RLIMIT_NPROC, limits.procs)


def _lower(pid: int, what: int, most: int) -> None:
    _soft, hard = resource.prlimit(pid, what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.prlimit(pid, what, (most, most))


def weaker(house: House) -> "list[str]":
    """What is not limited as it should be, in words for the operator."""
    lacks = house.cgroups.lack
    said = []
    if not house.cgroups.has("memory"):
        said.append(f"memory is limited for each process alone, not for a sandbox: {lacks}")
    if not house.cgroups.has("pids") and not house.ids.change_ids:
        said.append(f"the number of processes is not limited: {lacks}, and one id for all sandboxes")
    if not house.cgroups.has("cpu"):
        said.append(f"the share of CPU is not limited: {lacks}")
    if not house.cgroups.can_freeze:
        said.append("pausing stops only the first process of a sandbox: there is no cgroup v2 to use")
    return said
