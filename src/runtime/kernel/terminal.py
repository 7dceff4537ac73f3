"""Shells on terminals, beside the kernel: as many at once as the sandbox's processes and its /dev/pts allow.

What is printed is read only as fast as the other side takes it: a terminal that is held, or whose worker has enough to read,
makes its programs wait. Closing one hangs up, as an unplugged terminal does.

    pty-open {pty, rows, columns}, which is answered    pty-write {pty} + bytes    pty-resize {pty, rows, columns}
    pty-hold {pty, held}                                pty-close {pty}
    and to the worker: {session, pty} + bytes           {session, pty, exitCode}
"""
import fcntl
import os
import struct
import subprocess
import termios
from typing import TYPE_CHECKING, Callable

from .pipes import PIECE_BYTES, Outbox, exit_code

if TYPE_CHECKING:
    from .session import Request, Session

_SHELLS = ("/bin/bash", "/usr/bin/bash", "/bin/sh")
_SIZE = struct.Struct("HHHH")
_CELLS_MAX = 1_000
_TERMINALS_MAX = 32
# Of what others still print when the shell has ended.
_LAST_PIECES_MAX = 16


class Terminal:
    """Raises OSError if there is none to be had."""

    def __init__(self, session: "Session", number: int, size: "tuple[int, int]", on_end: "Callable[[], None]") -> None:
        """`size`: rows and columns."""
        self._session = session
        self._number = number
        self._on_end = on_end
        self._master, slave = os.openpty()
        try:
            self.resize(size)
            # Nothing here has threads that could hold a lock meanwhile.
            self._process = subprocess.Popen(
                [_shell(), "-l"], stdin=slave, stdout=slave, stderr=slave, cwd=session.home, start_new_session=True,
                env={**session.env, "TERM": "xterm-256color"}, preexec_fn=lambda: _begin(session),
            )
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)
        self._outbox = Outbox(session.runner.loop, os.dup(self._master))
        self._is_held = False
        session.on_output(self._master, self._read)
        session.runner.loop.on_end(self._process.pid, self._ended)

    def write(self, data: bytes) -> None:
        self._outbox.send(data)

    def resize(self, size: "tuple[int, int]") -> None:
        if self._master >= 0:
            rows, columns = (min(max(count, 1), _CELLS_MAX) for count in size)
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, _SIZE.pack(rows, columns, 0, 0))

    def hold(self, held: bool) -> None:
        if self._master >= 0 and held != self._is_held:
            self._is_held = held
            self._session.on_output(self._master, None if held else self._read)

    def close(self) -> None:
        """Its end is told all the same."""
        if self._master >= 0:
            self._outbox.close()
            self._session.on_output(self._master, None)
            os.close(self._master)
            self._master = -1

    def _read(self) -> bool:
        """Whether there was something."""
        try:
            data = os.read(self._master, PIECE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # EIO: nobody holds the other end any more
        if data:
            self._say({}, data)
        else:
            self._session.on_output(self._master, None)
        return bool(data)

    def _ended(self, status: "int | None") -> None:
        self._process.returncode = exit_code(status)
        pieces = 0
        while self._master >= 0 and pieces < _LAST_PIECES_MAX and self._read():
            pieces += 1
        self.close()
        self._on_end()
        self._say({"exitCode": self._process.returncode})

    def _say(self, meta: dict, body: bytes = b"") -> None:
        self._session.runner.link.say({"session": self._session.number, "pty": self._number, **meta}, body)


def _begin(session: "Session") -> None:
    session.join_group()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _shell() -> str:
    return next((path for path in _SHELLS if os.path.exists(path)), _SHELLS[-1])


class Terminals:
    """Those of one session, by the worker's numbers."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._open: "dict[int, Terminal]" = {}

    def open(self, request: "Request") -> None:
        number = request.meta["pty"]
        if len(self._open) >= _TERMINALS_MAX:
            request.refuse("sandbox-failed", f"there are {_TERMINALS_MAX} terminals open already")
            return
        try:
            self._open[number] = Terminal(self._session, number, _size(request), lambda: self._open.pop(number, None))
        except OSError as error:
            request.refuse("sandbox-failed", f"there is no terminal to be had: {error.strerror}")
        else:
            request.answer()

    def obey(self, request: "Request") -> None:
        """One that has ended meanwhile does not care."""
        terminal = self._open.get(request.meta["pty"])
        if terminal is None:
            return
        op = request.meta["op"]
        if op == "pty-write":
            terminal.write(request.body)
        elif op == "pty-resize":
            terminal.resize(_size(request))
        elif op == "pty-hold":
            terminal.hold(request.meta["held"])
        else:
            terminal.close()

    def close(self) -> None:
        for terminal in list(self._open.values()):
            terminal.close()


def _size(request: "Request") -> "tuple[int, int]":
    return request.meta["rows"], request.meta["columns"]
