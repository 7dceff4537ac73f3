"""Node as an interpreter of cells; what runs in it is cells.mjs, which tells by lines of JSON what external_interpreter.py says."""
import json
import os

from .external_interpreter import Ends, ExternalInterpreter, Launch
from .session import Session

_PROGRAM = os.path.join(os.path.dirname(__file__), "cells.mjs")


class Node:
    def __init__(self, path: str) -> None:
        self._path = path

    def launch(self, ends: Ends) -> Launch:
        pipes = (ends.commands, ends.answers, ends.interrupts)
        # The flag is for the parser that Node itself has, which knows imports and exports from strings that look like them.
        argv = [self._path, "--expose-internals", "--no-warnings", _PROGRAM, *map(str, pipes)]
        return Launch(argv, ends.stdin, ends.stdout, ends.stderr, pipes)

    def greeting(self, ends: Ends) -> bytes:
        return b""

    def cell(self, code: str, ends: Ends) -> bytes:
        return json.dumps({"run": code}).encode() + b"\n"

    def completion(self, code: str, cursor: int, ends: Ends) -> "bytes | None":
        return json.dumps({"complete": code, "cursor": cursor}).encode() + b"\n"


def start(session: Session) -> ExternalInterpreter:
    return ExternalInterpreter(session, Node(session.runner.facts["kernel"]["path"]))
