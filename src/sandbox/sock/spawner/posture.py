"""Looks at a waiting child from outside: the spawner does not believe what it is told.

A zygote has run package code. Whatever it made must hold nothing before it gets a stranger's code.
"""
import os
import signal

from zygote import rights

from . import kernel_files

_CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
_KEPT_SETS = ("CapPrm", "CapEff", "CapBnd")
_OWN_NAMESPACES = ("mnt", "pid", "ipc", "uts", "net")
_DESCRIPTORS = {"0", "1", "2", "4"}  # stdio, and the socket over which it gets its code
WRITABLE = ("/proc", "/tmp", "/dev/shm")
_FILTERS = 2  # the zygote's and the sandbox's own
_ZYGOTE_FILTERS = 1
# What the interpreter has arranged (zygote/zygote.py), and the socket over which it is driven.
_ZYGOTE_DESCRIPTORS = [str(number) for number in range(11)]


class PostureError(Exception):
    """A child is not what it should be; the message says in what."""


def pid_of(pidfd: int) -> int:
    for line in kernel_files.read(f"/proc/self/fdinfo/{pidfd}").splitlines():
        if line.startswith("Pid:"):
            pid = int(line.split()[1])
            if pid > 0:
                return pid
    raise PostureError("its process has ended")


def is_pidfd(fd: int) -> bool:
    try:
        signal.pidfd_send_signal(fd, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return True


def filters_of(pid: "int | str") -> "int | None":
    """How many seccomp programs a process is under; None on kernels that do not tell."""
    count = _status(pid).get("Seccomp_filters")
    return None if count is None else int(count)


def check(
    pid: int, host_id: int, zygote_namespaces: "dict[str, str]", own_net: str, mount_points: "set[str]",
    own_filters: "int | None", writable: "tuple[str, ...]" = WRITABLE,
) -> None:
    """`own_net`: the spawner's network namespace. A child is in it if its zygote is, and only then."""
    status = _status(pid)
    _expect_ids(status, host_id)
    for name in _CAPABILITY_SETS:
        _expect(name, int(status[name], 16), 0)
    _expect_confined(status, own_filters, _FILTERS)
    _expect("descriptors", sorted(os.listdir(f"/proc/{pid}/fd")), sorted(_DESCRIPTORS))
    check_namespaces(pid, zygote_namespaces, own_net)
    _expect_mounts(pid, mount_points, writable)


def check_zygote(
    pid: int, host_id: int, mount_points: "set[str]", own_filters: "int | None", writable: "tuple[str, ...]" = WRITABLE
) -> None:
    """One in which a stranger's code runs, or has run: it holds what zygotes hold, and nothing else."""
    status = _status(pid)
    _expect_ids(status, host_id)
    kept = sum(1 << number for number in rights.KEPT)
    for name in _CAPABILITY_SETS:
        _expect(name, int(status[name], 16), kept if name in _KEPT_SETS else 0)
    _expect_confined(status, own_filters, _ZYGOTE_FILTERS)
    _expect("descriptors", sorted(os.listdir(f"/proc/{pid}/fd"), key=int), _ZYGOTE_DESCRIPTORS)
    _expect_mounts(pid, mount_points, writable)


def check_namespaces(pid: int, parent: "dict[str, str]", own_net: str) -> None:
    """All but the user namespace are its own; that of the network if its parent's is not the spawner's."""
    found = namespaces_of(pid)
    _expect("user namespace", found["user"], parent["user"])
    shares_net = parent["net"] == own_net
    if (found["net"] == own_net) != shares_net:
        raise PostureError(f"it is {'not ' if shares_net else ''}in the spawner's net namespace")
    for kind in _OWN_NAMESPACES:
        if found[kind] == parent[kind] and not (kind == "net" and shares_net):
            raise PostureError(f"it shares its zygote's {kind} namespace")


def check_same_namespaces(pid: int, before: "dict[str, str]") -> None:
    """It is where it was, but for the namespace of control groups, which it makes for itself."""
    found = namespaces_of(pid)
    for kind in ("user", *_OWN_NAMESPACES):
        _expect(f"{kind} namespace", found[kind], before[kind])


def namespaces_of(pid: int) -> "dict[str, str]":
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("user", "mnt", "pid", "ipc", "uts", "net", "cgroup")}


def _status(pid: "int | str") -> "dict[str, str]":
    lines = kernel_files.read(f"/proc/{pid}/status").splitlines()
    return {key: value.strip() for key, _colon, value in (line.partition(":") for line in lines)}


def _expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise PostureError(f"{what} is {found} instead of {wanted}")


def _expect_ids(status: "dict[str, str]", host_id: int) -> None:
    _expect("uids", status["Uid"].split(), [str(host_id)] * 4)
    _expect("gids", status["Gid"].split(), [str(host_id)] * 4)


def _expect_confined(status: "dict[str, str]", own_filters: "int | None", more: int) -> None:
    _expect("NoNewPrivs", status["NoNewPrivs"], "1")
    _expect("Seccomp", status["Seccomp"], "2")
    if own_filters is not None:
        _expect("Seccomp_filters", int(status["Seccomp_filters"]), own_filters + more)
    _expect("Threads", status["Threads"], "1")


def _expect_mounts(pid: int, wanted: "set[str]", writable: "tuple[str, ...]") -> None:
    """Every mount point is one that is known, and all but those that may be written to are read-only."""
    found = set()
    for line in kernel_files.read(f"/proc/{pid}/mountinfo").splitlines():
        fields = line.split()
        point, options = fields[4], fields[5].split(",")
        found.add(point)
        if "nosuid" not in options:
            raise PostureError(f"{point} is mounted without nosuid")
        if "ro" not in options and point not in writable:
            raise PostureError(f"{point} is mounted writable")
    _expect("mount points", sorted(found), sorted(wanted))


def send_signal(pidfd: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return  # gone already, which is all that any signal here is for
