"""The files of control groups: short texts in directories that are made and removed by name."""
import errno
import os
import select
import time

from . import kernel_files

_RACES_MAX = 100


def make_shared(path: str) -> None:
    """Another worker that stops may take the parent away before our group is in it."""
    for _attempt in range(_RACES_MAX):
        try:
            os.makedirs(path, exist_ok=True)
            return
        except FileNotFoundError:
            continue
    os.makedirs(path, exist_ok=True)


def make(path: str) -> None:
    """It may be there: the group of an earlier slot or zygote of that name that could not be removed yet."""
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        return


def remove(path: str) -> bool:
    """False while it holds a process, or another group."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
            return False
        raise
    return True


def await_empty(path: str, seconds_max: float) -> None:
    """Of the v2 tree: until no process is left in the group and those below it. A process that has ended may be counted for a
    moment after everybody else has seen its end."""
    try:
        file = open(f"{path}/cgroup.events")
    except FileNotFoundError:
        return
    deadline = time.monotonic() + seconds_max
    with file:
        changes = select.poll()
        changes.register(file, select.POLLPRI)
        while "populated 1" in file.read() and time.monotonic() < deadline:
            changes.poll(max(0.0, deadline - time.monotonic()) * 1000)
            file.seek(0)


def can_be_threaded(parent: str) -> bool:
    """Whether groups below it may be of threads, into which a thread moves itself without the lock that processes take."""
    trial = f"{parent}/threaded"
    try:
        make(trial)
        write(f"{trial}/cgroup.type", "threaded")
    except OSError:
        return False
    finally:
        remove(trial)
    return True


def pids(path: str) -> "list[int]":
    """None of a group that is not there, and of one of threads, which has no processes of its own."""
    try:
        return [int(line) for line in kernel_files.read(path).split()]
    except FileNotFoundError:
        return []
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return []


def write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def write_if_there(path: str, text: str) -> None:
    """For files that not every kernel has; what they add is asked for elsewhere where it matters."""
    try:
        write(path, text)
    except FileNotFoundError:
        return
