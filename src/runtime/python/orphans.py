"""Buries what daemons of the handler leave behind: this process is the first of its pid namespace.

Every process whose parent ends becomes a child of this one, and stays a zombie, which counts against the
limit on processes, until somebody waits for it. A blind wait would steal the exit status of children
that the handler itself will wait for, so those are remembered where they are made.
"""
import os

import _posixsubprocess

_own: "set[int]" = set()
_made_some = False


def _remembering(make):
    def made(*arguments, **named):
        global _made_some
        _made_some = True
        pid = make(*arguments, **named)
        if pid > 0:
            _own.add(pid)
        return pid

    return made


def remember_own_children() -> None:
    """Once, before any handler code: all ways in which Python makes a process that it will wait for."""
    os.fork = _remembering(os.fork)
    os.posix_spawn = _remembering(os.posix_spawn)
    os.posix_spawnp = _remembering(os.posix_spawnp)
    _posixsubprocess.fork_exec = _remembering(_posixsubprocess.fork_exec)


def expect(pid: int) -> None:
    """Somebody will wait for this one, too."""
    _own.add(pid)


def made_some() -> bool:
    """Whether Python has been asked for a process since the last look."""
    return _made_some


def bury() -> bool:
    """Between two calls; true if there was no other process. Costs a system call, and an exception, if there was none."""
    global _made_some
    _made_some = False
    alone = True
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            _own.clear()
            return alone
        alone = False
        if found is None:
            return False
        if found.si_pid in _own:
            _bury_others()  # the kernel always shows the same one first: look behind it
            return False
        os.waitpid(found.si_pid, os.WNOHANG)


def _bury_others() -> None:
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in _own and _is_own_zombie(int(name)):
            os.waitpid(int(name), os.WNOHANG)


def _is_own_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            state, parent = file.read().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state == "Z" and int(parent) == os.getpid()
