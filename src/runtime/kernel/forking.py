"""A Python kernel that becomes two: what stands in the way, the fork itself, and what a fork needs of its own.

The fork is nobody's child here but process 1's, which is told of its end: a process between the two ends at once.
"""
import os
import socket
import stat
import sys

from . import trees

# numpy takes 128 bits where it is given no seed. Nobody writes one as long as that.
_CHOSEN_BITS_MAX = 64
_PID_BYTES = 8


def hindrance(own: "set[int]", event_loop) -> "str | None":
    """Why a fork would not be whole. `own`: the sockets to the runner, of which a fork has another."""
    threads = len(os.listdir("/proc/self/task")) - 1
    if threads > 0:
        return f"it has {threads} other thread{'s' if threads > 1 else ''}{_names_of_threads()}, which a fork would not have"
    if event_loop is not None and not event_loop.is_closed():
        import asyncio

        own = {*own, event_loop._ssock.fileno(), event_loop._csock.fileno()}
        tasks = asyncio.all_tasks(event_loop)
        if tasks:
            return f"{len(tasks)} task{'s' if len(tasks) > 1 else ''} of its event loop are under way, which would go on in both"
    for fd in _open_fds():
        if fd not in own and _target(fd).startswith("socket:"):
            return f"descriptor {fd} is a socket, which both would read from and write to"
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return "it has started a process that it has not waited for, which would be no child of a fork"


def fork() -> int:
    """As os.fork, but the child's parent is process 1, and it leads a group. Raises OSError if there can not be another."""
    reads, writes = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            pid = os.fork()
            if pid == 0:
                os.close(reads)
                os.close(writes)
                return 0
            _lead_group(pid)
            os.write(writes, pid.to_bytes(_PID_BYTES, sys.byteorder))
        except BaseException:  # whatever it is: it must not go on as a kernel
            os._exit(1)
        os._exit(0)
    os.close(writes)
    said = os.read(reads, _PID_BYTES)
    os.close(reads)
    os.waitpid(between, 0)
    if len(said) < _PID_BYTES:
        raise OSError("there can be no more processes")
    return int.from_bytes(said, sys.byteorder)


def _lead_group(pid: int) -> None:
    """Before anybody hears of it: until it does so itself, whoever ends this kernel's group would end it, too."""
    try:
        os.setpgid(pid, pid)
    except PermissionError:
        pass  # what a cell has registered for forks has made it lead a session, and so a group


def draw_anew(names: dict) -> None:
    """Two that went on where they were would draw the same numbers. `random` sees to it by itself, as OpenSSL does."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is None:
        return
    numpy_random.seed()
    for value in list(names.values()):
        if isinstance(value, numpy_random.Generator) and _is_by_chance(value.bit_generator):
            value.bit_generator.state = type(value.bit_generator)().state


def open_anew(old_home: str, new_home: str) -> None:
    """Files that both have open would share their places: each of the fork's is opened again, in its own directory."""
    old = os.path.realpath(old_home)
    for fd in _open_fds():
        path = _target(fd)
        try:
            if not path.startswith("/") or not stat.S_ISREG(os.fstat(fd).st_mode):
                continue
            place = os.lseek(fd, 0, os.SEEK_CUR)
            flags = _flags_of(fd)
            if path.startswith(f"{old}/"):
                path = new_home + path[len(old) :]
            elif flags & os.O_ACCMODE != os.O_RDONLY:
                continue  # elsewhere there is one file, which both write to
            fresh = os.open(path, flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC))
        except OSError:
            continue  # it has been removed: both go on with what they share
        os.lseek(fresh, place, os.SEEK_SET)
        os.dup2(fresh, fd, inheritable=os.get_inheritable(fd))
        os.close(fresh)


def copy_home(old_home: str, new_home: str) -> None:
    """Raises OSError, and then leaves nothing of it."""
    try:
        trees.copy(os.path.realpath(old_home), new_home)
    except OSError:
        trees.remove(new_home)
        raise


def _flags_of(fd: int) -> int:
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_GETFL)


def _is_by_chance(source: object) -> bool:
    sequence = getattr(source, "seed_seq", None) or getattr(source, "_seed_seq", None)
    entropy = getattr(sequence, "entropy", None)
    return isinstance(entropy, int) and entropy.bit_length() > _CHOSEN_BITS_MAX


def _names_of_threads() -> str:
    threading = sys.modules.get("threading")
    names = [] if threading is None else [one.name for one in threading.enumerate() if one is not threading.main_thread()]
    return f" ({', '.join(names[:5])})" if names else ""


def _open_fds() -> "list[int]":
    return [int(name) for name in os.listdir("/proc/self/fd")]


def _target(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:  # the listing's own descriptor, which is closed by now
        return ""


def receive_fds(ancillary: list) -> "list[int]":
    """Descriptors that came with a packet."""
    fds = []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds += [int.from_bytes(data[at : at + 4], sys.byteorder) for at in range(0, len(data) - 3, 4)]
    return fds
