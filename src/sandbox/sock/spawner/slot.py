"""One sandbox from nothing to gone.

    making ──child waits, worker has connected──▶ waiting ──code handed over──▶ serving
       └────────────────────── any failure, kill or death ──────────────────────────▶ gone

Making needs three things that come in any order: the zygote's descriptor of the child, the child's word
that it waits, and the worker's connection. Then the child is looked at from outside and gets its scratch;
only after that may it get code. The worker hears `listening`, `waiting`, `started`, and at last `ended`.
"""
import json
import os
import re
import signal
import socket
from typing import Callable

from zygote import linux

from . import enter, posture, running
from .house import House
from .limits import Limits
from .scratch import Scratch
from .zygotes import Zygote

_MAKE_SECONDS_MAX = 10.0
_REPORT_SECONDS_MAX = 0.5
_MESSAGE_BYTES_MAX = 1 << 16
_LAMBDA_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}")
_READ_ONLY = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV
_SCRATCH = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV


class Slot:
    def __init__(self, house: House, zygote: Zygote, number: int, inner_id: int, on_gone: "Callable[[Slot], None]") -> None:
        self.number = number
        self.inner_id = inner_id
        self.zygote = zygote
        self._house = house
        self._on_gone = on_gone
        self._host_id = house.ids.host_id(inner_id)
        self._name = str(number)
        self._state = "making"
        self._step = "make scratch"
        self._pending_start: "dict | None" = None
        self._pidfd: "int | None" = None
        self._pid = 0
        self._child = "none"  # none, asked, alive, dead
        self._reported = False
        self._child_waits = False
        self._listener: "socket.socket | None" = None
        self._channel: "socket.socket | None" = None
        self._control: "socket.socket | None" = None
        self._scratch: "Scratch | None" = None
        self._cause: "dict | None" = None
        self._paused = False

    # -- making -----------------------------------------------------------------------------------

    def make(self) -> None:
        self._attempt(self._make)

    def _make(self) -> None:
        house = self._house
        self._scratch = Scratch(house.worker_dir_fd, self.number, self._host_id, house.volumes, house.limits)
        fds: "list[int]" = []
        try:
            fds.append(self._scratch.make_output("stdout"))
            fds.append(self._scratch.make_output("stderr"))
            self._listener = self._scratch.listen()
            self._scratch.give_away()
            self._step = "make cgroups"
            fds.append(os.dup(self._scratch.fd))
            fds += house.cgroups.make(self._name, house.limits)
            self._step = "ask the zygote for a child"
            self._ask_for_child(fds)
        finally:
            for fd in fds:
                os.close(fd)
        house.loop.on_readable(self._listener.fileno(), lambda: self._attempt(self._accept))
        house.loop.after(_MAKE_SECONDS_MAX, self._expire)
        house.tell({"ev": "listening", "slot": self.number})

    def _ask_for_child(self, fds: "list[int]") -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._house.loop.on_readable(self._control.fileno(), lambda: self._attempt(self._hear_child))
        request = {
            "fork": self.number,
            "uid": self.inner_id,
            "change_ids": self._house.ids.change_ids,
            "tmp_mb": self._house.limits.tmp_mb,
        }
        with theirs:
            self.zygote.fork(request, [theirs.fileno(), *fds])
        self._child = "asked"

    def _accept(self) -> None:
        self._step = "accept the worker"
        self._channel, _address = self._listener.accept()
        self._channel.setblocking(True)
        # At once: else connect would succeed on a sandbox that is gone, and hang.
        self._listener = self._close(self._listener)
        self._finish_making()

    def forked(self, pidfd: int) -> None:
        self._child = "alive"
        self._pidfd = pidfd
        self._house.loop.on_readable(pidfd, self._died)
        if self._state == "ending":
            posture.send_signal(pidfd, signal.SIGKILL)
        else:
            self._attempt(self._finish_making)

    def _hear_child(self) -> None:
        self._step = "set up the child"
        message = self._control.recv(_MESSAGE_BYTES_MAX)
        if not message:
            raise OSError("it ended before it was ready")
        word = json.loads(message)
        if "failed" in word:
            raise OSError(word["failed"])
        self._child_waits = True
        self._finish_making()

    def _finish_making(self) -> None:
        if self._state != "making" or not self._child_waits or self._pidfd is None or self._channel is None:
            return
        self._step = "check the child from outside"
        house = self._house
        self._pid = posture.pid_of(self._pidfd)
        posture.check(self._pid, self._host_id, self.zygote.namespaces, house.plan.mount_points(), house.own_filters)
        for point, pids in house.cgroups.members(self._name).items():
            if pids != [self._pid]:
                raise posture.PostureError(f"its cgroup in {point} holds {pids}")
        self._step = "bring up loopback"
        enter.run(self._pidfd, house.own_net_fd, linux.CLONE_NEWNET, linux.bring_up_loopback)
        self._step = "mask /proc"
        enter.run(self._pidfd, house.own_mounts_fd, linux.CLONE_NEWNS, house.masks.apply)
        self._step = "attach scratch"
        enter.attach(self._pidfd, house.own_mounts_fd, self._scratch.take_tree(), _SCRATCH, "/host")
        self._state = "waiting"
        if self._pending_start is None:
            house.tell({"ev": "waiting", "slot": self.number})
        else:
            self.start(self._pending_start)

    def _expire(self) -> None:
        if self._state != "making":
            return
        if self._child == "asked":
            # It forks nothing any more, stopped or stuck; a new one will. Its end is this slot's end too.
            self._fail("fork", f"the zygote did not answer for {_MAKE_SECONDS_MAX:.0f} s")
            self.zygote.kill()
        else:
            self._fail(self._step, f"not ready after {_MAKE_SECONDS_MAX:.0f} s")

    # -- serving ----------------------------------------------------------------------------------

    def start(self, request: dict) -> None:
        """Hands the code over; a slot that is still being made does it when it is ready."""
        if self._state == "making":
            self._pending_start = request
        else:
            self._attempt(lambda: self._start(request))

    def _start(self, request: dict) -> None:
        if self._state != "waiting":
            raise OSError(f"the sandbox is {self._state}, not waiting")
        lambda_name = request["description"]["lambda"]
        if not _LAMBDA_NAME.fullmatch(lambda_name):
            raise OSError(f"{lambda_name!r} is not a lambda's name")
        self._step = "set limits"
        limits = Limits(**request["limits"])
        self._house.limit(self._name, self._pidfd, self._scratch, limits)
        running.limit_memory(self._house.cgroups, self._pid, limits)
        self._step = "attach code"
        code = linux.open_tree(linux.AT_FDCWD, request["code"])
        enter.attach(self._pidfd, self._house.own_mounts_fd, code, _READ_ONLY, "/handler")
        if request["secrets"]:
            self._step = "attach secrets"
            self._house.attach_secrets(self._pidfd, lambda_name, request["secrets"], self._host_id)
        self._step = "rename scratch"
        self._scratch.rename(lambda_name, request["description"]["instance"])
        self._step = "hand over"
        # The state first: the child may answer, and end, before the next line here has run.
        self._state = "serving"
        socket.send_fds(self._control, [json.dumps(request["description"]).encode()], [self._channel.fileno()])
        self._control = self._close(self._control)
        self._channel.close()
        self._channel = None
        self._house.tell({"ev": "started", "slot": self.number})

    def pause(self) -> None:
        self._set_paused(True)

    def resume(self) -> None:
        self._set_paused(False)

    def _set_paused(self, paused: bool) -> None:
        if self._state == "serving" and self._paused != paused:
            self._paused = paused
            running.freeze(self._house.cgroups, self._name, self._pidfd, paused)

    def memory_bytes(self) -> int:
        return running.memory_bytes(self._house.cgroups, self._name, self._pid)

    # -- ending -----------------------------------------------------------------------------------
    # The end waits for one of: there never was a child; its pidfd is readable, by which time the kernel has
    # ended all of its pid namespace; the zygote is gone, and with it every descendant.

    def kill(self) -> None:
        self._end({"cause": "destroyed"})

    def fork_failed(self, error: str) -> None:
        self._child = "none"
        self._fail("fork", error)

    def zygote_gone(self) -> None:
        self._child = "none"
        self._end({"cause": "lost", "reason": "its zygote died"})

    def reaped(self, status: int) -> None:
        """The zygote's report of how the child ended; it may come before or after the pidfd tells."""
        self._reported = True
        if os.WIFSIGNALED(status):
            self._end({"cause": "signal", "signal": signal.Signals(os.WTERMSIG(status)).name})
        else:
            self._end({"cause": "exit", "status": os.WEXITSTATUS(status)})

    def _died(self) -> None:
        """All of its processes have ended; until the zygote has reaped the first, that one is a zombie."""
        self._child = "dead"
        self._close_pidfd()
        if self._reported:
            self._finish()
        else:
            self._house.loop.after(_REPORT_SECONDS_MAX, self._give_up_report)

    def _give_up_report(self) -> None:
        self._reported = True
        self._end({"cause": "lost", "reason": "its zygote did not tell how it ended"})

    def _attempt(self, step: "Callable[[], None]") -> None:
        try:
            step()
        except (OSError, posture.PostureError, ValueError) as error:
            self._fail(self._step, str(error))

    def _fail(self, step: str, reason: str) -> None:
        self._end({"cause": "failed", "step": step, "reason": reason})

    def _end(self, cause: dict) -> None:
        """Remembers the first cause, sees to it that the process goes, and finishes once it has gone."""
        if self._state == "gone":
            return
        self._cause = self._cause or cause
        self._state = "ending"
        if self._child == "none" or self._child == "dead" and self._reported:
            self._finish()
            return
        self._house.cgroups.kill(self._name)
        if self._pidfd is not None:
            posture.send_signal(self._pidfd, signal.SIGKILL)

    def _finish(self) -> None:
        self._state = "gone"
        cause = self._cause
        if cause["cause"] in ("exit", "signal") and self._house.cgroups.oom_kills(self._name) > 0:
            cause = {"cause": "out-of-memory"}
        self._listener = self._close(self._listener)
        self._control = self._close(self._control)
        self._close_pidfd()
        if self._channel is not None:
            self._channel.close()
        self._house.cgroups.remove(self._name)
        self._remove_scratch()
        self._house.tell({"ev": "ended", "slot": self.number, **cause})
        self._on_gone(self)

    def _remove_scratch(self) -> None:
        if self._scratch is None:
            return
        try:
            self._scratch.remove()
        except OSError as error:
            # Somebody else was at work there. What stays is removed by the next start; the others must not suffer.
            self._house.tell({"ev": "left", "path": self._scratch.path, "reason": str(error)})

    def _close_pidfd(self) -> None:
        if self._pidfd is not None:
            self._house.loop.forget(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _close(self, sock: "socket.socket | None") -> None:
        if sock is not None:
            self._house.loop.forget(sock.fileno())
            sock.close()
