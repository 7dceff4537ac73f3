"""Landlock, the second wall: what a missed mount flag or an inherited path would open stays shut.

Applied while a child still waits, because a rule names an inode and not a path: the scratch directory's
rule is made from the spawner's descriptor, before scratch is attached at /host. Restricting oneself
forbids one's own mount calls only; the spawner's late mounts come from outside.
"""
import ctypes
import os
import struct

from .linux import syscall

_NR_CREATE_RULESET, _NR_ADD_RULE, _NR_RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
# How many file rights each version of the interface knows. Version 1 can not allow renames between directories.
_RIGHTS_BY_VERSION = {2: 14, 3: 15, 4: 15, 5: 16}
_VERSION_MIN = 2
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1 << 0, 1 << 1
_SCOPED_SINCE = 6

_READ = _EXECUTE | _READ_FILE | _READ_DIR


def version() -> int:
    """Of the kernel's interface; 0 where Landlock is not built in or not enabled."""
    try:
        return syscall("landlock version", _NR_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION_FLAG))
    except OSError:
        return 0


def is_usable() -> bool:
    return version() >= _VERSION_MIN


def restrict(scratch_fd: int, output_fds: "tuple[int, ...]") -> None:
    """Reading and running anywhere in the sandbox; writing in scratch, /tmp, /dev and below /proc only."""
    abi = version()
    if abi < _VERSION_MIN:
        return
    every = (1 << _RIGHTS_BY_VERSION.get(abi, 16)) - 1
    attributes = struct.pack("=QQQ", every, 0, _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if abi >= _SCOPED_SINCE else 0)
    if abi < _SCOPED_SINCE:
        attributes = attributes[:8]
    rules = syscall("landlock_create_ruleset", _NR_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    _allow(rules, "/", _READ)
    _allow(rules, "/proc", _READ | _WRITE_FILE & every)
    _allow(rules, "/dev", (_READ | _WRITE_FILE | _IOCTL_DEV) & every)
    for place in ("/tmp", "/dev/shm"):
        _allow(rules, place, every)
    _add_rule(rules, scratch_fd, every)
    for fd in output_fds:  # /dev/stdout may be opened anew
        _add_rule(rules, fd, (_READ_FILE | _WRITE_FILE | _TRUNCATE) & every)
    syscall("landlock_restrict_self", _NR_RESTRICT_SELF, rules, ctypes.c_uint(0))
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _add_rule(rules, fd, rights)
    finally:
        os.close(fd)


def _add_rule(rules: int, fd: int, rights: int) -> None:
    syscall("landlock_add_rule", _NR_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, fd), ctypes.c_uint(0))
