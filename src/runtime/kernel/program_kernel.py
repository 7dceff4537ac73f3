"""Languages whose cells are whole programs: each is written to a file, compiled if need be, and run; no state but files.

The facts of the language say how, as `query`: {"file", "build": [argv, …], "exec": argv, "env": {}}, where `{dir}` stands for
the directory that the cell has to itself, outside of the working directory. The compiler runs there, the program in the
working directory.
"""
import os
from typing import Callable

from . import trees
from .program import Program
from .session import Request, Session

_CELLS_DIR = ".cells"
# Typed ahead, while nothing runs.
_LINES_MAX = 1_000


def start(session: Session) -> "ProgramKernel":
    return ProgramKernel(session, session.runner.facts["kernel"]["query"])


class ProgramKernel:
    def __init__(self, session: Session, query: dict) -> None:
        self._session = session
        self._query = query
        self._top = os.path.join(os.path.dirname(os.path.realpath(session.home)), _CELLS_DIR)
        self._cells = 0
        self._cell_dir = ""
        self._steps: "list[tuple[list[str], str]]" = []
        self._program: "Program | None" = None
        self._lines: "list[str]" = []
        self._on_closed: "Callable[[], None] | None" = None

    def run(self, code: str) -> None:
        self._cells += 1
        self._cell_dir = os.path.join(self._top, f"{self._session.number}-{self._cells}")
        try:
            os.makedirs(self._cell_dir)
            with open(os.path.join(self._cell_dir, self._query["file"]), "w", encoding="utf-8", errors="replace") as file:
                file.write(code)
        except OSError as error:
            self._finish(self._fail(f"the cell can not be written: {error.strerror}"))
            return
        build = [(argv, self._cell_dir) for argv in self._query["build"]]
        self._steps = [*build, (self._query["exec"], self._session.home)]
        self._next()

    def input(self, line: str) -> None:
        if self._program is not None and not self._steps:
            self._program.input(line)
        elif len(self._lines) < _LINES_MAX:
            self._lines.append(line)

    def end_input(self) -> None:
        if self._program is not None and not self._steps:
            self._program.end_input()

    def interrupt(self) -> None:
        if self._program is not None:
            self._program.interrupt()

    def complete(self, request: Request) -> None:
        cursor = request.meta["cursor"]
        request.answer({"completions": [], "start": cursor, "end": cursor})

    def close(self, on_closed: "Callable[[], None]") -> None:
        self._on_closed = on_closed
        if self._program is None:
            self._session.runner.loop.after(0, on_closed)
        else:
            self._program.kill()

    def _next(self) -> None:
        argv, cwd = self._steps.pop(0)
        argv = [word.replace("{dir}", self._cell_dir) for word in argv]
        try:
            self._program = Program(self._session, argv, cwd, self._query["env"], self._ended)
        except OSError as error:
            self._finish(self._fail(f"{argv[0]} can not be started: {error.strerror}"))
            return
        if not self._steps:
            for line in self._lines:
                self._program.input(line)
            self._lines.clear()

    def _ended(self, exit_code: int) -> None:
        self._program = None
        if self._on_closed is None and exit_code == 0 and self._steps:
            self._next()
        else:
            self._finish(exit_code)

    def _fail(self, message: str) -> int:
        self._session.console.write("stderr", f"{message}\n".encode())
        return 127

    def _finish(self, exit_code: int) -> None:
        if self._cell_dir:
            trees.remove(self._cell_dir)
        if self._on_closed is not None:
            self._on_closed()
        else:
            self._session.finish(exit_code)
