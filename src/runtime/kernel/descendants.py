"""Ends a process with all that descends from it, as far as that can still be seen, or all that is in the same control groups."""
import os
import signal

_ROUNDS_MAX = 100


def kill(pid: int) -> None:
    """Stopped first, so that none is made while those that are there are looked for."""
    found = [pid]
    _send(pid, signal.SIGSTOP)
    children = _children()
    for parent in found:
        for child in children.get(parent, ()):
            _send(child, signal.SIGSTOP)
            found.append(child)
    for group in (pid, *found):
        if group == pid:
            _send(-pid, signal.SIGKILL)
        _send(group, signal.SIGKILL)


def kill_beside(keep: "set[int]") -> None:
    """All that is in the control groups of this process, but itself and those: also what has left its parents."""
    own, seen = _groups("self"), {os.getpid(), *keep}
    for _round in range(_ROUNDS_MAX):  # who was forked meanwhile is found by the next one
        found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid not in seen and _groups(pid) == own]
        if not found:
            return
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                _send(pid, number)
        seen.update(found)


def _groups(pid: "int | str") -> bytes:
    try:
        with open(f"/proc/{pid}/cgroup", "rb", buffering=0) as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _children() -> "dict[int, list[int]]":
    """By parent."""
    children: "dict[int, list[int]]" = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb", buffering=0) as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(name))
    return children


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended meanwhile
