"""What the standard library does around each fork, and need not do where a zygote makes a sandbox.

A zygote has one thread and holds no lock when it forks, so threading has no thread to forget, and logging and the pools of
threads have no lock to renew. Doing it all the same takes each child half a millisecond and copies 0.6 MB of pandas's pages. Who
forks in a sandbox has it done as ever, and what packages want done is done with every fork.
"""
import contextlib
import os
import sys
from typing import Callable, Iterator

_NEEDLESS = ("threading", "logging", "concurrent.futures.thread")
_Hook = Callable[[], object]


class ForkHooks:
    def __init__(self) -> None:
        self.skipped = False
        """Whether the needless ones do nothing."""

    @contextlib.contextmanager
    def watched(self) -> "Iterator[None]":
        """Those that are registered meanwhile can be skipped."""
        register = os.register_at_fork

        def watched_register(**hooks: _Hook) -> None:
            who = sys._getframe(1).f_globals.get("__name__")
            register(**{when: self._skippable(hook) if who in _NEEDLESS else hook for when, hook in hooks.items()})

        os.register_at_fork = watched_register
        try:
            yield
        finally:
            os.register_at_fork = register

    def _skippable(self, hook: _Hook) -> _Hook:
        return lambda: None if self.skipped else hook()
