"""The seccomp programs of zygotes and of sandboxes, as data and the few lines that assemble it.

Allow by default, deny by list: lambdas are "any Python". Each denial answers with an errno, so that a
library can fall back; only calls through a foreign architecture's table end the process, because the
numbers below mean other calls there.

A sandbox runs under both programs (a child inherits its zygote's), so the zygote's may only deny
what a sandbox must not do either.
"""
import errno
import struct

from .linux import (
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS, MACHINE,
    CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_PIDFD, MS_NODEV, MS_NOEXEC, MS_NOSUID, PR_SET_SECCOMP, SIGCHLD,
)

# What a zygote may clone with: exactly a new sandbox. One that is in the host's network makes none with another.
SANDBOX_NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET
HOST_NETWORK_NAMESPACES = SANDBOX_NAMESPACES & ~CLONE_NEWNET
_SANDBOX_CLONE = CLONE_PIDFD | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD
_SANDBOX_CLONE_WITHOUT_TID = CLONE_PIDFD | SIGCHLD
# What it may mount with: a fresh proc, a fresh tmpfs. Neither bind nor remount nor move.
PROC_MOUNT_FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC
TMPFS_MOUNT_FLAGS = MS_NOSUID | MS_NODEV

_ANY_NAMESPACE = 0x7E020080

_X86 = MACHINE == "x86_64"
_AUDIT_ARCH = 0xC000003E if _X86 else 0xC00000B7
_X32_BIT = 0x40000000

# name: (x86_64, aarch64); None where the machine has no such call.
_NUMBERS: "dict[str, tuple[int | None, int | None]]" = {
    "ioctl": (16, 29), "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281), "socket": (41, 198), "socketpair": (53, 199), "setsockopt": (54, 208), "clone": (56, 220),
    "ptrace": (101, 117), "syslog": (103, 116), "uselib": (134, None), "personality": (135, 92),
    "ustat": (136, None), "sysfs": (139, None), "vhangup": (153, 58), "modify_ldt": (154, None),
    "pivot_root": (155, 41), "prctl": (157, 167), "seccomp": (317, 277), "adjtimex": (159, 171), "chroot": (161, 51), "acct": (163, 89),
    "settimeofday": (164, 170), "mount": (165, 40), "umount2": (166, 39), "swapon": (167, 224),
    "swapoff": (168, 225), "reboot": (169, 142), "sethostname": (170, 161), "setdomainname": (171, 162),
    "setrlimit": (160, 164), "prlimit64": (302, 261), "io_setup": (206, 0),
    "iopl": (172, None), "ioperm": (173, None), "create_module": (174, None), "init_module": (175, 105),
    "delete_module": (176, 106), "quotactl": (179, 60), "nfsservctl": (180, 42), "futex": (202, 98),
    "lookup_dcookie": (212, 18), "clock_settime": (227, 112), "mbind": (237, 235), "set_mempolicy": (238, 237),
    "kexec_load": (246, 104), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "migrate_pages": (256, 238), "unshare": (272, 97), "splice": (275, 76), "tee": (276, 77),
    "vmsplice": (278, 75), "move_pages": (279, 239), "perf_event_open": (298, 241),
    "fanotify_init": (300, 262), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "clock_adjtime": (305, 266), "setns": (308, 268), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "kcmp": (312, 272), "finit_module": (313, 273),
    "kexec_file_load": (320, 294), "bpf": (321, 280), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "clone3": (435, 435), "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440), "mount_setattr": (442, 442), "quotactl_fd": (443, 443),
    "memfd_secret": (447, 447), "set_mempolicy_home_node": (450, 450), "futex_requeue": (456, 456),
    "statmount": (457, 457), "listmount": (458, 458), "open_tree_attr": (467, 467),
}

# Denied to zygotes and sandboxes alike.
_DENIED_TO_BOTH = (
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    "pivot_root", "chroot", "umount2", "setns", "open_tree", "open_tree_attr", "move_mount", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr", "statmount", "listmount",
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "add_key", "request_key", "keyctl", "name_to_handle_at", "open_by_handle_at", "fanotify_init",
    "create_module", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
    "swapon", "swapoff", "acct", "syslog", "quotactl", "quotactl_fd", "settimeofday", "clock_settime",
    "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "vhangup", "iopl", "ioperm", "modify_ldt",
    "uselib", "ustat", "sysfs", "lookup_dcookie", "nfsservctl", "move_pages", "mbind", "set_mempolicy",
    "set_mempolicy_home_node", "migrate_pages", "personality", "memfd_secret", "splice", "tee", "vmsplice",
    # One pool of requests for the whole machine: a sandbox could take all of it from the databases beside it.
    "io_setup",
)
# Making a sandbox takes these; being one does not.
_DENIED_TO_SANDBOX = (
    "mount", "unshare",
    # One pool of memory for compiled filters of the whole machine. With it used up, nobody else could load one.
    "seccomp",
)

_LOAD, _EQUAL, _GREATER_EQUAL, _BITS, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_Instruction = "tuple[int, int, int, int]"


def _fail(number: int) -> "list[_Instruction]":
    return [(_RETURN, 0, 0, 0x00050000 | number)]


def _argument(index: int) -> "_Instruction":
    """The low word of an argument; flags, families and commands are 32 bits wide in the kernel too."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _unless(value: int, code: int = _EQUAL) -> "_Instruction":
    """Goes on if it holds, skips the next instruction if not."""
    return (code, 0, 1, value)


def _rule(name: str, body: "list[_Instruction]") -> "list[_Instruction]":
    """Runs body when the call is `name`; the body must end with a return."""
    number = _NUMBERS[name][0 if _X86 else 1]
    if number is None:
        return []
    return [(_EQUAL, 0, len(body), number), *body]


def _allow_only_equal(index: int, values: "tuple[int, ...]", number: int) -> "list[_Instruction]":
    body = [_argument(index)]
    for value in values:
        body += [_unless(value), (_RETURN, 0, 0, _ALLOW)]
    return body + _fail(number)


def _deny_equal(index: int, values: "tuple[int, ...]", number: int) -> "list[_Instruction]":
    body = [_argument(index)]
    for value in values:
        body += [_unless(value), *_fail(number)]
    return [*body, (_RETURN, 0, 0, _ALLOW)]


def _futex() -> "list[_Instruction]":
    """Priority inheritance: never used by Python or numpy, often broken in the kernel."""
    body = [_argument(1), (_AND, 0, 0, 0x7F)]
    for operation in (6, 7, 8, 11, 12, 13):
        body += [_unless(operation), *_fail(errno.ENOSYS)]
    return [*body, (_RETURN, 0, 0, _ALLOW)]


def _socket() -> "list[_Instruction]":
    """Unix and IP, and netlink only as far as getaddrinfo needs it. Of IP what everybody uses: the others, from SCTP to
    L2TP, are rarely looked at, and asking for one may load it into the kernel."""
    af_unix, af_inet, af_inet6, af_netlink = 1, 2, 10, 16
    refuse = _fail(errno.EAFNOSUPPORT)
    internet = [_argument(2)]
    for protocol in (0, 1, 6, 17, 58):  # the default of the kind, ICMP, TCP, UDP, ICMPv6
        internet += [_unless(protocol), (_RETURN, 0, 0, _ALLOW)]
    internet += refuse
    netlink = [_argument(2), _unless(0), (_RETURN, 0, 0, _ALLOW), *refuse]
    return [
        _argument(0),
        _unless(af_unix), (_RETURN, 0, 0, _ALLOW),
        (_EQUAL, 1, 0, af_inet), (_EQUAL, 0, len(internet), af_inet6), *internet,
        (_EQUAL, 0, len(netlink), af_netlink), *netlink,
        *refuse,
    ]


def _setsockopt() -> "list[_Instruction]":
    """No TLS of the kernel's own; no filters on sockets, which take of the pool that seccomp's take of; no leases of
    flow labels, of which older kernels have 4,096 for the whole machine."""
    tcp, tcp_ulp = 6, 31
    ipv6, ipv6_flowlabel_mgr = 41, 32
    sol_socket, filters = 1, (26, 50, 51, 52)  # SO_ATTACH_FILTER, _BPF, _REUSEPORT_CBPF, _REUSEPORT_EBPF
    on_sockets = [_argument(2)]
    for option in filters:
        on_sockets += [_unless(option), *_fail(errno.EPERM)]
    on_sockets.append((_RETURN, 0, 0, _ALLOW))
    return [
        _argument(1), (_EQUAL, 0, 3, tcp), _argument(2), _unless(tcp_ulp), *_fail(errno.EPERM),
        _argument(1), (_EQUAL, 0, 3, ipv6), _argument(2), _unless(ipv6_flowlabel_mgr), *_fail(errno.EPERM),
        _argument(1),
        (_EQUAL, 0, len(on_sockets), sol_socket), *on_sockets,
        (_RETURN, 0, 0, _ALLOW),
    ]


def _core_limit() -> "list[_Instruction]":
    """Keeps RLIMIT_CORE as the child set it (child.py says why); who switches dumps off is told that it worked."""
    core, pretend, allow = 4, _fail(0), (_RETURN, 0, 0, _ALLOW)
    new_limit_high = (_LOAD, 0, 0, 20 + 8 * 2)  # a pointer: both halves tell whether it is null
    change = [_argument(2), (_EQUAL, 1, 0, 0), *pretend, new_limit_high, (_EQUAL, 1, 0, 0), *pretend, allow]
    return [
        *_rule("setrlimit", [_argument(0), _unless(core), *pretend, allow]),
        *_rule("prlimit64", [_argument(1), (_EQUAL, 1, 0, core), allow, *change]),
    ]


def _common() -> "list[_Instruction]":
    tiocsti, tioclinux = 0x5412, 0x541C
    program: "list[_Instruction]" = [
        (_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _AUDIT_ARCH), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0),
    ]
    if _X86:
        program += [_unless(_X32_BIT, _GREATER_EQUAL), *_fail(errno.ENOSYS)]
    program += _rule("futex", _futex())
    program += _rule("ioctl", _deny_equal(1, (tiocsti, tioclinux), errno.EPERM))
    program += _rule("socket", _socket())
    program += _rule("socketpair", _socket())
    program += _rule("setsockopt", _setsockopt())
    # The flags lie behind a pointer, which a filter cannot read; glibc falls back to clone.
    program += _rule("clone3", _fail(errno.ENOSYS))
    program += _rule("futex_requeue", _fail(errno.ENOSYS))
    for name in _DENIED_TO_BOTH:
        program += _rule(name, _fail(errno.EPERM))
    return program


def _assemble(program: "list[_Instruction]") -> bytes:
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in [*program, (_RETURN, 0, 0, _ALLOW)])


def zygote_program(namespaces: int = SANDBOX_NAMESPACES) -> bytes:
    """`namespaces`: those that its children get."""
    program = _forking(namespaces)
    program += _rule("mount", _allow_only_equal(3, (PROC_MOUNT_FLAGS, TMPFS_MOUNT_FLAGS), errno.EPERM))
    return _assemble(program)


def loader_program() -> bytes:
    """For a zygote in which a lambda's own code runs: it mounts nothing, and has a sandbox's core limit."""
    program = _forking(SANDBOX_NAMESPACES)
    program += _rule("mount", _fail(errno.EPERM))
    program += _core_limit()
    program += _rule("prctl", _deny_equal(0, (PR_SET_SECCOMP,), errno.EPERM))
    return _assemble(program)


def _forking(namespaces: int) -> "list[_Instruction]":
    clone = [
        _argument(0),
        _unless(namespaces | _SANDBOX_CLONE), (_RETURN, 0, 0, _ALLOW),
        _unless(namespaces | _SANDBOX_CLONE_WITHOUT_TID), (_RETURN, 0, 0, _ALLOW),
        _unless(_ANY_NAMESPACE, _BITS), *_fail(errno.EPERM), (_RETURN, 0, 0, _ALLOW),
    ]
    program = _common()
    program += _rule("clone", clone)
    return program + _rule("unshare", _allow_only_equal(0, (CLONE_NEWCGROUP,), errno.EPERM))


def sandbox_program() -> bytes:
    """Stacks on the zygote's: denies what only the zygote's work needed."""
    program: "list[_Instruction]" = [
        (_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _AUDIT_ARCH), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0),
    ]
    program += _rule("clone", [_argument(0), _unless(_ANY_NAMESPACE, _BITS), *_fail(errno.EPERM), (_RETURN, 0, 0, _ALLOW)])
    program += _core_limit()
    program += _rule("prctl", _deny_equal(0, (PR_SET_SECCOMP,), errno.EPERM))
    for name in _DENIED_TO_SANDBOX:
        program += _rule(name, _fail(errno.EPERM))
    return _assemble(program)


def lone_program() -> bytes:
    """Stacks on a zygote's, for a process of ours that needs neither another process nor another program."""
    program: "list[_Instruction]" = [(_LOAD, 0, 0, 0)]
    for name in ("clone", "fork", "vfork", "execve", "execveat", *_DENIED_TO_SANDBOX):
        program += _rule(name, _fail(errno.EPERM))
    return _assemble(program)


def unshared_ports_program() -> bytes:
    """For a program that binds ports for strangers: who asks to share one is told that it worked, and does not get it."""
    sol_socket, reuse_address, reuse_port = 1, 2, 15
    pretend, allow = _fail(0), (_RETURN, 0, 0, _ALLOW)
    body = [_argument(1), (_EQUAL, 1, 0, sol_socket), allow, _argument(2)]
    body += [_unless(reuse_address), *pretend, _unless(reuse_port), *pretend, allow]
    return _assemble([(_LOAD, 0, 0, 0), *_rule("setsockopt", body)])
