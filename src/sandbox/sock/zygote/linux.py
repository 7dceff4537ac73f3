"""System calls that Python's standard library does not have, by ctypes.

Each wrapper raises OSError with the call's name. Nothing here decides anything: what is called, in
which order and why stands in child.py, zygote.py and the spawner.
"""
import ctypes
import fcntl
import os
import platform
import socket
import struct
from typing import Iterable

_libc = ctypes.CDLL(None, use_errno=True)
# Found once, here: ctypes looks a function up when its name is first used, and what a zygote has not used each child
# would look up for itself, 0.1 ms and 40 pages of memory for a name.
_syscall, _prctl, _mount = _libc.syscall, _libc.prctl, _libc.mount
_umount2, _unshare, _setns = _libc.umount2, _libc.unshare, _libc.setns
_madvise = _libc.madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
# Does not give up the GIL: clone must return in the child with the lock still held by its one thread.
_syscall_with_gil = ctypes.PyDLL(None, use_errno=True).syscall
_before_fork = ctypes.pythonapi.PyOS_BeforeFork
_after_fork_in_child = ctypes.pythonapi.PyOS_AfterFork_Child
_after_fork_in_parent = ctypes.pythonapi.PyOS_AfterFork_Parent

MACHINE = platform.machine()
if MACHINE not in ("x86_64", "aarch64"):
    raise OSError(f"machine {MACHINE} is not supported: x86_64 and aarch64 are")
_X86 = MACHINE == "x86_64"

NR_CLONE = 56 if _X86 else 220
NR_PIVOT_ROOT = 155 if _X86 else 41
NR_CAPSET = 126 if _X86 else 91
NR_SECCOMP = 317 if _X86 else 277
NR_OPEN_TREE = 428
NR_MOVE_MOUNT = 429
NR_FSOPEN = 430
NR_FSCONFIG = 431
NR_FSMOUNT = 432
NR_FSPICK = 433
NR_MOUNT_SETATTR = 442
NR_CLOSE_RANGE = 436

CLONE_PIDFD = 0x00001000
CLONE_CHILD_CLEARTID = 0x00200000
CLONE_CHILD_SETTID = 0x01000000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
SIGCHLD = 17

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 4
MOUNT_ATTR_RDONLY = 1
MOUNT_ATTR_NOSUID = 2
MOUNT_ATTR_NODEV = 4
MOUNT_ATTR_NOEXEC = 8
MOUNT_ATTR_NOATIME = 0x10
_MADV_POPULATE_WRITE = 23
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_FSOPEN_CLOEXEC = 1
_FSMOUNT_CLOEXEC = 1
_FSCONFIG_SET_STRING = 1
_FSCONFIG_SET_FLAG = 0
_FSCONFIG_CMD_CREATE = 6
_FSCONFIG_CMD_RECONFIGURE = 7
_FSPICK_CLOEXEC = 1
_FSPICK_EMPTY_PATH = 8

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_GET_TID_ADDRESS = 40
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CAP_SETGID = 6
CAP_SETUID = 7
CAP_SETPCAP = 8
CAP_NET_BIND_SERVICE = 10
CAP_NET_ADMIN = 12
CAP_SYS_ADMIN = 21

# NOROOT, NO_SETUID_FIXUP, KEEP_CAPS off, NO_CAP_AMBIENT_RAISE, each with its lock.
SECUREBITS_LOCKED = 0x01 | 0x02 | 0x04 | 0x08 | 0x20 | 0x40 | 0x80


def _check(result: int, what: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(what: str, number: int, *arguments: object) -> int:
    return _check(_syscall(ctypes.c_long(number), *arguments), what)


def _bytes(path: "str | bytes") -> bytes:
    return os.fsencode(path)


def _tid_address() -> int:
    """Where glibc keeps this thread's id, so that a raw clone can keep it true in the child."""
    address = ctypes.c_void_p()
    if _prctl(PR_GET_TID_ADDRESS, ctypes.byref(address), 0, 0, 0) == -1:
        return 0
    return address.value or 0


def clone(flags: int) -> "tuple[int, int]":
    """Forks with new namespaces in one call: (pid, pidfd) in the parent, (0, -1) in the child.

    One clone instead of unshare and a second fork is 0.2 ms cheaper with a bare interpreter and up to
    3 ms with pandas in memory. Python's own fork hooks run around it, as they do around os.fork.
    """
    address = _tid_address()
    if address:
        flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID
    pidfd = ctypes.c_int(-1)
    parent = ctypes.byref(pidfd)
    child = ctypes.c_void_p(address)
    tail = (child, None) if _X86 else (None, child)
    _before_fork()
    pid = _syscall_with_gil(
        ctypes.c_long(NR_CLONE), ctypes.c_ulong(flags | CLONE_PIDFD | SIGCHLD), None, parent, *tail
    )
    if pid == 0:
        _after_fork_in_child()
        return 0, -1
    number = ctypes.get_errno()
    _after_fork_in_parent()
    if pid == -1:
        raise OSError(number, f"clone: {os.strerror(number)}")
    return pid, pidfd.value


def unshare(flags: int) -> None:
    _check(_unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    _check(_setns(fd, kind), "setns")


def mount(source: str, target: str, kind: "str | None", flags: int, data: "str | None" = None) -> None:
    _check(
        _mount(
            _bytes(source),
            _bytes(target),
            None if kind is None else kind.encode(),
            ctypes.c_ulong(flags),
            None if data is None else data.encode(),
        ),
        f"mount {target}",
    )


def umount(target: str, flags: int) -> None:
    _check(_umount2(_bytes(target), flags), f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    syscall("pivot_root", NR_PIVOT_ROOT, _bytes(new_root), _bytes(put_old))


def open_tree(dir_fd: int, path: str) -> int:
    """A detached copy of one mount, without what is mounted below it: it appears nowhere until attached."""
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (AT_EMPTY_PATH if path == "" else 0)
    return syscall(f"open_tree {path or dir_fd}", NR_OPEN_TREE, dir_fd, _bytes(path), ctypes.c_uint(flags))


def set_mount_attributes(tree_fd: int, attributes: int) -> None:
    """Sets attributes on a detached tree and takes it out of every propagation group."""
    argument = struct.pack("=QQQQ", attributes, 0, MS_PRIVATE, 0)
    syscall(
        "mount_setattr", NR_MOUNT_SETATTR, tree_fd, b"", ctypes.c_uint(AT_EMPTY_PATH), argument,
        ctypes.c_size_t(len(argument)),
    )


def attach_tree(tree_fd: int, target: str) -> None:
    syscall(
        f"move_mount {target}", NR_MOVE_MOUNT, tree_fd, b"", AT_FDCWD, _bytes(target),
        ctypes.c_uint(MOVE_MOUNT_F_EMPTY_PATH),
    )


def new_mount(kind: str, options: "dict[str, str | None]", attributes: int) -> int:
    """A file system that is mounted nowhere; an option without a value is a flag."""
    context = syscall(f"fsopen {kind}", NR_FSOPEN, kind.encode(), ctypes.c_uint(_FSOPEN_CLOEXEC))
    try:
        _configure(context, options)
        syscall("fsconfig create", NR_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return syscall("fsmount", NR_FSMOUNT, context, ctypes.c_uint(_FSMOUNT_CLOEXEC), ctypes.c_uint(attributes))
    finally:
        os.close(context)


def new_tmpfs(options: "dict[str, str | None]", attributes: int) -> int:
    """Its files are reached through /proc/self/fd/<the result>."""
    return new_mount("tmpfs", options, attributes)


def reconfigure(tree_fd: int, options: "dict[str, str | None]") -> None:
    """Changes the file system of a mount, wherever it is mounted."""
    flags = ctypes.c_uint(_FSPICK_CLOEXEC | _FSPICK_EMPTY_PATH)
    context = syscall("fspick", NR_FSPICK, tree_fd, b"", flags)
    try:
        _configure(context, options)
        syscall("fsconfig reconfigure", NR_FSCONFIG, context, _FSCONFIG_CMD_RECONFIGURE, None, None, 0)
    finally:
        os.close(context)


def _configure(context: int, options: "dict[str, str | None]") -> None:
    for key, value in options.items():
        command = _FSCONFIG_SET_FLAG if value is None else _FSCONFIG_SET_STRING
        text = None if value is None else value.encode()
        syscall(f"fsconfig {key}", NR_FSCONFIG, context, command, key.encode(), text, 0)


def close_from(first: int) -> None:
    syscall("close_range", NR_CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(0xFFFFFFFF), 0)


def prctl(option: int, second: int = 0, third: int = 0) -> int:
    ulong = ctypes.c_ulong
    return _check(_prctl(option, ulong(second), ulong(third), ulong(0), ulong(0)), f"prctl {option}")


def bring_up_loopback() -> None:
    """In the calling process's network namespace."""
    siocsifflags, iff_up = 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, siocsifflags, struct.pack("16sH14x", b"lo", iff_up))


def capset(capabilities: "tuple[int, ...]") -> None:
    """Makes exactly these capabilities permitted and effective; none inheritable."""
    mask = sum(1 << number for number in capabilities)
    header = struct.pack("=II", 0x20080522, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    syscall("capset", NR_CAPSET, header, struct.pack("=IIIIII", low, low, 0, high, high, 0))


def drop_bounding_set(keep: "tuple[int, ...]" = ()) -> None:
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    drop_from_bounding_set(number for number in range(last + 1) if number not in keep)


def drop_from_bounding_set(capabilities: "Iterable[int]") -> None:
    for number in capabilities:
        prctl(PR_CAPBSET_DROP, number)


class Filter:
    """A seccomp program in the form that the kernel reads, so that a child which loads it has nothing to prepare."""

    def __init__(self, program: bytes) -> None:
        self._instructions = ctypes.create_string_buffer(program, len(program))
        self.program = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(self._instructions))


def install_filter(prepared: Filter) -> None:
    """Loads a seccomp program into every thread of this process; no_new_privs must be set."""
    set_mode_filter, tsync = 1, 1
    syscall("seccomp", NR_SECCOMP, ctypes.c_uint(set_mode_filter), ctypes.c_uint(tsync), prepared.program)


def populate(first: int, count: int) -> None:
    """Copies pages that are shared until they are written to. What can not be, as with Linux before 5.14, is copied then."""
    _madvise(first * _PAGE_BYTES, count * _PAGE_BYTES, _MADV_POPULATE_WRITE)
