"""Serves one lambda inside its sandbox: one event in, one answer out, until the worker hangs up.

Knows nothing of sandboxes. It is given a connected channel and a description (JSON: lambda, instance,
handler, memory_mb, response_bytes_max, env, path), loads the code, and then answers one frame with one frame.
One that has a member `kernel` is not for this, but for kernel/runner.py.
A worker that wants the code loaded ahead asks whether it is, with a frame of its own. A load that fails is
the first call's answer, asked or not; the process ends after it, so that nothing half-loaded ever serves.
"""
import _thread
import json
import os
import resource
import socket
import sys
import time

from . import failures, findings, forkable, frames, loader, orphans, output, streams, values
from .context import ENVIRONMENT, Context
from .failures import HandlerFailure
from .import_watch import ImportWatch

# lambda_func.py beside this file.
_WARM_UP_DIR = os.path.dirname(__file__)
_RUNTIME_DIR = "/runtime"
_WARM_UP = (
    b'{"lambda": "warm-up", "instance": 0, "handler": null, "memory_mb": 0, "response_bytes_max": 4096, "env": {}, "path": []}'
)
_WARM_UP_EVENT = b'{"name": "Alice", "values": [1, 2.5, null, true]}'
# To take a megabyte, or to make a process, takes about this long, so that looking less often misses no more than that.
_MEMORY_LOOK_US = 200
# Findings of these kinds say more if they are made where the variables are looked through.
_TOLD_BY_NAME = ("thread", "socket")
# Bound now: a handler may replace them.
_getrusage, _count_threads, _process_time_ns = resource.getrusage, _thread._count, time.process_time_ns


def prepare() -> None:
    """Once, in the process that all servers are forked from."""
    orphans.remember_own_children()
    os.environ.update(ENVIRONMENT)
    warm_up()


def warm_up() -> None:
    """Serves one call with nothing at stake, from loading to hanging up; a first real one is then 2 ms cheaper."""
    output.open_streams()
    facts = values.decode(_WARM_UP)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        frames.Channel(theirs).write(frames.CALL, b'{"id":"warm-up","deadline":0}', _WARM_UP_EVENT)
        theirs.shutdown(socket.SHUT_WR)
        Server(ours, introduce(facts), facts, _WARM_UP_DIR).run()
    del sys.modules["lambda_func"]


def serve(channel: socket.socket, description: bytes, spawner: "socket.socket | None" = None) -> None:
    """`spawner`: a link to what has made this sandbox, if it has one; only kernels have to do with it."""
    facts = values.decode(description)
    if "kernel" in facts:
        # Mostly found as it is in a zygote for sessions; one with packages has taken the directory out.
        sys.path.insert(0, _RUNTIME_DIR)
        from isla_kernel import runner

        runner.serve(channel, facts, spawner)
        return
    if spawner is not None:
        spawner.close()
    context = introduce(facts)
    enter_code(facts)
    Server(channel, context, facts).run()


def enter_code(facts: dict) -> None:
    """What code may count on when it is loaded."""
    # Packages last, as in any Python: what shadows the standard library is the lambda's own, never a backport.
    sys.path[:] = [loader.CODE_DIR, *(p for p in sys.path if p not in ("/runtime", *facts["path"])), *facts["path"]]
    for path in facts["path"]:
        loader.forget_listings(path)
    if facts["path"]:
        # For other interpreters that the lambda starts, as libraries do that share work among processes.
        os.environ["PYTHONPATH"] = os.pathsep.join(facts["path"])
    os.chdir(loader.CODE_DIR)


def load_code(code_dir: str, handler_name: "str | None", pid: int) -> "tuple[loader.Handler | None, BaseException | None]":
    """The lambda's function, or why there is none. `pid`: of the process that began to."""
    try:
        return loader.load(code_dir, handler_name), None
    except SystemExit as error:
        return None, HandlerFailure("Runtime.ExitError", f"the code called sys.exit({error.code!r}) while it was imported")
    except BaseException as error:  # the code is a stranger's: anything may come out of it
        return None, error
    finally:
        _leave_if_forked(pid)
        output.flush()


def introduce(facts: dict) -> Context:
    """Lets this process know, by its environment too, what it is."""
    context = Context(facts["lambda"], facts["instance"], facts["memory_mb"])
    # One by one: update() asks abstract classes first, which takes longer than all the rest of it.
    for name, value in {**facts["env"], **context.environment()}.items():
        os.environ[name] = value
    return context


class Server:
    def __init__(
        self, channel: socket.socket, context: Context, facts: dict, code_dir: str = loader.CODE_DIR,
        handler: "loader.Handler | None" = None,
    ) -> None:
        """`facts`: the description; `handler`: if it has been loaded already."""
        self._code_dir = code_dir
        self._handler_name: "str | None" = facts["handler"]
        self._preloaded = handler
        # Tells what is imported of the packages, if that is asked for.
        self._watch = ImportWatch(facts["path"][0]) if facts.get("watch_imports") and facts["path"] else None
        self._channel = frames.Channel(channel)
        self._context = context
        self._response_bytes_max: int = facts["response_bytes_max"]
        self._pid = os.getpid()
        self._meter = output.Meter()
        self._unmeasured_us = _MEMORY_LOOK_US
        # Whether there was no other process or thread when the last call was over. As long as calls have done next to
        # nothing since it was looked into, there is none.
        self._alone = False
        self._children_us = 0
        self._told_cpu_us = 0

    def run(self) -> None:
        began = time.perf_counter_ns()
        self._told_cpu_us = self._cpu_us()
        handler, failure = self._load()
        init_us = (time.perf_counter_ns() - began) // 1000
        while True:
            frame = self._channel.read()
            if frame is None:
                return
            kind, meta, event = frame
            before = self._meter.begin()
            if kind == frames.LOAD:
                self._tell_loaded(failure, init_us)
                init_us = 0
                continue
            if before is not None:
                # Who reads along while the call runs would take it for the call's.
                self._channel.write(frames.PRINTED_BEFORE, b'{"printed":[%d,%d]}' % before, b"")
            call = values.decode(meta)
            if handler is None:
                self._answer(frames.INIT_FAILED, init_us, 0, self._failed(failure, call["id"]))
                return
            self._call(handler, event, call, init_us)
            init_us = 0
            threads = _count_threads() > 0
            if threads or self._unmeasured_us == 0 or orphans.made_some():
                self._alone = orphans.bury() and not threads
            self._meter.rest(self._alone)

    def _load(self) -> tuple:
        if self._preloaded is not None:
            return self._preloaded, None
        return load_code(self._code_dir, self._handler_name, self._pid)

    def _tell_loaded(self, failure: "BaseException | None", init_us: int) -> None:
        if failure is None:
            found = [] if self._preloaded is not None else self._findings()
            self._answer(frames.LOADED, init_us, 0, json.dumps(found).encode("utf-8", "backslashreplace"))
        else:
            self._answer(frames.INIT_FAILED, init_us, 0, self._failed(failure, ""))

    def _findings(self) -> "list[dict]":
        """Never fails: what cannot be looked at is not told."""
        own = self._channel.fileno()
        try:
            left = forkable.left_behind({"0", "1", "2", str(own)})
        except BaseException as error:  # a stranger's code has been here
            left = [findings.found("runtime", type(error).__name__)]
        return [*(one for one in left if one["what"] not in _TOLD_BY_NAME), *findings.findings(own)]

    def _call(self, handler: loader.Handler, event: bytes, call: dict, init_us: int) -> None:
        began = time.perf_counter_ns()
        kind, body = self._outcome(handler, event, call)
        if self._watch is not None:
            self._watch.stop()
        self._answer(kind, init_us, (time.perf_counter_ns() - began) // 1000, body)
        self._watch = None

    def _outcome(self, handler: loader.Handler, event: bytes, call: dict) -> "tuple[int, bytes]":
        request_id = call["id"]
        try:
            value = values.decode(event)
        except (ValueError, RecursionError) as error:
            failure = HandlerFailure("Runtime.UnmarshalError", f"Unable to unmarshal input: {failures.text_of(error)}")
            return frames.EVENT_INVALID, failures.body_of(failure, request_id)
        self._context.begin(call)
        try:
            result = handler(value, self._context)
            if streams.is_streamed(result):
                answer = streams.streamed(result)
                if call.get("parts"):
                    return frames.RESULT, streams.send(answer, self._channel)
                result = streams.collected(answer, self._response_bytes_max)
        except SystemExit as error:
            output.flush()
            os._exit(_exit_status(error.code))
        except BaseException as error:
            return frames.RAISED, self._failed(error, request_id)
        finally:
            _leave_if_forked(self._pid)
            output.flush()
        return self._marshal(result, request_id)

    def _marshal(self, result: object, request_id: str) -> "tuple[int, bytes]":
        try:
            body = values.encode(result)
        except BaseException as error:  # TypeError, ValueError, RecursionError, or what a __dict__ trick raises
            failure = HandlerFailure("Runtime.MarshalError", f"Unable to marshal response: {failures.text_of(error)}")
            return frames.RAISED, self._failed(failure, request_id)
        if len(body) > self._response_bytes_max:
            message = f"Response payload size ({len(body)} bytes) exceeded maximum allowed payload size ({self._response_bytes_max} bytes)."
            return frames.RAISED, self._failed(HandlerFailure("Function.ResponseSizeTooLarge", message), request_id)
        return frames.RESULT, body

    def _failed(self, error: BaseException, request_id: str) -> bytes:
        """The body of the answer; whoever reads the log later sees what the caller saw."""
        _leave_if_forked(self._pid)
        output.flush()
        output.write_error(failures.log_text(error))
        return failures.body_of(error, request_id)

    def _answer(self, kind: int, init_us: int, run_us: int, body: bytes) -> None:
        self._unmeasured_us += run_us
        memory = b""
        # Telling of memory says, too, that a process may have died for it.
        if self._unmeasured_us >= _MEMORY_LOOK_US or not self._alone:
            self._unmeasured_us = 0
            memory = b',"peak_kb":%d' % _peak_kb()
            self._children_us = _children_cpu_us()
        imported = b"" if self._watch is None else self._watch.report()
        cpu_us = self._cpu_us()
        cpu_us, self._told_cpu_us = cpu_us - self._told_cpu_us, cpu_us
        meta = b'{"init_us":%d,"run_us":%d,"cpu_us":%d%b%b%b}' % (
            init_us, run_us, cpu_us, memory, self._meter.printed(others=_count_threads() > 0), imported
        )
        self._channel.write(kind, meta, body)

    def _cpu_us(self) -> int:
        """The CPU time of this process and, as of the last look, of the children that it has waited for."""
        return _process_time_ns() // 1000 + self._children_us


def _leave_if_forked(pid: int) -> None:
    """A handler that forks and lets the child return would answer twice."""
    if os.getpid() != pid:
        os._exit(0)


def _peak_kb() -> int:
    """The most memory that this process has taken, what it shares with its zygote included."""
    return _getrusage(resource.RUSAGE_SELF).ru_maxrss


def _children_cpu_us() -> int:
    used = _getrusage(resource.RUSAGE_CHILDREN)
    return int((used.ru_utime + used.ru_stime) * 1_000_000)


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1
