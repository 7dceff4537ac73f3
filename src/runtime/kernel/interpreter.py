"""The process of a Python kernel: it waits for a cell, runs it in a namespace that lasts, and says what became of it.

It is a fork of the runner, and never returns to what that was doing. The last expression of a cell is displayed, by
sys.displayhook as everywhere; `await` works at the top level. While a cell runs, an interrupt is a KeyboardInterrupt;
between cells it is nothing. Cells are files to tracebacks: `<cell 3>` is the third one.
"""
import __future__
import _ast
import builtins
import fcntl
import getpass
import json
import linecache
import os
import random
import signal
import socket
import sys
import types
import warnings
from typing import Callable, NoReturn

from . import completer, display, errors, forking, packets, streams, trees
from .console import Caps

# Where nobody closes descriptors without looking.
_CONTROL_FD_MIN = 200
_FDS_MAX = 4096
_WORD_BYTES_MAX = 4096
_TOP_LEVEL_AWAIT = _ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_COROUTINE = 0x80  # inspect.CO_COROUTINE
# Bound now: a cell may replace them.
_write, _exit = os.write, os._exit
_FUTURES = 0
for _name in __future__.all_feature_names:
    _FUTURES |= getattr(__future__, _name).compiler_flag


def become(
    control: socket.socket, ends: "list[int]", caps: Caps, home: str, env: "dict[str, str]", path: "list[str]",
    join_group: "Callable[[], None]",
) -> NoReturn:
    """In a fork of the runner. `ends`: what is to be stdout and stderr."""
    status = 1
    try:
        join_group()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        link = streams.Link(arrange_descriptors(control, ends))
        os.chdir(home)
        os.environ.clear()
        for name, value in env.items():
            os.environ[name] = value
        sys.path[:] = ["", *(p for p in sys.path if p not in ("/runtime", *path)), *path]
        sys.argv = [""]
        Interpreter(link, caps).serve()
        status = 0
    except BaseException as error:  # what a cell has done to this process: it can not go on
        _write(2, f"The kernel failed: {type(error).__name__}: {error}\n".encode("utf-8", "replace"))
    finally:
        _exit(status)


def arrange_descriptors(control: socket.socket, ends: "list[int]") -> int:
    """Leaves 0 (null), 1, 2, and the control socket, whose new number it is."""
    os.dup2(ends[0], 1)
    os.dup2(ends[1], 2)
    moved = fcntl.fcntl(control.fileno(), fcntl.F_DUPFD_CLOEXEC, _CONTROL_FD_MIN)
    os.closerange(3, moved)
    os.closerange(moved + 1, _FDS_MAX)
    return moved


class Interpreter:
    def __init__(self, link: streams.Link, caps: Caps) -> None:
        self._link = link
        self._cells = 0
        self._flags = 0
        self._interruptible = False
        self._event_loop = None
        self.module = types.ModuleType("__main__")
        self.module.__builtins__ = builtins
        sys.modules["__main__"] = self.module
        self._names = vars(self.module)
        self.displays = display.Displays(link, caps, self._names)
        streams.install(link)
        getpass.getpass = streams.getpass
        builtins.exit = builtins.quit = errors.Quitter()
        builtins.display = self.displays.display
        sys.displayhook = self.displays.show_value
        signal.signal(signal.SIGINT, self._interrupted)

    def serve(self) -> None:
        """Until the runner hangs up."""
        while True:
            message = self._link.receive()
            if message is None:
                return
            kind, _flags, payload = message
            if kind == packets.CELL:
                self._tell_outcome(self._run(payload.decode("utf-8", "surrogatepass")))
            elif kind == packets.COMPLETE:
                self._complete(json.loads(payload))
            elif kind == packets.FORK:
                self._fork(json.loads(payload), self._link.fds)
            elif kind == packets.CHECKPOINT:
                self._keep(json.loads(payload), self._link.fds[0])
            elif kind == packets.LINE:
                self._link.keep_line(payload)

    # -- a cell -------------------------------------------------------------------------------------

    def _run(self, code: str) -> "BaseException | None":
        """What it raised."""
        self._cells += 1
        name = f"<cell {self._cells}>"
        _remember_lines(name, code)
        try:
            self._interruptible = True
            self._link.begun()
            for part in self._parts(code, name):
                self._execute(part)
            self.displays.show_figures()
            return None
        except BaseException as error:  # a stranger's code: anything may come out of it
            return error
        finally:
            self._interruptible = False

    def _parts(self, code: str, name: str) -> "list[types.CodeType]":
        """The cell as code objects: its statements, and its last expression, which is to be displayed."""
        flags = self._flags | _TOP_LEVEL_AWAIT
        tree = compile(code, name, "exec", flags | _ast.PyCF_ONLY_AST, True)
        last = []
        if tree.body and isinstance(tree.body[-1], _ast.Expr) and not _is_silenced(code):
            last = [tree.body.pop()]
        parts = []
        if tree.body:
            parts.append(compile(tree, name, "exec", flags, True))
            self._flags |= parts[0].co_flags & _FUTURES
            flags |= self._flags
        if last:
            parts.append(compile(_ast.Interactive(last), name, "single", flags, True))
        return parts

    def _execute(self, part: types.CodeType) -> None:
        if not part.co_flags & _COROUTINE:
            exec(part, self._names)
            return
        import asyncio

        self._event_loop = _current_loop(asyncio)
        task = self._event_loop.create_task(eval(part, self._names))
        try:
            self._event_loop.run_until_complete(task)
        except BaseException:
            if not task.done():  # an interrupt comes out of the loop, not of the task
                task.cancel()
                self._event_loop.run_until_complete(asyncio.wait([task]))
            raise

    def _tell_outcome(self, error: "BaseException | None") -> None:
        try:
            streams.flush()
            said = None
            if error is not None:
                said = errors.describe(error)
                self._link.say(packets.STDERR, said.pop("text").encode("utf-8", "backslashreplace"))
                errors.remember(error)
            self._link.tell(packets.FINISHED, {"exit": errors.exit_code(error), "error": said})
        except KeyboardInterrupt:  # raised by what the cell left behind, not by an interrupt
            self._link.tell(packets.FINISHED, {"exit": 0, "error": None})

    def _interrupted(self, _number: int, _frame: object) -> None:
        if self._interruptible:
            raise KeyboardInterrupt

    # -- between cells ------------------------------------------------------------------------------

    def _complete(self, question: dict) -> None:
        self._interruptible = True
        try:
            found = completer.complete(question["code"], question["cursor"], self._names)
        except BaseException:  # looking at a stranger's objects runs their code; or it took too long
            found = {"completions": [], "start": question["cursor"], "end": question["cursor"]}
        finally:
            self._interruptible = False
        self._link.tell(packets.ANSWER, {"id": question["id"], "value": found})


    # -- forks --------------------------------------------------------------------------------------

    def _fork(self, question: dict, fds: "list[int]") -> None:
        """`fds`: the fork's socket, stdout and stderr."""
        try:
            self._refuse_unforkable(*fds)
            forking.copy_home(question["old_home"], question["home"])
            try:
                pid = forking.fork()
            except OSError:
                trees.remove(question["home"])
                raise
        except Exception as error:  # a stranger's code has been here: whatever it is, there is no fork
            self._link.tell(packets.ANSWER, {"id": question["id"], "refused": str(error)})
            pid = -1
        if pid == 0:
            self._become_fork(question, fds)
            return
        for fd in fds:
            os.close(fd)
        if pid > 0:
            self._link.tell(packets.ANSWER, {"id": question["id"], "value": True})

    def _become_fork(self, question: dict, fds: "list[int]") -> None:
        control, out, err = fds
        self._link.become(control)
        for fd, number in ((out, 1), (err, 2)):
            os.dup2(fd, number)
            os.close(fd)
        os.environ.update(question["env"])
        os.chdir(question["home"])
        forking.open_anew(question["old_home"], question["home"])
        forking.draw_anew(self._names)
        self._link.hello()

    def _keep(self, question: dict, wakes: int) -> None:
        """A fork that waits until `wakes` says that it is to go on instead of this process."""
        before = random.getstate()
        try:
            self._refuse_unforkable()
            pid = forking.fork()
        except Exception as error:  # as above
            self._link.tell(packets.ANSWER, {"id": question["id"], "refused": str(error)})
            pid = -1
        if pid == 0:
            said = os.read(wakes, _WORD_BYTES_MAX)
            if not said:
                os._exit(0)
            # It is not another one, but the same once more.
            random.setstate(before)
            self._link.empty()
            question, pid = json.loads(said), os.getpid()
        os.close(wakes)
        if pid > 0:
            self._link.tell(packets.ANSWER, {"id": question["id"], "value": pid})

    def _refuse_unforkable(self, *fds: int) -> None:
        """`fds`: a fork's own."""
        reason = forking.hindrance({self._link.fd, *fds}, self._event_loop)
        if reason is not None:
            raise OSError(reason)
        if self._event_loop is not None:
            # Its sockets are its own; the next cell that awaits makes another.
            self._event_loop.close()


def _remember_lines(name: str, code: str) -> None:
    entry = (len(code), None, code.splitlines(True), name)
    if not isinstance(linecache.cache, dict):  # a cell has put something else there
        linecache.cache = {}
    linecache.cache[name] = entry


def _current_loop(asyncio):
    """That which cells find without awaiting, too: it may have tasks of theirs already."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loop = asyncio.get_event_loop()
    except RuntimeError:
        loop = None
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop


def _is_silenced(code: str) -> bool:
    """As in other notebooks: a semicolon at the end, and nothing is displayed."""
    return code.rstrip().endswith(";")
