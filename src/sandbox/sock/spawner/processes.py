"""Ends processes that are no children of ours, by pidfd: a pid that has been used again is never signalled."""
import os
import select
import signal
from typing import Callable

_END_SECONDS_MAX = 5.0
# include/linux/sched.h: set by the first line of do_exit, before files are closed.
_PF_EXITING = 0x4


def end(pid: int, is_meant: "Callable[[], bool]" = lambda: True) -> None:
    """Kills and waits until it has gone. `is_meant` is asked once the pid can not change hands any more."""
    try:
        fd = os.pidfd_open(pid)
    except (OSError, ValueError):
        return
    try:
        if not is_meant():
            return
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        waiter = select.poll()
        waiter.register(fd, select.POLLIN)
        waiter.poll(_END_SECONDS_MAX * 1000)
    except ProcessLookupError:
        return
    finally:
        os.close(fd)


def is_ending(pid: int, pidfd: int) -> bool:
    """Whether the process of the pidfd, whose number is `pid`, has ended, or is on its way out."""
    waiter = select.poll()
    waiter.register(pidfd, select.POLLIN)
    if waiter.poll(0):
        return True
    # It had not ended just now, and its parent is not this process: the number is still its own, or nobody's.
    try:
        with open(f"/proc/{pid}/stat") as file:
            flags = int(file.read().rpartition(")")[2].split()[6])
    except (FileNotFoundError, ProcessLookupError):
        return True
    return bool(flags & _PF_EXITING)
