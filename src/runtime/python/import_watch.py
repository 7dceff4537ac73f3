"""Sees which packages a lambda's own modules import, while they load and in the first call, and how long that takes.

Only what is asked for from below /handler counts: what a package imports in turn is its own affair, and part of the
time. What one of the lambda's modules takes that another one imports is not the other's: each import counts for itself.
"""
import builtins
import json
import os
import sys
import time
import types
from typing import Iterator

from .context import OWN_ENVIRONMENT
from .loader import CODE_DIR

_NAMES_MAX = 200
_NAME_CHARACTERS_MAX = 100


class ImportWatch:
    def __init__(self, packages_dir: str) -> None:
        self._top = f"{packages_dir}/"
        self._own = f"{CODE_DIR}/"
        # In the order in which they came. Touching the name of one would copy the page of the zygote's memory that it is on.
        self._count = len(sys.modules)
        self._last = next(reversed(sys.modules))
        self._resident_kb = _resident_kb()
        self._asked: "dict[str, int]" = {}
        # What imports have taken so far that were asked for while another was under way.
        self._inner_us = 0
        # What anybody has asked for meanwhile: of what the zygote had imported nothing else shows that it is used.
        self._mentioned: "set[str]" = set()
        self._environ = dict(os.environ)
        self._changed: "set[str]" = set()
        self._import = builtins.__import__
        self._ours = builtins.__import__ = self._watched

    def stop(self) -> None:
        # The lambda may have put one of its own there.
        if builtins.__import__ is self._ours:
            builtins.__import__ = self._import

    def report(self) -> bytes:
        """What has been seen so far, a member of an answer's meta. Never fails: what can not be looked at is not told."""
        try:
            used = [sys.modules[name] for name in {*self._came(), *self._mentioned} if name in sys.modules]
            units = sorted({unit for unit in map(self._unit_of, used) if unit})
            asked = [[name, us] for name, us in self._asked.items() if self._is_of_package(name)]
        except BaseException:  # the modules that are looked into are a stranger's
            return b""
        changed = sorted(self._changed)
        if any(len(names) > _NAMES_MAX or any(len(name) > _NAME_CHARACTERS_MAX for name in names) for names in (units, changed)):
            return b""
        grown_kb = max(0, _resident_kb() - self._resident_kb)
        said = {"asked": asked[:_NAMES_MAX], "units": units, "environ": changed, "grown_kb": grown_kb}
        return b',"imported":' + json.dumps(said).encode()

    def _came(self) -> "Iterator[str]":
        """Names of modules that were not there before."""
        came = len(sys.modules) - self._count
        for name in reversed(sys.modules):
            # It may have been taken out, and have come again.
            if name == self._last and came <= 0:
                return
            came -= 1
            yield name

    def _watched(self, name, globals=None, locals=None, fromlist=(), level=0):
        if level != 0:
            return self._import(name, globals, locals, fromlist, level)
        self._mentioned.add(name)
        if not self._is_own(globals):
            return self._import(name, globals, locals, fromlist, level)
        self._look_at_environment()
        inner_before, self._inner_us = self._inner_us, 0
        began = time.perf_counter_ns()
        try:
            return self._import(name, globals, locals, fromlist, level)
        finally:
            took_us = (time.perf_counter_ns() - began) // 1000
            self._note(name, max(0, took_us - self._inner_us))
            self._inner_us = inner_before + took_us
            for more in fromlist or ():
                if f"{name}.{more}" in sys.modules:
                    self._note(f"{name}.{more}", 0)

    def _note(self, name: str, us: int) -> None:
        if len(name) <= _NAME_CHARACTERS_MAX:
            self._asked[name] = self._asked.get(name, 0) + us

    def _look_at_environment(self) -> None:
        now = dict(os.environ)
        if now != self._environ:
            changed = {name for name in {*now, *self._environ} if now.get(name) != self._environ.get(name)}
            self._changed |= changed.difference(OWN_ENVIRONMENT)

    def _is_own(self, space) -> bool:
        return isinstance(space, dict) and str(space.get("__file__", "")).startswith(self._own)

    def _is_of_package(self, name: str) -> bool:
        module = sys.modules.get(name)
        return isinstance(module, types.ModuleType) and str(getattr(module, "__file__", "")).startswith(self._top)

    def _unit_of(self, module: object) -> str:
        """The first part of its path below the packages; the first two if packages share that."""
        file = str(getattr(module, "__file__", "")) if isinstance(module, types.ModuleType) else ""
        if not file.startswith(self._top):
            return ""
        top, _slash, rest = file[len(self._top) :].partition("/")
        if rest and getattr(sys.modules.get(top), "__file__", None) is None:
            return f"{top}/{rest.partition('/')[0]}"
        return top


def _resident_kb() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * (os.sysconf("SC_PAGE_SIZE") // 1024)
