"""Starts a zygote from the spawner and speaks with it; its other end is zygote/zygote.py."""
import json
import os
import signal
import socket
from typing import Callable

from zygote import linux

from . import root
from .loop import Loop

_NAMESPACES = (
    linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
    | linux.CLONE_NEWNET
)
_STAGING = "/tmp"
# inotify is counted for whoever made the namespace as well: without these one sandbox takes all of root's,
# 128 on most machines, and nobody can watch a file any more.
_WATCH_LIMITS = {"max_inotify_instances": "4", "max_inotify_watches": "256"}
_CONTROL_FD = 3
_REPLY_BYTES_MAX = 4096
_MAIN = "import sys; sys.path.insert(0, '/runtime'); from isla_zygote import zygote; zygote.main()"
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


class IdMap:
    """Which ids of the host a zygote's user namespace holds: a range, or the one id of whoever runs this."""

    def __init__(self, base: int, count: int) -> None:
        self.base = base
        self.count = count

    @property
    def change_ids(self) -> bool:
        return self.count > 1

    def host_id(self, inner: int) -> int:
        return self.base + inner if self.change_ids else self.base

    def write(self, pid: int) -> None:
        line = f"0 {self.base} {self.count}"
        if not self.change_ids:
            _write_proc(pid, "setgroups", "deny")
        _write_proc(pid, "uid_map", line)
        _write_proc(pid, "gid_map", line)


def _write_proc(pid: int, name: str, text: str) -> None:
    fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


class Zygote:
    """One zygote process. `on_message(message, fds)` gets what it says; `on_end()` comes once, when it is gone."""

    def __init__(
        self, loop: Loop, plan: root.Plan, python: str, ids: IdMap, cgroup_fds: "list[int]", log_dir_fd: int,
        on_message: "Callable[[dict, list[int]], None]", on_end: "Callable[[], None]",
    ) -> None:
        self._loop = loop
        self._on_message = on_message
        self._on_end = on_end
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        go_read, go_write = os.pipe()
        trees = root.open_trees(plan)
        stdout, stderr = _open_log(log_dir_fd, "stdout"), _open_log(log_dir_fd, "stderr")
        self.pid, self.pidfd = linux.clone(_NAMESPACES)
        if self.pid == 0:
            os.close(go_write)
            _become_zygote(go_read, trees, theirs, (stdout, stderr), cgroup_fds, python, ids.change_ids)
        self.control = ours
        try:
            ids.write(self.pid)
            os.write(go_write, b"x")
        finally:
            for fd in (go_read, go_write, stdout, stderr):
                os.close(fd)
            theirs.close()
            trees.close()
        self.namespaces = namespaces_of(self.pid)
        loop.on_readable(ours.fileno(), self._read)
        loop.on_readable(self.pidfd, self._ended)

    def fork(self, request: dict, fds: "list[int]") -> None:
        socket.send_fds(self.control, [json.dumps(request).encode()], fds)

    def kill(self) -> None:
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return  # it has ended by itself; its pidfd tells the loop so

    def _read(self) -> None:
        try:
            message, fds, _flags, _address = socket.recv_fds(self.control, _REPLY_BYTES_MAX, 1)
        except OSError:
            message, fds = b"", []
        if not message:
            self._loop.forget(self.control.fileno())
            self.kill()  # a zygote that closed its socket is of no use, alive or not
            return
        self._on_message(json.loads(message), fds)

    def _ended(self) -> None:
        self._loop.forget(self.pidfd)
        self._loop.forget(self.control.fileno())
        os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        self.control.close()
        self._on_end()


def namespaces_of(pid: int) -> "dict[str, str]":
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("user", "mnt", "pid", "ipc", "uts", "net", "cgroup")}


def _limit_watches() -> None:
    """For each id in the user namespace that this process is in, by a fresh /proc."""
    for name, text in _WATCH_LIMITS.items():
        path = f"/proc/sys/user/{name}"
        if os.path.exists(path):  # a kernel without inotify has nothing to limit
            with open(path, "w") as file:
                file.write(text)


def _open_log(dir_fd: int, name: str) -> int:
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=dir_fd)


def _become_zygote(
    go: int, trees: root.Trees, control: socket.socket, output: "tuple[int, int]", cgroup_fds: "list[int]", python: str,
    change_ids: bool,
) -> None:
    """In the clone: never returns. What fails goes to the zygote's stderr file, and the process ends."""
    try:
        os.dup2(output[1], 2)
        if os.read(go, 1) != b"x":
            os._exit(1)
        for fd in cgroup_fds:
            os.write(fd, b"0")
        if change_ids:
            os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
        root.attach(trees, _STAGING)
        socket.sethostname("sandbox")
        _limit_watches()
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output[0], 1)
        os.dup2(control.fileno(), _CONTROL_FD)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        linux.close_from(_CONTROL_FD + 1)
        os.execve(python, [python, "-I", "-S", "-B", "-c", _MAIN], _ENVIRONMENT)
    except BaseException as error:
        os.write(2, f"zygote: {error}\n".encode())
    os._exit(1)
