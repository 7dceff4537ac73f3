"""The Python kernel as the runner has it: a fork of the runner itself, with whatever packages its zygote has imported.

The process speaks over a socket of packets (packets.py): cells, completions and lines of input there; output, what is
displayed and the end of a cell back. Its descriptors 1 and 2 are pipes, for what is written past Python's own streams, by
programs that it starts or by libraries. A packet says how much lies in those pipes that came before it (AFTER_OTHERS), so
that all of the output keeps its order. What the pipes deliver beside that is told when no packet is left.

It leads a process group: an interrupt reaches the programs that a cell has started, too, as ctrl-C in a terminal does.
"""
import json
import os
import signal
import socket
import time
from typing import Callable

from . import completer, descendants, interpreter, packets
from .checkpoint import NONE_MADE, Answered, Checkpoint
from .completions import Completing
from .kernel_socket import KernelSocket, pair
from .others_pipe import OthersPipe, pipes
from .session import Request, Session, is_exit_code

_STREAMS = ("stdout", "stderr")
# Read in one turn, before others are served.
_PACKETS_PER_TURN = 64
# Beside what is displayed: names of variables, tracebacks.
_MESSAGE_SLACK_BYTES = 1 << 20
_COMPLETION_SECONDS_MAX = 2.0
# Between the end of its channel and the word of its own.
_END_SECONDS_MAX = 0.25
# Between its being killed and the word of its end, which nothing but the kernel can keep back.
_CLOSE_SECONDS_MAX = 2.0


def start(session: Session) -> "PythonKernel":
    ours, theirs = pair()
    others, ends = pipes()
    pid = os.fork()
    if pid == 0:
        path = session.runner.facts["path"]
        interpreter.become(theirs, ends, session.runner.caps, session.home, session.env, path, session.join_group)
    theirs.close()
    for fd in ends:
        os.close(fd)
    return PythonKernel(session, pid, ours, others)


class PythonKernel:
    def __init__(self, session: Session, pid: int, control: socket.socket, others: "list[int]") -> None:
        """`others`: read ends of the pipes that are its stdout and stderr."""
        self._session = session
        self.pid = pid
        self._socket = KernelSocket(control, session.runner.loop)
        self._others = others
        self._pipes = [OthersPipe(fd) for fd in others]
        self._assembler = self._new_assembler()
        self._requests: "dict[int, Request]" = {}
        self._next_request = 0
        self._fault = ""
        self._has_ended = False
        self._on_closed: "Callable[[], None] | None" = None
        self._checkpoint: "Checkpoint | None" = None
        self.rewinding: "Request | None" = None
        """Who has it go back; until it has, whatever it is told is lost."""
        self._has_begun = self._is_interrupted = False
        """Whether the cell that it was given last runs by its word, and whether that was interrupted before it did."""
        self._waiting: "str | None" = None
        """A cell that came while it was going back."""
        session.on_output(self._socket.fd, self._read)
        for at in (0, 1):
            session.on_output(others[at], lambda at=at: self._read_others(at))
        session.runner.loop.on_end(pid, self._ended)

    def _new_assembler(self) -> packets.Assembler:
        return packets.Assembler(self._session.runner.caps.display_bytes + _MESSAGE_SLACK_BYTES)

    # -- as session.Kernel --------------------------------------------------------------------------

    def run(self, code: str) -> None:
        if self.rewinding is not None:
            self._waiting = code
            return
        if self._session.runner.facts["kernel"]["rewindable"]:
            self.checkpoint(None)
        self._has_begun = self._is_interrupted = False
        self._socket.send(packets.CELL, code.encode("utf-8", "surrogatepass"))

    def input(self, line: str) -> None:
        self._socket.send(packets.LINE, line.encode("utf-8", "replace"))

    def end_input(self) -> None:
        self._socket.send(packets.INPUT_END, b"")

    def interrupt(self) -> None:
        if self._waiting is not None:
            self._waiting = None
            self._session.finish(130)
        elif self._session.running and not self._has_begun:
            self._is_interrupted = True  # now it would be lost, or end a process that is about to become a kernel
        elif self._session.running or self._requests:
            self._signal(signal.SIGINT)

    def complete(self, request: Request) -> None:
        code = request.body.decode("utf-8", "surrogatepass")
        if self._session.running or self.rewinding is not None:
            # It is busy; what can be said without its variables is better than nothing.
            Completing(request).answer(completer.complete(code, request.meta["cursor"], {}))
            return
        number = self.ask(packets.COMPLETE, Completing(request), {"code": code, "cursor": request.meta["cursor"]})
        self._session.runner.loop.after(_COMPLETION_SECONDS_MAX, lambda: self._give_up(number))

    def close(self, on_closed: "Callable[[], None]") -> None:
        self._on_closed = on_closed
        descendants.kill(self.pid)
        self._session.runner.loop.after(_CLOSE_SECONDS_MAX, lambda: self._ended(None))

    # -- going back ---------------------------------------------------------------------------------

    def checkpoint(self, request: "Request | None") -> None:
        """Only while no cell runs; the one before is dropped."""
        if self._checkpoint is not None:
            self._checkpoint.drop()
        self._checkpoint = Checkpoint(request)
        self._checkpoint.ask(self)

    def rewind(self, request: Request) -> None:
        if self.rewinding is not None:
            request.refuse("cannot-fork", "it is going back already")
            return
        if self._checkpoint is None or self._checkpoint.pid is None:
            reason = NONE_MADE if self._checkpoint is None else self._checkpoint.refusal
            request.refuse("cannot-fork", f"there is nothing to go back to: {reason}")
            return
        if self._session.runner.knows(self._checkpoint.pid):
            request.refuse("cannot-fork", "there is nothing to go back to: the checkpoint is another kernel's process")
            return
        self.rewinding = request
        self._session.finish(130)
        descendants.kill(self.pid)

    def _go_back(self) -> None:
        """Its process has ended; the one that waits goes on with its socket and pipes."""
        self._socket.empty()
        self._refuse_all()
        self._assembler = self._new_assembler()
        kept, self._checkpoint = self._checkpoint, None
        self.pid = kept.pid
        self._session.runner.loop.on_end(self.pid, self._ended)
        self._next_request += 1
        self._requests[self._next_request] = Answered(self.rewinding, self._gone_back)
        kept.wake({"id": self._next_request})

    def _gone_back(self) -> None:
        self.rewinding = None
        if self._waiting is not None:
            code, self._waiting = self._waiting, None
            self.run(code)

    # -- asking it ----------------------------------------------------------------------------------

    def ask(self, kind: int, request: Request, question: dict, fds: "list[int] | None" = None) -> int:
        """Its answer becomes the request's. Only while no cell runs. `fds` go along; they stay the caller's."""
        number = self._next_request = self._next_request + 1
        self._requests[number] = request
        self._socket.send(kind, json.dumps({"id": number, **question}).encode(), fds)
        return number

    def _give_up(self, number: int) -> None:
        if number in self._requests:
            self._signal(signal.SIGINT)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # it has ended, which is about to be told

    def _refuse_all(self) -> None:
        for request in self._requests.values():
            request.refuse("session-missing", "the kernel has ended")
        self._requests.clear()

    # -- hearing it ---------------------------------------------------------------------------------

    def _read(self) -> bool:
        """Whether nothing is left."""
        for _ in range(_PACKETS_PER_TURN):
            packet = self._socket.receive()
            if packet is None:
                return True
            if not packet:
                self._session.on_output(self._socket.fd, None)
                # Nobody has the other end any more. It has ended, which is about to be told, or can not be spoken with.
                self._session.runner.loop.after(_END_SECONDS_MAX, lambda: self._dispose("it has closed its channel"))
                return True
            try:
                message = self._assembler.take(packet)
                if message is not None:
                    self._take(*message)
            except Exception as error:  # a stranger's word, which may be anything
                self._dispose(f"it said what no kernel says: {error}")
                return True
        return False

    def _take(self, kind: int, flags: int, payload: bytes) -> None:
        session = self._session
        if flags & packets.AFTER_OTHERS:
            *waiting, sent_ns = packets.Others.unpack_from(payload)
            payload = payload[packets.Others.size :]
            for stream, pipe, count in zip(_STREAMS, self._pipes, waiting):
                session.console.write(stream, pipe.take(pipe.end_at(sent_ns, count)))
        if kind in (packets.STDOUT, packets.STDERR):
            session.console.write("stdout" if kind == packets.STDOUT else "stderr", payload)
            return
        if kind == packets.BEGUN:
            self._begun()
            return
        said = json.loads(payload)
        if kind == packets.DISPLAY:
            bundle = {str(mime): str(data) for mime, data in said["bundle"].items()}
            session.console.display(bundle, said["execution"] is True)
        elif kind == packets.WAITING:
            session.waiting_input(said["password"] is True)
        elif kind == packets.FINISHED:
            if not is_exit_code(said["exit"]):
                raise ValueError("an exit code that is none")
            error = said["error"]
            session.finish(said["exit"], None if error is None else _error_of(error))
        elif kind == packets.ANSWER:
            request = self._requests.get(said["id"])
            if request is not None:
                self._answer(request, said)
                # Not before: an answer that can not be is none, and the end of the kernel is one.
                del self._requests[said["id"]]
        else:
            raise ValueError(f"a message of kind {kind}")

    def _begun(self) -> None:
        self._has_begun = True
        if self._is_interrupted:
            self.interrupt()

    def _answer(self, request: Request, said: dict) -> None:
        if "refused" in said:
            request.refuse("cannot-fork", str(said["refused"]))
        else:
            request.answer(said["value"])

    def _read_others(self, at: int) -> None:
        pipe = self._pipes[at]
        now_ns, end = time.monotonic_ns(), pipe.end()
        # What it said before somebody wrote this comes first, and may be followed by part of it.
        if not self._read():
            return
        pipe.forget_before(now_ns)
        data = pipe.take(end)
        self._session.console.write(_STREAMS[at], data)
        if not data and pipe.is_over():
            self._session.on_output(pipe.fd, None)

    # -- its end ------------------------------------------------------------------------------------

    def _dispose(self, fault: str) -> None:
        if not self._fault and not self._has_ended:
            self._fault = fault
            self._signal(signal.SIGKILL)

    def _ended(self, status: "int | None") -> None:
        if self._has_ended:
            return
        if self.rewinding is not None and self._checkpoint is not None and self._on_closed is None:
            self._go_back()
            return
        session = self._session
        self._has_ended = True
        if self._on_closed is None:
            if not self._fault:
                self._read()
            for stream, pipe in zip(_STREAMS, self._pipes):
                session.console.write(stream, pipe.take(pipe.end()))
        self._refuse_all()
        if self._checkpoint is not None:
            self._checkpoint.drop()
            if self.rewinding is not None:  # a restart came before it had gone back
                self.rewinding.refuse("session-missing", "the kernel has ended")
        session.on_output(self._socket.fd, None)
        self._socket.close()
        for fd in self._others:
            session.on_output(fd, None)
            os.close(fd)
        if self._on_closed is not None:
            self._on_closed()
        else:
            session.kernel_ended(status, self._fault)


def _error_of(said: dict) -> dict:
    return {"name": str(said["name"]), "message": str(said["message"]), "traceback": [str(line) for line in said["traceback"]]}
