"""A batch: the stages clean, build and exec, each a shell command, '' to skip it, or '*' for what the language does by itself.

Every stage tells its end, whatever became of it. A build that failed, or for which there is nothing to be built, has
exec skipped with 127, as a shell says of what it does not find. What '*' does stands in the language's facts as rules
(`Rule` of session/languages.ts); of each stage the first that fits is used.
"""
import os
from typing import Callable

from .program import Program
from .session import Request, Session

_SHELL = "/bin/sh"
_NOT_RUN = 127
_FILES_MAX = 10_000


class Batch:
    """Runs in the place of a cell; `session.run_job` begins it."""

    def __init__(self, session: Session, commands: dict) -> None:
        """`commands`: {"clean", "build", "exec"}."""
        self._session = session
        self._commands = commands
        self._rules = session.runner.facts["kernel"]["batch"]
        self._stages = ["clean", "build", "exec"]
        self._stage = ""
        self._steps: "list[list[str]]" = []
        self._program: "Program | None" = None
        self._was_interrupted = False
        self._on_closed: "Callable[[], None] | None" = None

    def run(self, _code: str) -> None:
        self._next_stage()

    def input(self, line: str) -> None:
        if self._program is not None:
            self._program.input(line)

    def end_input(self) -> None:
        if self._program is not None:
            self._program.end_input()

    def interrupt(self) -> None:
        self._was_interrupted = True
        if self._program is not None:
            self._program.interrupt()

    def complete(self, request: Request) -> None:
        self._session.kernel.complete(request)

    def close(self, on_closed: "Callable[[], None]") -> None:
        self._on_closed = on_closed
        if self._program is None:
            self._session.runner.loop.after(0, on_closed)
        else:
            self._program.kill()

    # -- stages -----------------------------------------------------------------------------------

    def _next_stage(self) -> None:
        self._stage = self._stages.pop(0)
        command = self._commands[self._stage]
        if command == "":
            self._stage_ended(0)
            return
        steps = self._heuristic() if command == "*" else [[_SHELL, "-c", command]]
        if steps is None:
            self._log(f"{self._stage}: there is nothing here that it could be done with: {self._wanted()}")
            self._stage_ended(_NOT_RUN)
            return
        self._steps = steps
        self._next_step()

    def _next_step(self) -> None:
        if not self._steps:
            self._stage_ended(0)
            return
        argv = self._steps.pop(0)
        if self._commands[self._stage] == "*":
            self._log(f"{self._stage}: {' '.join(argv)}")
        try:
            env = self._session.runner.facts["kernel"].get("env", {})
            self._program = Program(self._session, argv, self._session.home, env, self._step_ended)
        except OSError as error:
            self._log(f"{self._stage}: {argv[0]} can not be started: {error.strerror}")
            self._stage_ended(_NOT_RUN)

    def _step_ended(self, exit_code: int) -> None:
        self._program = None
        if self._on_closed is not None:
            self._on_closed()
        elif exit_code == 0:
            self._next_step()
        else:
            self._stage_ended(exit_code)

    def _stage_ended(self, exit_code: int) -> None:
        if self._stage == "exec":
            self._session.finish(exit_code)
            return
        self._session.stage(f"{self._stage}-finished", exit_code)
        if self._was_interrupted:
            # Nothing else is begun, and all the same every stage is told of.
            exit_code = exit_code or 130
        if self._was_interrupted and self._stage == "clean":
            self._session.stage("build-finished", exit_code)
            self._session.finish(_NOT_RUN)
        elif self._stage == "build" and exit_code != 0:
            self._log("exec: not run, since the build failed")
            self._session.finish(_NOT_RUN)
        else:
            self._next_stage()

    def _log(self, line: str) -> None:
        self._session.console.write("log", f"{line}\n".encode("utf-8", "replace"))

    # -- what '*' stands for ----------------------------------------------------------------------

    def _heuristic(self) -> "list[list[str]] | None":
        """None if no rule fits; no steps if the language does nothing in this stage."""
        rules = self._rules.get(self._stage, [])
        if not rules:
            return None if self._stage == "exec" else []
        for rule in rules:
            if os.path.lexists(os.path.join(self._session.home, rule["needs"])):
                return _steps_of(rule, self._session.home)
        # Only a build that finds nothing to build has failed; there may be nothing to clean.
        return [] if self._stage == "clean" else None

    def _wanted(self) -> str:
        return ", ".join(rule["needs"] for rule in self._rules.get(self._stage, [])) or "nothing fits this language"


def _steps_of(rule: dict, home: str) -> "list[list[str]]":
    files = _files(home, rule["files"]) if "files" in rule else []
    objects = [os.path.splitext(file)[0] + ".o" for file in files]
    steps = []
    if "each" in rule:
        for file, made in zip(files, objects):
            steps.append([word.replace("{file}", file).replace("{object}", made) for word in rule["each"]])
    for argv in rule["run"]:
        words: "list[str]" = []
        for word in argv:
            words += {"{files}": files, "{objects}": objects}.get(word, [word])
        steps.append(words)
    return steps


def _files(home: str, pattern: str) -> "list[str]":
    """`*.c`: of the directory; `**/*.c`: also of those below it, but for hidden ones. Sorted, relative to it."""
    everywhere = pattern.startswith("**/")
    ending = pattern.rpartition("*")[2]
    found: "list[str]" = []
    below = [""]
    while below and len(found) <= _FILES_MAX:
        directory = below.pop()
        for entry in _entries(os.path.join(home, directory)):
            path = os.path.join(directory, entry.name)
            if not entry.is_dir():
                found += [path] if entry.name.endswith(ending) else []
            elif everywhere and not entry.name.startswith(".") and not entry.is_symlink():
                below.append(path)
    # A name that begins with a dash is no option.
    return [f"./{name}" if name.startswith("-") else name for name in sorted(found)[:_FILES_MAX]]


def _entries(directory: str) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:  # it has gone, or may not be read, or lies too deep
        return []
