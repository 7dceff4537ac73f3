"""From a fresh clone of a zygote to a sandbox that waits for its code, and from there to serving.

Everything that needs a right happens before the wait; what comes later (scratch, code, packages) is
attached from outside by the spawner. The order of the steps is forced:
- cgroups first: writing "0" to a v1 `tasks` file is only cheap while there is one thread, and what is
  charged before it is charged to the zygote;
- the cgroup namespace after that, or /proc/self/cgroup would show the path on the host;
- mounts before the ids change: they need CAP_SYS_ADMIN, which ends with capset;
- Landlock after the mounts, which it forbids to whoever is restricted;
- the bounding set while CAP_SETPCAP is there; groups while CAP_SETGID is;
- capset explicitly: with locked securebits setresuid keeps capabilities;
- the filter last: it denies most of the above.
"""
import json
import os
import resource
import socket
import sys
from typing import NoReturn

from . import landlock, linux, seccomp
from .heritage import Heritage
from .hand_over import CONTROL_FD, receive, wait_and_serve
from .rights import KEPT

_CHANNEL_FD = 3
_FRESH_MAIN = "import sys; sys.path.insert(0, '/runtime'); from isla_zygote import fresh; fresh.main()"
_NOFILE_SOFT, _NOFILE_HARD = 1024, 4096
_STACK_BYTES = 8 << 20
_MEMLOCK_BYTES = 64 << 10
_INODES_PER_MB = 256
_WORD_BYTES_MAX = 64
# Counted for the owner of the user namespace too: without a limit one sandbox takes what all have, 96,364 here.
_SIGNALS_QUEUED_MAX = 256
# 0 does not do: a core_pattern that is a pipe starts the host's handler whatever the limit, except for exactly 1.
_CORE_BYTES = 1


class Setup:
    """What the spawner asked for: ids inside the user namespace, sizes, and the descriptors that came along."""

    def __init__(self, request: dict, fds: "list[int]") -> None:
        self.uid: int = request["uid"]
        self.change_ids: bool = request["change_ids"]
        self.tmp_mb: int = request["tmp_mb"]
        self.program: str = request["program"]
        """What is to run in it: this "fork", or "python" or "node" in its place."""
        self.mounts: bool = request["mounts"]
        """Whether it makes its own; if not, they come from outside, and it has a lambda's code already."""
        self.control, self.stdout, self.stderr, self.scratch = fds[:4]
        self.cgroups = fds[4:]


def run(setup: Setup, sandbox_filter: linux.Filter, heritage: Heritage, server) -> "None":
    """Never returns. A step that fails is told to the spawner by name, and the process ends."""
    try:
        _build(setup, sandbox_filter)
        if setup.program == "python":
            _become_fresh()
        if setup.program == "node":
            _become_what_comes()
        heritage.take_over()
        # Copy-on-write faults of the request path are paid now, while nobody waits.
        server.warm_up()
        control = socket.socket(fileno=CONTROL_FD)
    except BaseException as error:  # whatever it was: this process must not go on half-built
        _report(setup, error)
        os._exit(127)
    wait_and_serve(control, server)


def _build(setup: Setup, sandbox_filter: linux.Filter) -> None:
    for fd in setup.cgroups:
        os.write(fd, b"0")
    if setup.cgroups:
        linux.unshare(linux.CLONE_NEWCGROUP)
    if setup.mounts:
        _mount_private(setup.tmp_mb)
    else:
        _await_mounts(setup.control)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(setup.scratch, (setup.stdout, setup.stderr))
    _arrange_descriptors(setup)
    os.setsid()
    if setup.mounts:
        set_limits()
        os.umask(0o022)
        os.chdir("/")
    # Else a lambda's code has been here already, and may have chosen.
    _drop_rights(setup)
    linux.install_filter(sandbox_filter)


def _mount_private(tmp_mb: int) -> None:
    linux.mount("proc", "/proc", "proc", seccomp.PROC_MOUNT_FLAGS)
    options = f"{tmpfs_size(tmp_mb)},mode=1777"
    linux.mount("tmp", "/tmp", "tmpfs", seccomp.TMPFS_MOUNT_FLAGS, options)
    linux.mount("shm", "/dev/shm", "tmpfs", seccomp.TMPFS_MOUNT_FLAGS, options)


def _await_mounts(control: int) -> None:
    """They come from outside."""
    if not os.read(control, _WORD_BYTES_MAX):
        os._exit(0)  # the spawner gave this sandbox up


def tmpfs_size(mb: int) -> str:
    """Mount options. Zero would mean no limit at all to the kernel; the root takes the one inode that is left then."""
    return f"size={max(4, mb * 1024)}k,nr_inodes={max(1, mb * _INODES_PER_MB)}"


def _arrange_descriptors(setup: Setup) -> None:
    """Leaves 0 (null), 1, 2 and the control socket at 4; 3 stays free for the channel."""
    os.dup2(setup.stdout, 1)
    os.dup2(setup.stderr, 2)
    os.dup2(setup.control, CONTROL_FD, inheritable=False)
    os.close(3)
    linux.close_from(CONTROL_FD + 1)


def set_limits() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (_CORE_BYTES, _CORE_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_NOFILE_SOFT, _NOFILE_HARD))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (_MEMLOCK_BYTES, _MEMLOCK_BYTES))
    resource.setrlimit(resource.RLIMIT_MSGQUEUE, (0, 0))
    resource.setrlimit(resource.RLIMIT_SIGPENDING, (_SIGNALS_QUEUED_MAX, _SIGNALS_QUEUED_MAX))
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (_STACK_BYTES if hard == -1 else min(_STACK_BYTES, hard), hard))


def _drop_rights(setup: Setup) -> None:
    linux.drop_from_bounding_set(KEPT)
    if setup.change_ids:
        os.setgroups([])
        os.setresgid(setup.uid, setup.uid, setup.uid)
        os.setresuid(setup.uid, setup.uid, setup.uid)
    linux.prctl(linux.PR_CAP_AMBIENT, linux.PR_CAP_AMBIENT_CLEAR_ALL)
    linux.capset(())


def _become_fresh() -> None:
    """Never returns, or raises OSError."""
    os.set_inheritable(CONTROL_FD, True)
    os.execve(sys.executable, [sys.executable, "-I", "-S", "-B", "-c", _FRESH_MAIN], os.environ)


def _become_what_comes() -> NoReturn:
    """Executes what the spawner tells it to, once that has looked at it: a program that starts threads and opens files
    of its own before it waits could not be told from one that should not. Never returns, or raises OSError."""
    control = socket.socket(fileno=CONTROL_FD)
    control.send(b'{"waiting":true}')
    message, channel = receive(control)
    os.dup2(channel.fileno(), _CHANNEL_FD)
    # Mostly it has come as that number, which then was no copy.
    for fd in (_CHANNEL_FD, CONTROL_FD):
        os.set_inheritable(fd, True)
    wanted = json.loads(message)
    os.execve(wanted["arguments"][0], wanted["arguments"], wanted["environment"])


def _report(setup: Setup, error: BaseException) -> None:
    text = f"{type(error).__name__}: {error}".replace('"', "'").replace("\\", "/")
    for fd in (CONTROL_FD, setup.control):
        try:
            os.write(fd, f'{{"failed":"{text}"}}'.encode())
            return
        except OSError:
            continue  # the failure came before, or after, descriptors were arranged: the other one is right
    print(text, file=sys.stderr, flush=True)
