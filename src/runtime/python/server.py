"""Serves one lambda inside its sandbox: one event in, one answer out, until the worker hangs up.

Knows nothing of sandboxes. It is given a connected channel and a description (JSON: lambda, instance,
memory_mb, response_bytes_max, env, path), loads the code, and then answers one frame with one frame.
A worker that wants the code loaded ahead asks whether it is, with a frame of its own. A load that fails is
the first call's answer, asked or not; the process ends after it, so that nothing half-loaded ever serves.
"""
import errno
import io
import json
import os
import socket
import sys
import time

from . import failures, frames, loader, orphans, values
from .context import Context
from .failures import HandlerFailure

_WARM_UP = "def handler(event):\n    return {'event': event, 'text': f'{1}'}\n"
_WARM_UP_EVENT = b'{"name": "Alice", "values": [1, 2.5, null, true]}'


class _Output(io.FileIO):
    """stdout or stderr. What does not fit any more is dropped: a full log must not fail the handler's prints."""

    def write(self, data) -> "int | None":
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return len(data)


def _open_output(fd: int, name: str) -> io.TextIOWrapper:
    raw = _Output(fd, "w", closefd=False)
    raw.name = name
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True)


def prepare() -> None:
    """Once, in the process that all servers are forked from."""
    orphans.remember_own_children()
    warm_up()


def warm_up() -> None:
    """Walks the request path once with nothing at stake; a first real call is then 2 ms cheaper."""
    sys.stdout, sys.stderr = _open_output(1, "<stdout>"), _open_output(2, "<stderr>")
    space: dict = {}
    exec(compile(_WARM_UP, "<warm-up>", "exec"), space)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        frames.Channel(ours).write(frames.CALL, b'{"id":"warm-up","deadline":0}', _WARM_UP_EVENT)
        _kind, meta, event = frames.Channel(theirs).read() or (0, b"", b"")
    for _round in range(2):
        values.decode(meta)
        values.encode(space["handler"](values.decode(event)))


def serve(channel: socket.socket, description: bytes) -> None:
    facts = json.loads(description)
    os.environ.update(facts["env"])
    sys.path[:] = [loader.CODE_DIR, *facts["path"], *(p for p in sys.path if p != "/runtime")]
    os.chdir(loader.CODE_DIR)
    Server(channel, facts).run()


class Server:
    def __init__(self, channel: socket.socket, facts: dict) -> None:
        self._channel = frames.Channel(channel)
        self._context = Context(facts["lambda"], facts["instance"], facts["memory_mb"])
        self._response_bytes_max: int = facts["response_bytes_max"]
        self._pid = os.getpid()

    def run(self) -> None:
        began = time.perf_counter_ns()
        handler, failure = self._load()
        init_us = (time.perf_counter_ns() - began) // 1000
        while True:
            frame = self._channel.read()
            if frame is None:
                return
            kind, meta, event = frame
            if kind == frames.LOAD:
                self._tell_loaded(failure, init_us)
                init_us = 0
                continue
            call = values.decode(meta)
            if handler is None:
                self._answer(frames.INIT_FAILED, init_us, 0, failures.body_of(failure, call["id"]))
                return
            self._call(handler, event, call, init_us)
            init_us = 0
            orphans.bury()

    def _load(self) -> tuple:
        try:
            return loader.load(), None
        except SystemExit as error:
            return None, HandlerFailure("Runtime.ExitError", f"the code called sys.exit({error.code!r}) while it was imported")
        except BaseException as error:  # the code is a stranger's: anything may come out of it
            return None, error
        finally:
            self._leave_if_forked()

    def _tell_loaded(self, failure: "BaseException | None", init_us: int) -> None:
        self._flush()
        if failure is None:
            self._answer(frames.LOADED, init_us, 0, b"{}")
        else:
            self._answer(frames.INIT_FAILED, init_us, 0, failures.body_of(failure, ""))

    def _call(self, handler: loader.Handler, event: bytes, call: dict, init_us: int) -> None:
        began = time.perf_counter_ns()
        kind, body = self._outcome(handler, event, call)
        self._answer(kind, init_us, (time.perf_counter_ns() - began) // 1000, body)

    def _outcome(self, handler: loader.Handler, event: bytes, call: dict) -> "tuple[int, bytes]":
        request_id = call["id"]
        try:
            value = values.decode(event)
        except (ValueError, RecursionError) as error:
            failure = HandlerFailure("Runtime.UnmarshalError", f"Unable to unmarshal input: {failures.text_of(error)}")
            return frames.EVENT_INVALID, failures.body_of(failure, request_id)
        self._context.begin(request_id, call["deadline"])
        try:
            result = handler(value, self._context)
        except SystemExit as error:
            self._flush()
            os._exit(_exit_status(error.code))
        except BaseException as error:
            return frames.RAISED, failures.body_of(error, request_id)
        finally:
            self._leave_if_forked()
            self._flush()
        return self._marshal(result, request_id)

    def _marshal(self, result: object, request_id: str) -> "tuple[int, bytes]":
        try:
            body = values.encode(result)
        except BaseException as error:  # TypeError, ValueError, RecursionError, or what a __dict__ trick raises
            failure = HandlerFailure("Runtime.MarshalError", f"Unable to marshal response: {failures.text_of(error)}")
            return frames.RAISED, failures.body_of(failure, request_id)
        if len(body) > self._response_bytes_max:
            message = f"Response payload size ({len(body)} bytes) exceeded maximum allowed payload size ({self._response_bytes_max} bytes)."
            return frames.RAISED, failures.body_of(HandlerFailure("Function.ResponseSizeTooLarge", message), request_id)
        return frames.RESULT, body

    def _answer(self, kind: int, init_us: int, run_us: int, body: bytes) -> None:
        self._channel.write(kind, b'{"init_us":%d,"run_us":%d}' % (init_us, run_us), body)

    def _leave_if_forked(self) -> None:
        """A handler that forks and lets the child return would answer twice."""
        if os.getpid() != self._pid:
            os._exit(0)

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:  # the handler may have closed or replaced it; its output is its own affair
                continue


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1
