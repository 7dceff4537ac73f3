"""One session as the runner sees it: a kernel that may be replaced, a working directory, and what the worker is told.

A sandbox holds one session, and those that were forked from it. How another language plugs in: a module of this
directory, named in languages.py, with

    def start(session: Session) -> Kernel

which begins a kernel in `session.home` with `session.env`, and raises OSError if that can not be. From then on the kernel
tells the session what happens, and the session it what to do (`Kernel` below). A run ends with `session.finish`, whatever
became of it, exactly once; the end of the kernel itself, unless it was closed, with `session.kernel_ended`.

Output is read through `session.on_output`, so that it can be held back while the worker does not take it.
"""
import os
import signal
from typing import Callable, Protocol

from .console import Console
from .terminal import Terminals

_EXIT_CODE_MAX = 0xFFFFFFFF


class Request:
    """What the worker asks, and waits for the answer of. One answer each."""

    def __init__(self, link, meta: dict, body: bytes) -> None:
        self.meta = meta
        self.body = body
        self._link = link

    def answer(self, value: object = None, body: bytes = b"") -> None:
        """`value` is JSON, and short: 60,000 bytes at most. Anything longer is the body's."""
        self._link.say({"answer": self.meta["id"], "value": value}, body)

    def refuse(self, code: str, message: str) -> None:
        """`code` is one of config/failure.ts."""
        self._link.say({"answer": self.meta["id"], "error": [code, message[:2000]]})


def is_exit_code(said: object) -> bool:
    """Whether it can be one: a stranger's word may be any number, also one that the worker can not read."""
    return type(said) is int and abs(said) <= _EXIT_CODE_MAX


class Kernel(Protocol):
    def run(self, code: str) -> None:
        """Begins a cell; nothing else runs. Ends with session.finish."""

    def input(self, line: str) -> None:
        """A line, without its end, for the program that runs."""

    def end_input(self) -> None:
        """As ctrl-D: there are no more lines for the program that runs."""

    def interrupt(self) -> None:
        """As ctrl-C. Called at any time."""

    def complete(self, request: Request) -> None:
        """`request.body` is the code, `request.meta["cursor"]` where the cursor is, in characters. The answer is
        {"completions", "start", "end"}. Called at any time, also while a cell runs."""

    def close(self, on_closed: "Callable[[], None]") -> None:
        """Ends all its processes, at once. `on_closed` comes later, never from within; nothing is told after it was called."""


class Session:
    def __init__(self, runner, number: int, language: str, home: str, env: "dict[str, str]") -> None:
        self.runner = runner
        self.number = number
        self.language = language
        self.home = home
        """Its working directory. /home/work leads to that of the first session."""
        self.env = env
        """All variables of its processes."""
        self.console = Console(runner.caps)
        """For output and what is displayed: `write` and `display`."""
        self.running = False
        self.ended = False
        self.kernel: "Kernel | None" = None
        self.terminals = Terminals(self)
        self.group: "list[int]" = []
        """Of a fork: descriptors by which a process puts itself into its control groups (groups.py)."""
        self._job: "Kernel | None" = None
        self._waiting: "str | None" = None
        """A cell that is to run when there is a kernel again."""
        self._restarting = False
        self._outputs: "dict[int, Callable[[], None]]" = {}

    # -- its control groups -------------------------------------------------------------------------

    def join_group(self) -> None:
        """In a child of the runner, before it has threads or runs anybody's code."""
        for fd in self.group:
            os.write(fd, b"0")

    def leave_group(self) -> None:
        for fd in self.group:
            os.close(fd)
        self.group = []

    # -- what a kernel tells ------------------------------------------------------------------------

    def on_output(self, fd: int, callback: "Callable[[], None] | None") -> None:
        """As Loop.on_readable, but not while the worker has enough to read."""
        if callback is None:
            self._outputs.pop(fd, None)
            self.runner.loop.on_readable(fd, None)
            return
        self._outputs[fd] = callback
        if not self.runner.is_held:
            self.runner.loop.on_readable(fd, callback)

    def hold(self, held: bool) -> None:
        for fd, callback in self._outputs.items():
            self.runner.loop.on_readable(fd, None if held else callback)

    def waiting_input(self, is_password: bool = False) -> None:
        if self.running:
            self.console.tell({"kind": "waiting-input", "isPassword": is_password})

    def stage(self, name: str, exit_code: int) -> None:
        """`name`: clean-finished or build-finished."""
        self.console.tell({"kind": "stage", "stage": name, "exitCode": exit_code})

    def finish(self, exit_code: int, error: "dict | None" = None) -> None:
        """`error`: name, message and traceback, a list of lines."""
        if not self.running:
            return
        self.running = False
        self._job = self._waiting = None
        self.console.tell({"kind": "finished", "exitCode": exit_code, **({} if error is None else {"error": error})})

    def kernel_ended(self, status: "int | None", reason: str = "") -> None:
        """By itself: its wait status, None if nobody knows. `reason` if that is known better. The session ends with it."""
        cause, why = _cause_of(status, reason)
        # A run that was in flight is finished by the worker, which knows better why.
        self.running = False
        job, self.kernel, self._job, self._waiting = self._job, None, None, None
        if job is not None:
            job.close(lambda: None)
        self.runner.session_ended(self, cause, why)

    # -- what the worker asks -----------------------------------------------------------------------

    def run(self, code: str) -> None:
        self.begin_run()
        if self.kernel is not None:
            self.kernel.run(code)
        elif self._restarting:
            self._waiting = code
        else:
            self._cannot_run()

    def run_job(self, job: Kernel) -> None:
        """Something that runs in the place of a cell, such as a batch: it gets what the kernel would, and must finish."""
        self.begin_run()
        self._job = job
        job.run("")

    def begin_run(self) -> None:
        if self.running:
            raise ValueError("a run was begun while another one was in flight")
        self.running = True
        self.console.begin()

    @property
    def runs(self) -> "Kernel | None":
        """What input and interrupts are for."""
        return self._job or self.kernel

    def restart(self, request: Request) -> None:
        self._restarting = True
        self.close_kernel(lambda: self._start_again(request))

    def close_kernel(self, on_closed: "Callable[[], None]") -> None:
        """The kernel, and what runs beside it; a run is finished with 130."""
        closing = [one for one in (self._job, self.kernel) if one is not None]
        self.finish(130)
        self.kernel = None
        left = len(closing)

        def closed() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                on_closed()

        for one in closing:
            one.close(closed)
        if not closing:
            self.runner.loop.after(0, on_closed)

    def _start_again(self, request: Request) -> None:
        if self.ended:
            request.refuse("session-missing", "the session has ended meanwhile")
            return
        self._restarting = False
        try:
            self.runner.start_kernel(self)
        except OSError as error:
            if self.running:
                self._cannot_run()
            request.refuse("sandbox-failed", f"the kernel could not be started again: {error}")
            return
        request.answer()
        if self._waiting is not None:
            self.kernel.run(self._waiting)
            self._waiting = None

    def _cannot_run(self) -> None:
        self.console.write("stderr", b"The kernel could not be started again; restart it.\n")
        self.finish(130)

    def flush(self) -> None:
        """At the end of each turn of the loop."""
        if self.console.events:
            self.runner.say_events(self.number, self.console.take())


def _cause_of(status: "int | None", reason: str) -> "tuple[str, str]":
    if status is not None and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        # SIGKILL for want of memory is seen from outside only: the worker has the kernel's count.
        cause = "killed" if number == signal.SIGKILL and not reason else "signal"
        return cause, reason or f"its process was ended by signal {number}"
    if status is None:
        return "exit", reason or "its process ended, nobody knows how"
    return "exit", reason or f"its process ended by itself, with status {os.WEXITSTATUS(status)}"
