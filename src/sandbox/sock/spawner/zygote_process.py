"""From a clone of the spawner to the interpreter of a zygote: in namespaces, a root and a control group of its own."""
import os
import signal
import socket
from dataclasses import dataclass, field

from zygote import linux

from . import posture, root, running
from .house import House
from .ids import IdMap
from .zygote_limits import ZygoteLimits

_NAMESPACES = (
    linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
    | linux.CLONE_NEWNET
)
_STAGING = "/tmp"
_CONTROL_FD = 3
_HOST_NETWORK = "host-network"
# inotify is counted for the owner of the namespace as well, 128 instances on most machines: without these one
# sandbox takes what all sandboxes have together.
_WATCH_LIMITS = {"max_inotify_instances": "4", "max_inotify_watches": "256"}
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "USER": "sandbox",
    "LOGNAME": "sandbox",
    "LANG": "C.UTF-8",
    "TZ": ":UTC",
    # Libraries that start threads when imported would make a zygote unforkable; arenas per thread cost memory.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}


@dataclass(frozen=True)
class ZygoteProgram:
    """What a zygote's process is, besides what all are."""

    module: str
    """Of isla_zygote, whose main() it runs."""
    ids: IdMap
    """Those that its user namespace holds."""
    in_host_network: bool = False
    counts: "dict[str, str]" = field(default_factory=dict)
    """What its user namespace may have of things that the kernel counts: files of /proc/sys/user with their text."""

    def arguments(self, python: str) -> "list[str]":
        main = f"import sys; sys.path.insert(0, '/runtime'); from isla_zygote import {self.module}; {self.module}.main()"
        return [python, "-I", "-S", "-B", "-c", main, *([_HOST_NETWORK] if self.in_host_network else [])]


def start(
    house: House, program: ZygoteProgram, control: socket.socket, output: "list[int]", cgroup_fds: "list[int]", limits: ZygoteLimits
) -> "tuple[int, int, dict[str, str]]":
    """The process as pid and pidfd, in a user namespace that holds the ids, and its namespaces. `output`: stdout, stderr."""
    go_read, go_write = os.pipe()
    trees: "root.Trees | None" = None
    try:
        trees = root.open_trees(house.plan)
        flags = _NAMESPACES & ~(linux.CLONE_NEWNET if program.in_host_network else 0)
        pid, pidfd = program.ids.clone(flags)
        if pid == 0:
            os.close(go_write)
            _become_zygote(go_read, trees, control, output, cgroup_fds, program, house.python)
        try:
            namespaces = posture.namespaces_of(pid)
            running.limit(house, pid, limits)
            program.ids.write(pid)
            os.write(go_write, b"x")
        except OSError:
            posture.send_signal(pidfd, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(pidfd)
            raise
        return pid, pidfd, namespaces
    finally:
        os.close(go_read)
        os.close(go_write)
        if trees is not None:
            trees.close()


def _limit_counts(counts: "dict[str, str]") -> None:
    """For each id in the user namespace that this process is in, by a fresh /proc."""
    for name, text in {**_WATCH_LIMITS, **counts}.items():
        path = f"/proc/sys/user/{name}"
        if os.path.exists(path):  # a kernel without such things has nothing to limit
            with open(path, "w") as file:
                file.write(text)


def _become_zygote(
    go: int, trees: root.Trees, control: socket.socket, output: "list[int]", cgroup_fds: "list[int]", program: ZygoteProgram,
    python: str,
) -> None:
    """In the clone: never returns. What fails goes to the zygote's stderr file, and the process ends."""
    try:
        os.dup2(output[1], 2)
        if os.read(go, 1) != b"x":
            os._exit(1)
        for fd in cgroup_fds:
            os.write(fd, b"0")
        if program.ids.change_ids:
            os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
        root.attach(trees, _STAGING)
        socket.sethostname("sandbox")
        _limit_counts(program.counts)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output[0], 1)
        os.dup2(control.fileno(), _CONTROL_FD)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        linux.close_from(_CONTROL_FD + 1)
        arguments = program.arguments(python)
        os.execve(arguments[0], arguments, _ENVIRONMENT)
    except BaseException as error:
        os.write(2, f"zygote: {error}\n".encode())
    os._exit(1)
