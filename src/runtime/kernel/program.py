"""A program inside the sandbox: three pipes, its end, and whether it waits for a line of input.

It leads a session and process group of its own, so that an interrupt reaches all of it. What it leaves behind
when it ends lives on, as far as the sandbox's limits allow, but nobody hears it: its output has nowhere to go then.
"""
import errno
import os
import signal
import subprocess
from typing import Callable

from . import descendants
from .interruption import interrupt
from .pipes import Input, Outputs, exit_code
from .session import Session

# Who is interrupted, or hangs up on its own reader, knows why it ends.
_SELF_EVIDENT = (signal.SIGINT, signal.SIGPIPE)


class Program:
    """`argv[0]` is a path or is found on the PATH of the session. Raises OSError if it can not be started."""

    def __init__(self, session: Session, argv: "list[str]", cwd: str, env: "dict[str, str]", on_end: "Callable[[int], None]") -> None:
        """`env`: variables on top of the session's. `on_end(exit_code)` comes once, after all that it has printed."""
        self._session = session
        self._on_end = on_end
        stdin, our_stdin = os.pipe()
        try:
            self._process = subprocess.Popen(
                argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                cwd=cwd, env={**session.env, **env}, start_new_session=True, preexec_fn=session.join_group if session.group else None,
            )
        except BaseException as error:
            os.close(our_stdin)
            if isinstance(error, ValueError):  # a zero byte, or half a character
                raise OSError(errno.EINVAL, str(error)) from None
            raise
        finally:
            os.close(stdin)
        self._input = Input(session.runner.loop, our_stdin, self._waits)
        fds = [os.dup(stream.fileno()) for stream in (self._process.stdout, self._process.stderr)]
        for stream in (self._process.stdout, self._process.stderr):
            stream.close()
        self._outputs = Outputs(session.on_output, tuple(fds), self._hear)
        self._is_alive = True
        session.runner.loop.on_end(self._process.pid, self._ended)
        self._input.expect()

    def input(self, line: str) -> None:
        self._input.line(line)

    def end_input(self) -> None:
        self._input.end()

    def interrupt(self) -> None:
        """As ctrl-C: all of its group. Nothing once it has ended."""
        if self._is_alive:
            interrupt(self._session.runner.loop, self._process.pid, lambda: self._is_alive)

    def kill(self) -> None:
        if self._is_alive:
            descendants.kill(self._process.pid)

    def _hear(self, stream: str, data: bytes) -> None:
        self._session.console.write(stream, data)
        self._input.expect()

    def _waits(self) -> None:
        # What it printed before it waited is in the pipe already.
        self._outputs.tell_rest()
        self._input.rest()
        self._session.waiting_input()

    def _ended(self, status: "int | None") -> None:
        self._is_alive = False
        self._outputs.tell_rest()
        self._outputs.close()
        self._input.close()
        self._process.returncode = exit_code(status)
        if status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) not in _SELF_EVIDENT:
            name = signal.Signals(os.WTERMSIG(status)).name
            self._session.console.write("stderr", f"[the program was ended by {name}]\n".encode())
        self._on_end(self._process.returncode)
