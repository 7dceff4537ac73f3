"""A zygote: a single-threaded Python that has imported what its lambdas need and forks sandboxes.

Theory of operation. The spawner started this process as pid 1 of its own pid namespace, as root of its
own user namespace, inside the finished read-only root. It keeps four capabilities in that namespace and
a filter that leaves little beyond making a child. With the argument `host-network` it is in the host's network
namespace, over which it has no right, and so are its children. It is driven over one socket (SOCK_SEQPACKET, JSON,
descriptors alongside) and answers on it:

    spawner → {"fork": slot, "uid", "change_ids", "tmp_mb", "program", "mounts"}
                 + [control, stdout, stderr, scratch, cgroup files…]
            → {"grow": name} + [control, stdout, stderr, cgroup files…]   a zygote: the name stands where a slot does
            → {"populate": [[first page, count], …]}   what children copy, before they wait
    zygote  → {"ready": "3.11.2"}                   once
            → {"forked": slot} + [pidfd]            or {"fork_failed": slot, "error": text}
            → {"reaped": slot, "status": wait status}

A child that is not to mount anything for itself waits for {"mounted": true} on its own socket (loader.py).

One that another has made says {"waiting": true} before anything else, and waits for {"import": names}, or {"kernels": true};
then it is ready and tells what it has imported, and waits for {"serve": true}; or says {"failed": text} and ends (growing.py).

It dies with the spawner (PR_SET_PDEATHSIG), and the kernel ends every sandbox with it, because their
pid namespaces lie inside its own.
"""
import fcntl
import gc
import json
import os
import resource
import select
import signal
import socket
import sys

from isla_runtime import server

from . import child, growing, linux, seccomp
from .heritage import Heritage
from .rights import KEPT

_CONTROL_FD = 3
_FIRST_FREE_FD = 10
_REQUEST_BYTES_MAX = 1 << 16
_FDS_MAX = 16
_NOFILE_MAX = 65536
_HOST_NETWORK = "host-network"


def main() -> None:
    control = take_control_socket()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    bound_rights()
    namespaces = seccomp.HOST_NETWORK_NAMESPACES if _HOST_NETWORK in sys.argv else seccomp.SANDBOX_NAMESPACES
    sandbox_filter = linux.Filter(seccomp.sandbox_program())
    linux.install_filter(linux.Filter(seccomp.zygote_program(namespaces)))
    server.prepare()
    # What is alive now is never collected again: a collection in a child would dirty every page of it.
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"ready": ".".join(map(str, sys.version_info[:3]))}).encode())
    Zygote(control, sandbox_filter, namespaces, Heritage(), server).serve()


def take_control_socket() -> socket.socket:
    """Moves the socket out of the way: a child arranges its low descriptors without looking."""
    moved = fcntl.fcntl(_CONTROL_FD, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_FD)
    for fd in range(_CONTROL_FD, _FIRST_FREE_FD):
        os.dup2(0, fd, inheritable=False)
    return socket.socket(fileno=moved)


def bound_rights() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _NOFILE_MAX if hard == resource.RLIM_INFINITY else min(_NOFILE_MAX, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    linux.drop_bounding_set(keep=KEPT)
    linux.prctl(linux.PR_SET_SECUREBITS, linux.SECUREBITS_LOCKED)
    linux.capset(KEPT)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    # A dumpable parent could be rewritten through /proc/<pid>/mem by a child of the same uid.
    linux.prctl(linux.PR_SET_DUMPABLE, 0)


class Zygote:
    def __init__(
        self, control: socket.socket, sandbox_filter: linux.Filter, namespaces: int, heritage: Heritage, its_server
    ) -> None:
        """`its_server`: what its children do, as isla_runtime's server does it."""
        self._control = control
        self._sandbox_filter = sandbox_filter
        self._namespaces = namespaces
        self._heritage = heritage
        self._server = its_server
        self._children: "dict[int, tuple[int, int | str]]" = {}  # pidfd → (pid, slot or name)
        self._poll = select.epoll()

    def serve(self) -> None:
        self._poll.register(self._control.fileno(), select.EPOLLIN)
        while True:
            for fd, _events in self._poll.poll():
                if fd == self._control.fileno():
                    self._take_request()
                elif fd in self._children:
                    self._reap(fd)

    def _take_request(self) -> None:
        message, fds, _flags, _address = socket.recv_fds(self._control, _REQUEST_BYTES_MAX, _FDS_MAX)
        if not message:
            os._exit(0)
        request = json.loads(message)
        if "populate" in request:
            self._heritage.touched = request["populate"]
            return
        name = request["grow"] if "grow" in request else request["fork"]
        try:
            self._fork(name, request, fds)
        except OSError as error:
            self._tell({"fork_failed": name, "error": str(error)})
        finally:
            for fd in fds:
                os.close(fd)

    def _fork(self, name: "int | str", request: dict, fds: "list[int]") -> None:
        hooks = self._heritage.fork_hooks
        hooks.skipped = True
        try:
            pid, pidfd = linux.clone(self._namespaces)
        finally:
            hooks.skipped = False
        if pid == 0:
            if "grow" in request:
                growing.run(fds, self._heritage, self._serve_as_child)
            child.run(child.Setup(request, fds), self._sandbox_filter, self._heritage, self._server)
        self._children[pidfd] = (pid, name)
        self._poll.register(pidfd, select.EPOLLIN)
        socket.send_fds(self._control, [json.dumps({"forked": name}).encode()], [pidfd])

    def _serve_as_child(self, control: socket.socket, heritage: Heritage) -> None:
        Zygote(control, self._sandbox_filter, self._namespaces, heritage, self._server).serve()

    def _reap(self, pidfd: int) -> None:
        pid, slot = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _pid, status = os.waitpid(pid, 0)
        self._tell({"reaped": slot, "status": status})

    def _tell(self, message: dict) -> None:
        self._control.send(json.dumps(message).encode())

