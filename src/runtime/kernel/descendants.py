"""Ends a process with all that descends from it, as far as that can still be seen."""
import os
import signal


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
