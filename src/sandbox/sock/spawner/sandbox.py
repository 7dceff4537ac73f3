"""The parts of one sandbox and the steps that put them together; when each comes is slot.py's affair.

Making needs three things that come in any order: the zygote's descriptor of the child, the child's word
that it waits, and the worker's connection. Then the child is looked at from outside and gets its scratch;
only after that may it get code. `step` names what is being done, for whoever has to report that it failed.
"""
import json
import os
import re
import socket
from typing import Callable

from zygote import linux

from . import enter, forks, posture, running, terminals, words
from .forks import Forks
from .house import House
from .ids import SandboxId
from .limits import Limits
from .loader import Loader
from .program import FORK, Program
from .root import PACKAGES_DIR
from .scratch import Scratch
from .zygotes import Zygote

_MESSAGE_BYTES_MAX = 1 << 16
_HOST_RESOLVERS = "/etc/resolv.conf"
# A version of a lambda has `~` and its number or digest behind the name.
_LAMBDA_NAME = re.compile(r"(?!\.{1,2}(~|$))[A-Za-z0-9._-]{1,64}(~[0-9a-f]{1,64})?")
_READ_ONLY = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV
# A first call has mostly done by then what others will do, too.
_FIRST_CALL_SECONDS = 1.0


class Sandbox:
    def __init__(self, house: House, number: int, own_id: SandboxId) -> None:
        self.name = str(number)
        self.step = "make scratch"
        self.pid = 0
        self._number = number
        self._house = house
        self._id = own_id
        self._child_waits = False
        self._has_channel = False
        self._listener: "socket.socket | None" = None
        self._channel: "socket.socket | None" = None
        self._control: "socket.socket | None" = None
        self._scratch: "Scratch | None" = None
        self._limits = house.limits
        self._forks: "Forks | None" = None
        """None unless it runs kernels."""

    # -- making -----------------------------------------------------------------------------------

    def make(self, zygote: Zygote, program: Program, on_word: "Callable[[], None]") -> None:
        """Ends with the zygote asked for a child; `on_word` is called when the child has said something."""
        house = self._house
        self._scratch = Scratch(house.worker_dir_fd, self._number, self._id.host, house.volumes, house.limits)
        fds: "list[int]" = []
        try:
            fds.append(self._scratch.make_output("stdout"))
            fds.append(self._scratch.make_output("stderr"))
            self._listener = self._scratch.listen()
            self._scratch.give_away()
            self.step = "make cgroups"
            fds.append(os.dup(self._scratch.fd))
            fds += house.cgroups.make(self.name, house.limits)
            self.step = "ask the zygote for a child"
            self._ask_for_child(zygote, program, fds)
        finally:
            for fd in fds:
                os.close(fd)
        house.loop.on_readable(self._control.fileno(), on_word)

    def _ask_for_child(self, zygote: Zygote, program: Program, fds: "list[int]") -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = {
            "fork": self._number,
            "uid": self._id.inner,
            "change_ids": self._id.change_ids,
            "tmp_mb": self._house.limits.tmp_mb,
            "program": program.name,
            "mounts": not isinstance(zygote, Loader),
        }
        with theirs:
            zygote.fork(request, [theirs.fileno(), *fds])

    def mount(self, pidfd: int, zygote: Zygote) -> None:
        """What a child may not mount for itself; it goes on when that is there."""
        if isinstance(zygote, Loader):
            self.step = "mount for the child"
            zygote.mount_for_child(pidfd, self._house.limits.tmp_mb)
            self._control.send(b'{"mounted":true}')

    def await_worker(self, on_connection: "Callable[[], None]") -> None:
        self._house.loop.on_readable(self._listener.fileno(), on_connection)

    def accept(self) -> None:
        self.step = "accept the worker"
        self._channel, _address = self._listener.accept()
        self._channel.setblocking(True)
        # At once: else connect would succeed on a sandbox that is gone, and hang.
        self._listener = self._close(self._listener)

    def hear_child(self) -> None:
        self.step = "start Node" if self._has_channel else "set up the child"
        message = self._control.recv(_MESSAGE_BYTES_MAX, socket.MSG_DONTWAIT)
        if not message:
            raise OSError(f"it ended before it was ready{self._scratch.last_words()}")
        failed = words.of_child(message)
        if failed is not None:
            raise OSError(failed)
        if self._child_waits:
            raise OSError("it said a second time that it waits")
        self._child_waits = True

    @property
    def is_together(self) -> bool:
        """The child waits and the worker has connected."""
        return self._child_waits and self._channel is not None

    def finish_making(self, pidfd: int, zygote: Zygote) -> None:
        self.step = "check the child from outside"
        house = self._house
        self.pid = posture.pid_of(pidfd)
        posture.check(
            self.pid, self._id.host, zygote.namespaces, house.own_net, zygote.mount_points, house.own_filters, zygote.writable
        )
        for point, pids in house.cgroups.members(self.name).items():
            if pids != [self.pid]:
                raise posture.PostureError(f"its cgroup in {point} holds {pids}")
        if not zygote.in_host_network:
            self.step = "bring up loopback"
            enter.run(pidfd, house.own_net_fd, linux.CLONE_NEWNET, linux.bring_up_loopback)
        enter.run(pidfd, house.own_mounts_fd, linux.CLONE_NEWNS, self._finish_mounts)

    def launch(self, program: Program) -> None:
        """Has the child, which has been looked at, execute its program; that says again that it waits."""
        self.step = "start Node"
        self._child_waits = False
        socket.send_fds(self._control, [json.dumps(program.launch(self._house.node)).encode()], [self._channel.fileno()])
        self._has_channel = True

    def _finish_mounts(self) -> None:
        """To be run inside the child's mount namespace."""
        self.step = "mask /proc"
        self._house.masks.apply()
        self.step = "attach scratch"
        tree = self._scratch.take_tree()
        try:
            linux.attach_tree(tree, "/host")
        finally:
            os.close(tree)

    # -- serving ----------------------------------------------------------------------------------

    def outfit(self, pidfd: int, zygote: Zygote, request: dict) -> None:
        """Gives the waiting child all that its lambda has and others have not, as far as it has not yet."""
        lambda_name = request["description"]["lambda"]
        if not _LAMBDA_NAME.fullmatch(lambda_name):
            raise OSError(f"{lambda_name!r} is not a lambda's name")
        self.step = "set limits"
        limits = self._limits = Limits(**request["limits"])
        self._house.limit(self.name, pidfd, self._scratch, limits)
        running.limit(self._house, self.pid, limits)
        if isinstance(zygote, Loader):
            self._match(zygote, lambda_name, request["code"])
        else:
            self._attach_code(pidfd, request)
        if "kernel" in request["description"]:
            self.step = "attach terminals"
            terminals.attach(pidfd, self._house.own_mounts_fd)
        if request["secrets"]:
            self.step = "attach secrets"
            self._house.attach_secrets(pidfd, lambda_name, request["secrets"], self._id.host)
        self.step = "rename scratch"
        self._scratch.rename(lambda_name, request["description"]["instance"], self._house.spare_directory)

    def _match(self, loader: Loader, lambda_name: str, code: str) -> None:
        self.step = "find its code"
        if loader.lambda_name != lambda_name or loader.code != code:
            raise OSError(f"it has loaded other code: {loader.code} of {loader.lambda_name}")

    def _attach_code(self, pidfd: int, request: dict) -> None:
        if request["code"] is not None:
            self.step = "attach code"
            code = linux.open_tree(linux.AT_FDCWD, request["code"])
            enter.attach(pidfd, self._house.own_mounts_fd, code, _READ_ONLY, "/handler")
        if request["packages"] is not None:
            self.step = "attach packages"
            packages = linux.open_tree(linux.AT_FDCWD, request["packages"])
            enter.attach(pidfd, self._house.own_mounts_fd, packages, _READ_ONLY, PACKAGES_DIR)

    def show_when_used(self, zygote: Zygote, program: Program, is_alive: "Callable[[], bool]") -> None:
        """To the zygote that it is growing apart from, if it is its fork."""
        if zygote.is_observed and program == FORK:
            self._house.loop.after(_FIRST_CALL_SECONDS, lambda: is_alive() and self._show(zygote))

    def _show(self, zygote: Zygote) -> None:
        if not zygote.is_observed or zygote.is_ending:
            return
        try:
            zygote.look_at(self.pid)
        except OSError:
            return  # it has ended meanwhile, or can not be looked at here: the next ones only take longer

    def connect(self, pidfd: int, egress: "list | None", on_ready: "Callable[[], None]", on_lost: "Callable[[str], None]") -> None:
        """`egress` narrows it to names and ports; None does not."""
        self.step = "connect the network"
        if self._house.networks is None:
            raise OSError("network_allowed does not name outbound")
        self._house.networks.resolver_file.attach(pidfd, self._house.own_mounts_fd)
        self._house.networks.connect(self._number, pidfd, self.pid, egress, on_ready, on_lost)

    def find_host_resolvers(self, pidfd: int) -> None:
        """For one in the host's network, where they are found at the addresses that the host knows."""
        self.step = "attach resolv.conf"
        from .network import resolver_file

        if os.path.exists(_HOST_RESOLVERS):
            resolver_file.cover(_HOST_RESOLVERS, pidfd, self._house.own_mounts_fd)

    def disconnect(self, on_done: "Callable[[], None]") -> None:
        """`on_done` comes when nothing of its network is left, at once if it had none."""
        if self._house.networks is None:
            on_done()
        else:
            self._house.networks.disconnect(self._number, on_done)

    def hand_over(self, description: dict, on_fault: "Callable[[str], None]") -> None:
        """From here on a stranger's code runs in it. `on_fault` is told what of it can not be, if it runs kernels."""
        self.step = "hand over"
        if "kernel" in description:
            self._house.cgroups.spare_others(self.name)
        fds = [] if self._has_channel else [self._channel.fileno()]
        socket.send_fds(self._control, [json.dumps(description).encode()], fds)
        if "kernel" in description:
            self._house.loop.forget(self._control.fileno())
            self._forks = Forks(self._house, self.name, self.pid, self._limits, self._control, on_fault)
            self._control = None
        self._control = self._close(self._control)
        self._channel.close()
        self._channel = None

    def end_fork(self, number: int, on_ended: "Callable[[dict], None]") -> None:
        """`on_ended` is told what was charged to it when nothing is left of it."""
        if self._forks is None:
            on_ended(forks.NOTHING)
        else:
            self._forks.end(number, on_ended)

    def memory_bytes(self) -> "dict[str, int]":
        """By name: its own, and those of kernels that were forked in it."""
        cgroups = self._house.cgroups
        of_forks = {} if self._forks is None else {name: cgroups.memory_bytes(name) or 0 for name in self._forks.groups.values()}
        return {self.name: running.memory_bytes(cgroups, self.name, self.pid), **of_forks}

    # -- ending -----------------------------------------------------------------------------------

    def remove(self) -> None:
        """Once all of its processes have gone."""
        self._listener = self._close(self._listener)
        self._control = self._close(self._control)
        if self._channel is not None:
            self._channel.close()
        if self._forks is not None:
            self._forks.close()
        self._house.cgroups.remove(self.name)
        self._remove_scratch()

    def _remove_scratch(self) -> None:
        if self._scratch is None:
            return
        try:
            self._scratch.remove()
        except OSError as error:
            # Somebody else was at work there. What stays is removed by the next start; the others must not suffer.
            self._house.tell({"ev": "left", "path": self._scratch.path, "reason": str(error)})

    def _close(self, sock: "socket.socket | None") -> None:
        if sock is not None:
            self._house.loop.forget(sock.fileno())
            sock.close()
