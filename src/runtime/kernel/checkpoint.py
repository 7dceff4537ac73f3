"""A kernel as it was, kept to go back to: a fork that waits.

It holds the socket and the pipes of its kernel, reads a pipe of its own, and takes the kernel's place when it is told to
there; when the pipe closes instead, it ends.
"""
import json
import os
from typing import Callable

from . import packets
from .session import Request

_PID_MAX = 0x7FFFFFFF
NONE_MADE = "no session but a rewindable one keeps what was before a run, and before its first there is nothing"


class Checkpoint:
    """A kernel that waits. As a Request, too: what the kernel answers is its pid."""

    def __init__(self, request: "Request | None") -> None:
        self._request = request
        self.pid: "int | None" = None
        self.refusal = "nothing is kept of it"
        self._reads, self._wakes = os.pipe2(os.O_CLOEXEC)

    def ask(self, kernel) -> None:
        kernel.ask(packets.CHECKPOINT, self, {}, [self._reads])
        os.close(self._reads)

    def answer(self, value: object = None, body: bytes = b"") -> None:
        if type(value) is not int or not 0 < value <= _PID_MAX:
            raise ValueError("a pid that is none")
        self.pid = value
        if self._request is not None:
            self._request.answer()

    def refuse(self, code: str, message: str) -> None:
        self.refusal = message
        self.drop()
        if self._request is not None:
            self._request.refuse(code, message)

    def wake(self, question: dict) -> None:
        try:
            os.write(self._wakes, json.dumps(question).encode())
        except BrokenPipeError:
            pass  # a cell has ended it, which is about to be told
        self.drop()

    def drop(self) -> None:
        if self._wakes >= 0:
            os.close(self._wakes)
            self._wakes = -1


class Answered:
    """A request whose answer is followed by something."""

    def __init__(self, request: Request, then: "Callable[[], None]") -> None:
        self._request = request
        self._then = then

    def answer(self, value: object = None, body: bytes = b"") -> None:
        self._request.answer()
        self._then()

    def refuse(self, code: str, message: str) -> None:
        self._request.refuse(code, message)
