"""Tries what sandboxes are made of and prints what this machine can do, as one JSON object.

Every attempt runs in a child of its own, so that what it changes (namespaces, mounts, filters) ends
with it. Nothing is judged here: `null` means it worked, a text names the error. Run by `admin doctor`;
imports nothing of its neighbours, so that it works on machines where they would not load.
"""
import ctypes
import errno
import json
import os
import platform
import signal
import struct
import sys
from typing import Callable, Optional

_LIBC = ctypes.CDLL(None, use_errno=True)
# Keeps the GIL: a raw clone must return in the child with the lock still held by its one thread.
_LIBC_WITH_GIL = ctypes.PyDLL(None, use_errno=True)

_NR_CLONE = {"x86_64": 56, "aarch64": 220}
_NR_OPEN_TREE, _NR_MOVE_MOUNT, _NR_FSOPEN, _NR_FSCONFIG, _NR_FSMOUNT = 428, 429, 430, 431, 432
_NR_MOUNT_SETATTR, _NR_LANDLOCK_CREATE_RULESET = 442, 444

_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_ALL = _NEWUSER | _NEWNS | _NEWPID | _NEWIPC | _NEWUTS | _NEWNET

_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH, _MOUNT_ATTR_RDONLY = 1, 4, 1
_FSCONFIG_CMD_CREATE = 6
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 22, 38, 2
_SECCOMP_RET_ALLOW = 0x7FFF0000
_NOBODY = 65534

_SYSCTLS = (
    "user/max_user_namespaces",
    "kernel/unprivileged_userns_clone",
    "kernel/apparmor_restrict_unprivileged_userns",
)
_CONTROLLERS = ("memory", "pids", "cpu")
_GROUP = "isla"


def main() -> None:
    facts = {
        "kernel": os.uname().release,
        "machine": platform.machine(),
        "uid": os.geteuid(),
        "attempts": {name: _attempt(step) for name, step in _STEPS.items()},
        "landlock_abi": max(0, _LIBC.syscall(_NR_LANDLOCK_CREATE_RULESET, None, 0, 1)),
        "overlay": "\toverlay\n" in _read("/proc/filesystems"),
        "cgroup": _cgroups(),
        "sysctl": {name.replace("/", "."): _read(f"/proc/sys/{name}").strip() or None for name in _SYSCTLS},
    }
    json.dump(facts, sys.stdout)
    sys.stdout.write("\n")


# -- attempts: each runs in a child and raises OSError if this machine can not ------------------------


def _user_namespace() -> None:
    _unshare(_NEWUSER)


def _unprivileged() -> None:
    """As somebody without rights: that unshare works is not enough where AppArmor then takes the new rights away."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    _unshare(_NEWUSER)
    _unshare(_NEWNS)


def _clone() -> None:
    _in_clone(lambda: None)


def _mount_proc() -> None:
    """A container whose own /proc is masked may not mount a fresh one."""

    def mount() -> None:
        _check("mount private", _LIBC.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
        _check("mount proc", _LIBC.mount(b"proc", b"/proc", b"proc", 0, None))

    _in_clone(mount)


def _mount_api() -> None:
    """A detached copy of /usr, made read-only, attached in a namespace of one's own."""
    _own_mounts()
    tree = _check("open_tree", _LIBC.syscall(_NR_OPEN_TREE, _AT_FDCWD, b"/usr", _OPEN_TREE_CLONE | _AT_RECURSIVE))
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE
    _check("mount_setattr", _LIBC.syscall(_NR_MOUNT_SETATTR, tree, b"", flags, attributes, len(attributes)))
    _check("move_mount", _LIBC.syscall(_NR_MOVE_MOUNT, tree, b"", _AT_FDCWD, b"/tmp", _MOVE_MOUNT_F_EMPTY_PATH))


def _new_file_system() -> None:
    _own_mounts()
    context = _check("fsopen", _LIBC.syscall(_NR_FSOPEN, b"tmpfs", 0))
    _check("fsconfig", _LIBC.syscall(_NR_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0))
    _check("fsmount", _LIBC.syscall(_NR_FSMOUNT, context, 0, 0))


def _pidfd() -> None:
    fd = os.pidfd_open(os.getpid())
    signal.pidfd_send_signal(fd, 0)


def _seccomp() -> None:
    allow = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, _SECCOMP_RET_ALLOW))
    program = ctypes.create_string_buffer(struct.pack("@HP", 1, ctypes.addressof(allow)))
    _check("no_new_privs", _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check("seccomp", _LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0))


_STEPS: "dict[str, Callable[[], None]]" = {
    "user_namespace": _user_namespace,
    "unprivileged": _unprivileged,
    "clone": _clone,
    "mount_proc": _mount_proc,
    "mount_api": _mount_api,
    "new_file_system": _new_file_system,
    "pidfd": _pidfd,
    "seccomp": _seccomp,
    "cgroup_namespace": lambda: _unshare(_NEWUSER | _NEWCGROUP),
}


# -- cgroups -------------------------------------------------------------------------------------------


def _cgroups() -> dict:
    """Where each controller is mounted, the group that workers would make there, and whether this user may."""
    v1: "dict[str, dict]" = {}
    v2: "Optional[dict]" = None
    for line in _read("/proc/self/mountinfo").splitlines():
        before, _separator, after = line.partition(" - ")
        point, kind, options = before.split()[4], after.split()[0], after.split()[-1].split(",")
        if kind == "cgroup2" and v2 is None:
            point = point if os.geteuid() == 0 else _own_group(point, before.split()[3])
            v2 = {"point": point, **_handed_down(point), **_group_in(point)}
        elif kind == "cgroup":
            for controller in set(options) & set(_CONTROLLERS):
                v1[controller] = {"point": point, **_group_in(point)}
    return {"v1": v1, "v2": v2}


def _own_group(point: str, root: str) -> str:
    """Who is not root may have been handed the group that this process is in, and no other."""
    path = next((line[3:] for line in _read("/proc/self/cgroup").splitlines() if line.startswith("0::")), "/")
    inside = path if root == "/" else path[len(root):]
    directory = f"{point}{inside}".rstrip("/")
    return os.path.dirname(directory) if os.path.basename(directory) == "isla-supervisor" else directory


def _handed_down(point: str) -> dict:
    """The controllers that groups below may have, and why not all that this one has; tried by reading alone."""
    owned = _read(f"{point}/cgroup.controllers").split()
    withheld = None
    # Only the top of all has no type. A user's own part is emptied by the worker, root's top is not.
    if os.geteuid() == 0 and os.path.exists(f"{point}/cgroup.type") and _read(f"{point}/cgroup.procs"):
        withheld = "there are processes in it, so that it hands no controller down" if owned else None
    return {"controllers": [] if withheld else owned, "withheld": withheld}


def _group_in(point: str) -> dict:
    """Makes a group to see whether one may, and what is in it; removes it."""
    place, group = f"{point}/{_GROUP}", f"{point}/{_GROUP}-probe-{os.getpid()}"
    try:
        os.mkdir(group)
    except OSError as error:
        return {"group": place, "refused": _words(error), "files": []}
    try:
        files = [name for name in ("cgroup.freeze", "cgroup.kill") if os.path.exists(f"{group}/{name}")]
        return {"group": place, "refused": None, "files": files}
    finally:
        os.rmdir(group)


# -- steps ---------------------------------------------------------------------------------------------


def _attempt(step: "Callable[[], None]") -> "Optional[str]":
    """None if the step works, else the error. The step runs in a child."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _end_with(step, writer)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    _pid, status = os.waitpid(pid, 0)
    if text:
        return text
    return None if status == 0 else f"ended with status {status}"


def _end_with(step: "Callable[[], None]", writer: int) -> None:
    """Ends this process with the step's outcome; never returns into the parent's code."""
    try:
        step()
        os._exit(0)
    except OSError as error:
        os.write(writer, _words(error).encode())
    except BaseException as error:
        os.write(writer, repr(error).encode())
    os._exit(1)


def _in_clone(step: "Callable[[], None]") -> None:
    """Runs the step in a child with all namespaces of a sandbox, made as zygotes make it: in one clone."""
    number = _NR_CLONE.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"machine {platform.machine()}")
    reader, writer = os.pipe()
    pid = _LIBC_WITH_GIL.syscall(number, ctypes.c_ulong(_ALL | signal.SIGCHLD), None, None, None, None)
    if pid == 0:
        _end_with(step, writer)
    _check("clone", pid)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    os.waitpid(pid, 0)
    if text:
        raise OSError(0, text)


def _own_mounts() -> None:
    """A mount namespace where one may mount, however few rights one has outside."""
    uid, gid = os.geteuid(), os.getegid()
    _unshare(_NEWUSER | _NEWNS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    _check("mount private", _LIBC.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))


def _unshare(flags: int) -> None:
    _check("unshare", _LIBC.unshare(flags))


def _check(name: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _words(error: OSError) -> str:
    name = errno.errorcode.get(error.errno or 0)
    return f"{error.strerror} ({name})" if name else str(error.strerror)


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


main()
