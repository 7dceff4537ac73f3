"""One sandbox from nothing to gone: which state it is in and what comes next; the steps are sandbox.py's.

    queued ──there is a zygote──▶ making ──child waits, worker has connected──▶ waiting ──code handed over──▶ serving
       │                            │  └─▶ launching ─▶ if another program is to wait  if it has outbound └─▶ connecting ─▶ serving
       └────────────────────── any failure, kill or death ──────────────────────────▶ gone

The worker hears `listening`, `waiting`, `started`, and at last `ended`.
"""
import os
import signal
from typing import Callable

from . import posture, processes, running, words
from .house import House
from .ids import SandboxId
from .program import FORK, Program
from .sandbox import Sandbox
from .succession import Succession
from .zygotes import Zygote

# Longer than one that does not answer is waited for, so that whoever queues behind it is served by the next.
_QUEUE_SECONDS_MAX = 30.0
_MAKE_SECONDS_MAX = 10.0
_REPORT_SECONDS_MAX = 3.0
_CONNECT_SECONDS_MAX = 10.0
_MAKING = ("making", "launching")
_ZYGOTE_DIED = {"cause": "lost", "reason": "its zygote died"}


class Slot:
    def __init__(self, house: House, line: Succession, number: int, own_id: SandboxId, on_gone: "Callable[[Slot], None]") -> None:
        self.number = number
        self.own_id = own_id
        self.zygote: "Zygote | None" = None
        """What it is made from; none yet while it is queued."""
        self._house = house
        self._line = line
        self._program = FORK
        self._on_gone = on_gone
        self._sandbox = Sandbox(house, number, own_id)
        self._state = "queued"
        self._pending_start: "dict | None" = None
        self._pidfd: "int | None" = None
        self._child = "none"  # none, asked, alive, dead
        self._reported = False
        self._cause: "dict | None" = None
        self._paused = False

    # -- making -----------------------------------------------------------------------------------

    def make(self, program: Program) -> None:
        self._program = program
        self._line.join(self)
        if self._state == "queued":
            self._house.loop.after(_QUEUE_SECONDS_MAX, self._give_up_queueing)

    def zygote_found(self, zygote: Zygote) -> None:
        self.zygote = zygote
        zygote.sandboxes += 1
        self._state = "making"
        self._attempt(self._make)

    def zygote_lacking(self, reason: str) -> None:
        self._fail("find a zygote", reason)

    def _give_up_queueing(self) -> None:
        if self._state == "queued":
            self._fail("find a zygote", f"none was ready for {_QUEUE_SECONDS_MAX:.0f} s")

    def _make(self) -> None:
        house = self._house
        self._sandbox.make(self.zygote, self._program, lambda: self._attempt(self._hear_child))
        self._child = "asked"
        self._sandbox.await_worker(lambda: self._attempt(self._accept))
        house.loop.after(_MAKE_SECONDS_MAX, self._expire)
        house.tell({"ev": "listening", "slot": self.number})

    def _accept(self) -> None:
        self._sandbox.accept()
        self._finish_making()

    def hear_zygote(self, word: words.Word) -> None:
        """What its zygote says of it. Raises ValueError if that can not be true; a descriptor is then still the caller's."""
        expected = "alive" if word.kind == "reaped" else "asked"
        if self._child != expected and not (word.kind == "reaped" and self._child == "dead" and not self._reported):
            raise ValueError(f"it said {word.kind!r} of a child that is {self._child}")
        if word.kind == "forked":
            self._forked(word.pidfd)
        elif word.kind == "fork_failed":
            self._child = "none"
            self._fail("fork", word.error)
        else:
            self._reaped(word.status)

    def _forked(self, pidfd: int) -> None:
        self._child = "alive"
        self._pidfd = pidfd
        self._house.loop.on_readable(pidfd, self._died)
        if self._state == "ending":
            posture.send_signal(pidfd, signal.SIGKILL)
        else:
            self._attempt(self._mount)

    def _mount(self) -> None:
        self._sandbox.mount(self._pidfd, self.zygote)
        self._finish_making()

    def _hear_child(self) -> None:
        self._sandbox.hear_child()
        self._finish_making()

    def _finish_making(self) -> None:
        if self._state not in _MAKING or self._pidfd is None or not self._sandbox.is_together:
            return
        if self._state == "making":
            self._sandbox.finish_making(self._pidfd, self.zygote)
            if self._program.is_launched:
                self._state = "launching"
                self._sandbox.launch(self._program)
                # The zygote has done its part; what comes takes longer than several forks.
                self._line.leave(self)
                return
        self._state = "waiting"
        if self._pending_start is None:
            self._house.tell({"ev": "waiting", "slot": self.number})
        else:
            self.start(self._pending_start)
        self._line.leave(self)

    def _expire(self) -> None:
        if self._child == "asked":
            # It forks nothing any more, stopped or stuck; a new one will. Its end is this slot's end too, which may have
            # failed already: a zygote that drops what it is asked hangs up.
            self._fail("fork", f"the zygote did not answer for {_MAKE_SECONDS_MAX:.0f} s")
            self.zygote.kill(f"it did not answer for {_MAKE_SECONDS_MAX:.0f} s")
        elif self._state in _MAKING:
            self._fail(self._sandbox.step, f"not ready after {_MAKE_SECONDS_MAX:.0f} s")

    # -- serving ----------------------------------------------------------------------------------

    def start(self, request: dict) -> None:
        """Hands the code over; a slot that is still being made does it when it is ready."""
        if self._state == "queued" or self._state in _MAKING:
            self._pending_start = request
        else:
            self._attempt(lambda: self._start(request))

    def _start(self, request: dict) -> None:
        if self._state != "waiting":
            raise OSError(f"the sandbox is {self._state}, not waiting")
        network, description = request["network"], request["description"]
        # Which network namespace it is in was decided when it was made.
        if (network["mode"] == "host") != self.zygote.in_host_network:
            raise OSError(f"the sandbox has not been made for network {network['mode']!r}")
        self._sandbox.outfit(self._pidfd, self.zygote, request)
        if network["mode"] == "none":
            self._hand_over(description)
        elif network["mode"] == "host":
            self._sandbox.find_host_resolvers(self._pidfd)
            self._hand_over(description)
        elif network["mode"] == "outbound":
            self._state = "connecting"
            self._house.loop.after(_CONNECT_SECONDS_MAX, self._give_up_connecting)
            self._sandbox.connect(
                self._pidfd, network["egress"], lambda: self._attempt(lambda: self._connected(description)), self._network_lost
            )
        else:
            raise OSError(f"there is no network {network['mode']!r}")

    def _connected(self, description: dict) -> None:
        if self._state == "connecting":
            self._hand_over(description)

    def _network_lost(self, reason: str) -> None:
        if self._state == "connecting":
            self._fail(self._sandbox.step, reason)
        else:
            self._end({"cause": "lost", "reason": f"its network broke: {reason}"})

    def _give_up_connecting(self) -> None:
        if self._state == "connecting":
            self._fail(self._sandbox.step, f"not ready after {_CONNECT_SECONDS_MAX:.0f} s")

    def _hand_over(self, description: dict) -> None:
        # The state first: the child may answer, and end, before the next line here has run.
        self._state = "serving"
        self._sandbox.hand_over(description, lambda fault: self._end({"cause": "lost", "reason": fault}))
        self._house.tell({"ev": "started", "slot": self.number})
        self._house.spare_directory.renew()  # the child is at work meanwhile
        self._sandbox.show_when_used(self.zygote, self._program, lambda: self._child == "alive")

    def pause(self) -> None:
        self._set_paused(True)

    def resume(self) -> None:
        self._set_paused(False)

    def _set_paused(self, paused: bool) -> None:
        if self._state == "serving" and self._paused != paused:
            self._paused = paused
            running.freeze(self._house.cgroups, self._sandbox.name, self._pidfd, paused)

    def memory_bytes(self) -> "dict[str, int]":
        return {} if self._state == "queued" else self._sandbox.memory_bytes()

    def end_fork(self, number: int) -> None:
        word = {"ev": "fork-ended", "slot": self.number, "fork": number}
        self._attempt(lambda: self._sandbox.end_fork(number, lambda charged: self._house.tell({**word, **charged})))

    # -- ending -----------------------------------------------------------------------------------
    # The end waits for one of: there never was a child; its pidfd is readable, by which time the kernel has
    # ended all of its pid namespace; the zygote is gone, and with it every descendant.

    def kill(self) -> None:
        # Its channel closes before the word of its end gets here: on a busy machine the worker asks for the end
        # of one that has crashed already, and its caller should hear of the crash.
        self._end(None if self._state == "serving" and self._ends_by_itself() else {"cause": "destroyed"})

    def _ends_by_itself(self) -> bool:
        return self._pidfd is None or processes.is_ending(self._sandbox.pid, self._pidfd)

    def zygote_gone(self) -> None:
        self._child = "none"
        self._end(_ZYGOTE_DIED)

    def _reaped(self, status: int) -> None:
        """The zygote's report of how the child ended; it may come before or after the pidfd tells."""
        self._reported = True
        if self._state in _MAKING:
            # What it said last may not have been read yet, and tells more than how it ended.
            self._attempt(self._hear_child)
        if os.WIFSIGNALED(status):
            self._end({"cause": "signal", "signal": words.signal_name(os.WTERMSIG(status))})
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
            if self.zygote.is_ending:
                # Its children end before it does: whatever failed, that is why.
                self.zygote.kill()
                self._end(_ZYGOTE_DIED)
            else:
                self._fail(self._sandbox.step, str(error))

    def _fail(self, step: str, reason: str) -> None:
        self._end({"cause": "failed", "step": step, "reason": reason})

    def _end(self, cause: "dict | None") -> None:
        """Remembers the first cause, sees to it that the process goes, and finishes once it has gone.

        None: whatever the report of its end will say.
        """
        if self._state == "gone":
            return
        self._cause = self._cause or cause
        self._state = "ending"
        if self._child == "none" or self._child == "dead" and self._reported:
            self._finish()
            return
        self._house.cgroups.kill(self._sandbox.name)
        if self._pidfd is not None:
            posture.send_signal(self._pidfd, signal.SIGKILL)

    def _finish(self) -> None:
        self._state = "gone"
        self._line.leave(self)
        self._sandbox.disconnect(self._remove)

    def _remove(self) -> None:
        cause = self._cause
        if cause["cause"] in ("exit", "signal") and self._house.cgroups.oom_kills(self._sandbox.name) > 0:
            cause = {"cause": "out-of-memory"}
        self._close_pidfd()
        cgroups = self._house.cgroups
        charged = {"peak_bytes": cgroups.peak_bytes(self._sandbox.name), "cpu_us": cgroups.cpu_us(self._sandbox.name)}
        self._sandbox.remove()
        self._house.tell({"ev": "ended", "slot": self.number, **charged, **cause})
        self._on_gone(self)

    def _close_pidfd(self) -> None:
        if self._pidfd is not None:
            self._house.loop.forget(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
