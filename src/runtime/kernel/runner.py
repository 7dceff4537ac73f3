"""Runs the kernels of one sandbox: process 1 of it, and the only one that speaks with the worker.

Theory of operation. It is forked from a zygote like a lambda's instance, and given a description with a member `kernel`:
{"output_bytes_max", "rewindable"} and what session/languages.ts knows of its language (`RunnerFacts`). It runs no
stranger's code: every kernel, batch and terminal is a child, so that a crash, an interrupt or a restart of one is for this process to see and to arrange. It is not dumpable and the first of its pid
namespace, so that nothing in the sandbox can look into it or signal it. What the kernel allows to every process of the same user, to change
its priority and limits, it allows here, too: that can end the sandbox's own sessions, and no others.

The channel carries messages both ways (worker_link.py). From the worker, by `op` of the meta, with `session`, a number:

    run {mode: "query"} + code          run {mode: "batch"} + JSON {clean, build, exec}
    input + line                        interrupt
    and with an `id`, which is answered by {answer: id, value} or {answer: id, error: [code, message]}:
    complete {cursor} + code            restart               end
    fork {as: number, name}             checkpoint, rewind
    file-write, file-read, file-list, file-remove (file_requests.py)
    pty-open, -write, -resize, -hold, -close (terminal.py)

To the worker, besides answers: {session} + JSON of events (session/kernel.ts), and {ended: session, cause, reason}.
"""
import importlib
import json
import os
import socket
import sys
from typing import Callable

from . import descendants, file_requests, forks, home
from .batch import Batch
from .console import Caps, json_of
from .groups import Groups
from .languages import module_of
from .loop import Loop
from .session import Request, Session
from .worker_link import WorkerLink

# Of what one thing displayed may have.
_DISPLAYS_PER_RUN = 8
# In one message, unless it is one event.
_EVENTS_BYTES_MAX = 1 << 20


def serve(channel: socket.socket, facts: dict, spawner: "socket.socket | None" = None) -> None:
    """Returns when the worker hangs up, or the last session has ended. `spawner`: a link to it, where it gives one."""
    Runner(channel, facts, spawner).run()


class Runner:
    def __init__(self, channel: socket.socket, facts: dict, spawner: "socket.socket | None") -> None:
        """`facts`: the description."""
        display_bytes = facts["response_bytes_max"]
        self.caps = Caps(facts["kernel"]["output_bytes_max"], display_bytes, display_bytes * _DISPLAYS_PER_RUN)
        self.facts = facts
        self.sessions: "dict[int, Session]" = {}
        self.is_held = False
        """Whether output is not read at the moment, because the worker does not read it."""
        self.loop = Loop(self._end_turn)
        self.link = WorkerLink(channel, self.loop, self._hear, self.loop.stop)
        self.link.on_relieved = self._relieved
        self.groups = Groups(spawner, self.loop)
        env = home.environment(home.FIRST, {"ISLA_SESSION": facts["lambda"], **facts["env"]}, facts["path"])
        self._first = Session(self, 0, facts["kernel"]["language"], home.make(0), env)

    def run(self) -> None:
        os.chdir(self._first.home)
        self.sessions[0] = self._first
        self.start_kernel(self._first)
        self.loop.run()

    def start_kernel(self, session: Session) -> None:
        """Raises OSError."""
        module = importlib.import_module(f"{__package__}.{module_of(session.language)}")
        session.kernel = module.start(session)

    def knows(self, pid: int) -> bool:
        """Whether it is this process, no process, or somebody's kernel: nothing that could become another one."""
        return pid <= 1 or any(getattr(session.kernel, "pid", 0) == pid for session in self.sessions.values())

    def say_events(self, number: int, events: "list[dict]") -> None:
        """In as many messages as it takes: the worker reads none that is longer than it may be."""
        pieces, size = [], 0
        for event in events:
            piece = json_of(event)
            if pieces and size + len(piece) > _EVENTS_BYTES_MAX:
                self.link.say({"session": number}, b"[%b]" % b",".join(pieces))
                pieces, size = [], 0
            pieces.append(piece)
            size += len(piece)
        self.link.say({"session": number}, b"[%b]" % b",".join(pieces))

    def session_ended(self, session: Session, cause: str, reason: str) -> None:
        """For whatever cause; all its processes have ended, or will soon."""
        if session.ended:
            return
        session.ended = True
        session.terminals.close()
        session.leave_group()
        session.flush()
        del self.sessions[session.number]
        self._end_what_it_left(session)
        self.link.say({"ended": session.number, "cause": cause, "reason": reason})

    def _end_what_it_left(self, session: Session) -> None:
        """Of a fork, the spawner ends it with its groups; the first is in this process's own, which its forks outlive."""
        others = self.sessions.values()
        if session is self._first and others and all(other.group for other in others):
            descendants.kill_beside({getattr(other.kernel, "pid", 0) for other in others})

    # -- what the worker says -----------------------------------------------------------------------

    def _hear(self, meta: dict, body: bytes) -> None:
        request = Request(self.link, meta, body)
        session = self.sessions.get(meta["session"])
        if session is None:
            if "id" in meta:
                request.refuse("session-missing", "the kernel has ended")
            return
        OPERATIONS[meta["op"]](session, request)

    # -- the end of each turn -----------------------------------------------------------------------

    def _end_turn(self) -> None:
        for session in list(self.sessions.values()):
            session.flush()
        if self.link.is_full and not self.is_held:
            self._hold(True)

    def _relieved(self) -> None:
        if self.is_held:
            self._hold(False)

    def _hold(self, held: bool) -> None:
        self.is_held = held
        for session in self.sessions.values():
            session.hold(held)


def _run(session: Session, request: Request) -> None:
    if request.meta["mode"] == "batch":
        session.run_job(Batch(session, json.loads(request.body)))
    else:
        session.run(request.body.decode("utf-8", "surrogatepass"))


def _input(session: Session, request: Request) -> None:
    if session.runs is None:
        return
    if request.meta.get("end"):
        session.runs.end_input()
    else:
        session.runs.input(request.body.decode("utf-8", "replace"))


def _interrupt(session: Session, _request: Request) -> None:
    if session.runs is not None:
        session.runs.interrupt()


def _complete(session: Session, request: Request) -> None:
    if session.kernel is None:
        request.answer({"completions": [], "start": request.meta["cursor"], "end": request.meta["cursor"]})
    else:
        session.kernel.complete(request)


def _restart(session: Session, request: Request) -> None:
    session.restart(request)


def _end(session: Session, request: Request) -> None:
    def closed() -> None:
        session.runner.session_ended(session, "destroyed", "it was asked for")
        request.answer()

    session.close_kernel(closed)


def _tell_terminal(session: Session, request: Request) -> None:
    session.terminals.obey(request)


OPERATIONS: "dict[str, Callable[[Session, Request], None]]" = {
    "run": _run,
    "input": _input,
    "interrupt": _interrupt,
    "complete": _complete,
    "restart": _restart,
    "end": _end,
    "fork": forks.fork,
    "checkpoint": forks.checkpoint,
    "rewind": forks.rewind,
    "file-write": file_requests.write,
    "file-read": file_requests.read,
    "file-list": file_requests.list_directory,
    "file-remove": file_requests.remove,
    "pty-open": lambda session, request: session.terminals.open(request),
    "pty-write": _tell_terminal,
    "pty-resize": _tell_terminal,
    "pty-hold": _tell_terminal,
    "pty-close": _tell_terminal,
}


def preload() -> None:
    """In the process that all runners are forked from: what kernels take until their first cell."""
    for module in ("python_kernel", "node_kernel", "bash_kernel", "program_kernel"):
        importlib.import_module(f"{__package__}.{module}")
    sys.modules.setdefault("getpass", importlib.import_module("getpass"))
