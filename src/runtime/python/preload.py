"""A lambda's code, loaded before there is an instance of it, in a process whose forks are instances."""
import os
import socket
import sys
import time
import types
from typing import Iterator

from . import server, values
from .context import Context
from .loader import CODE_DIR


class Preloaded:
    """Does what isla_runtime.server does for those whose code has not been loaded."""

    def __init__(self, facts: dict) -> None:
        """`facts`: the description of an instance. Raises whatever loading the code does."""
        self._variables = server.introduce(facts).environment()
        server.enter_code(facts)
        began = time.perf_counter_ns()
        self._handler, failure = server.load_code(CODE_DIR, facts["handler"], os.getpid())
        if failure is not None:
            raise failure
        self.took_us = (time.perf_counter_ns() - began) // 1000

    def warm_up(self) -> None:
        """The code may have changed all that this would touch."""

    def serve(self, channel: socket.socket, description: bytes, spawner: socket.socket) -> None:
        spawner.close()
        facts = values.decode(description)
        context = Context(facts["lambda"], facts["instance"], facts["memory_mb"])
        for name, value in context.environment().items():
            # What the code has set, it keeps.
            if os.environ.get(name) == self._variables[name]:
                os.environ[name] = value
        server.Server(channel, context, facts, handler=self._handler).run()


def own_modules() -> "Iterator[types.ModuleType]":
    """Those of the lambda and of its packages."""
    for module in list(sys.modules.values()):
        if isinstance(module, types.ModuleType) and str(getattr(module, "__file__", "")).startswith((f"{CODE_DIR}/", "/packages/")):
            yield module
