"""An interpreter that keeps its state from cell to cell, in a process of its own: what Node, bash and their like have in common.

Besides its three streams, which the cells' programs have too, it has two pipes to the runner: one takes commands, in
words of the language's own (a Dialect), the other answers, a line of JSON each:

    {"begun": true}   {"finished": 0}   {"finished": 1, "error": {"name", "message", "traceback": []}}
    {"display": {mime: data}, "execution": true}   {"completions": [], "start": 0, "end": 0}

All that a cell has printed is in the streams' pipes before its answer is in that one. When it says that a cell has begun, an
interrupt is one of the cell's: earlier it would be lost, or end an interpreter that has only just started.
"""
import fcntl
import json
import os
import subprocess
from dataclasses import dataclass
from typing import Callable, Protocol

from . import descendants
from .completions import Completing
from .interruption import interrupt
from .pipes import PIECE_BYTES, Input, Outbox, Outputs
from .session import Request, Session, is_exit_code

# Out of the way of descriptors that a cell may choose itself, as in `exec 3< file`.
_OWN_FDS_FROM = 200
_ANSWER_BYTES_MAX = 64 << 20


@dataclass
class Ends:
    """The interpreter's ends of its pipes, as they are numbered in it."""

    stdin: int
    stdout: int
    stderr: int
    commands: int
    answers: int
    interrupts: int


@dataclass
class Launch:
    argv: "list[str]"
    stdin: int
    stdout: int
    stderr: int
    passed: "tuple[int, ...]"


class Dialect(Protocol):
    def launch(self, ends: Ends) -> Launch: ...
    def greeting(self, ends: Ends) -> bytes:
        """What it is told first."""

    def cell(self, code: str, ends: Ends) -> bytes: ...
    def completion(self, code: str, cursor: int, ends: Ends) -> "bytes | None":
        """`cursor` and what is answered count characters. None: it can not."""


class ExternalInterpreter:
    """A kernel, as session.py has it. Raises OSError if it can not be started."""

    def __init__(self, session: Session, dialect: Dialect) -> None:
        self._session = session
        self._dialect = dialect
        self._is_running = self._has_begun = self._is_interrupted = False
        self._cell = 0
        self._completing: "list[Completing]" = []
        pairs = [_pipe(reads=index in (0, 3, 5)) for index in range(6)]
        self._ends = Ends(*(theirs for theirs, _ours in pairs))
        try:
            self._process = _launch(dialect.launch(self._ends), session)
        except OSError:
            for _theirs, ours in pairs:
                os.close(ours)
            raise
        finally:
            for theirs, _ours in pairs:
                os.close(theirs)
        stdin, stdout, stderr, commands, self._answers, interrupts = (ours for _theirs, ours in pairs)
        loop = session.runner.loop
        self._input = Input(loop, stdin, self._waits)
        self._outputs = Outputs(session.on_output, (stdout, stderr), self._hear_output)
        self._commands = Outbox(loop, commands)
        self._interrupts = Outbox(loop, interrupts)
        self._heard = b""
        os.set_blocking(self._answers, False)
        # Held back together with what is printed: a display is as long as it likes.
        session.on_output(self._answers, self._hear)
        self._on_closed: "Callable[[], None] | None" = None
        self._is_open = True
        loop.on_end(self._process.pid, self._ended)
        self._commands.send(dialect.greeting(self._ends))

    # -- what the session asks --------------------------------------------------------------------

    def run(self, code: str) -> None:
        self._is_running = True
        self._has_begun = self._is_interrupted = False
        self._cell += 1
        self._commands.send(self._dialect.cell(code, self._ends))
        self._input.expect()

    def input(self, line: str) -> None:
        self._input.line(line)
        if not self._is_running:
            self._input.rest()

    def end_input(self) -> None:
        """Its own input is that of all cells that follow: who asks for a line that nobody gives is interrupted."""
        self.interrupt()

    def interrupt(self) -> None:
        if self._is_running and not self._has_begun:
            self._is_interrupted = True
        elif self._is_running:
            cell = self._cell
            self._interrupts.send(b"!")
            interrupt(self._session.runner.loop, self._process.pid, lambda: self._is_running and self._cell == cell)

    def complete(self, request: Request) -> None:
        """While a cell runs there is nothing to be said."""
        code, cursor = request.body.decode("utf-8", "replace"), request.meta["cursor"]
        asked = None if self._is_running else self._dialect.completion(code, cursor, self._ends)
        if asked is None:
            Completing(request).answer_none()
        else:
            self._completing.append(Completing(request))
            self._commands.send(asked)

    def close(self, on_closed: "Callable[[], None]") -> None:
        self._on_closed = on_closed
        descendants.kill(self._process.pid)
        self._release()

    # -- what the process says --------------------------------------------------------------------

    def _hear_output(self, stream: str, data: bytes) -> None:
        self._session.console.write(stream, data)
        if self._is_running:
            self._input.expect()

    def _waits(self) -> None:
        # What it printed before it waited is in the pipe already.
        self._outputs.tell_rest()
        self._input.rest()
        self._session.waiting_input()

    def _hear(self) -> None:
        try:
            data = os.read(self._answers, PIECE_BYTES)
        except BlockingIOError:
            return  # it has been read meanwhile
        if not data:
            self._session.on_output(self._answers, None)
            return
        *lines, self._heard = (self._heard + data).split(b"\n")
        if len(self._heard) > _ANSWER_BYTES_MAX:
            self._heard = b""  # a line without end is none of ours
        for line in lines:
            if self._is_open:
                self._obey(line)

    def _obey(self, line: bytes) -> None:
        """A cell can write there too: what makes no sense is nobody's word."""
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(said, dict):
            return
        self._outputs.tell_rest()
        if isinstance(said.get("display"), dict):
            self._session.console.display(_texts(said["display"]), said.get("execution") is True)
        elif "begun" in said:
            self._has_begun = True
            if self._is_interrupted:
                self.interrupt()
        elif "finished" in said and self._is_running:
            self._is_running = False
            self._input.rest()
            code, error = said["finished"], said.get("error")
            self._session.finish(code if is_exit_code(code) else 1, _error(error) if isinstance(error, dict) else None)
        elif "completions" in said and self._completing:
            self._completing.pop(0).answer(said)

    def _ended(self, status: "int | None") -> None:
        self._process.returncode = 0 if status is None else status
        if self._on_closed is not None:
            self._on_closed()
            return
        self._hear()
        self._outputs.tell_rest()
        self._release()
        self._session.kernel_ended(status)

    def _release(self) -> None:
        self._is_open = self._is_running = False
        self._session.on_output(self._answers, None)
        os.close(self._answers)
        self._outputs.close()
        for end in (self._input, self._commands, self._interrupts):
            end.close()
        for request in self._completing:
            request.answer_none()


def _launch(launch: Launch, session: Session) -> subprocess.Popen:
    return subprocess.Popen(
        launch.argv, stdin=launch.stdin, stdout=launch.stdout, stderr=launch.stderr, pass_fds=launch.passed,
        cwd=session.home, env=session.env, start_new_session=True,
    )


def _texts(bundle: dict) -> "dict[str, str]":
    return {mime: data for mime, data in bundle.items() if isinstance(data, str)}


def _error(said: dict) -> dict:
    lines = said.get("traceback")
    traceback = [str(line) for line in lines] if isinstance(lines, list) else []
    return {"name": str(said.get("name", "Error")), "message": str(said.get("message", "")), "traceback": traceback}


def _pipe(reads: bool) -> "tuple[int, int]":
    """(the interpreter's end, ours)."""
    reader, writer = os.pipe()
    theirs, ours = (reader, writer) if reads else (writer, reader)
    moved = fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, _OWN_FDS_FROM)
    os.close(theirs)
    return moved, ours
