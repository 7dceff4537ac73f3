"""Ends processes that are no children of ours, by pidfd: a pid that has been used again is never signalled."""
import os
import select
import signal
from typing import Callable

_END_SECONDS_MAX = 5.0


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
