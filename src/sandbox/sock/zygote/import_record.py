"""Imports modules and writes down what their code has asked for meanwhile, found or not.

A module that is imported here runs with fewer packages beside it than in a lambda that has more, and without the
lambda's variables. Most do not care. Who looks for a package that is not there, and does without, would do without
in that lambda too; who reads a variable has read that of the zygote. So all that is looked for in vain, and every
variable that is read, is told: a lambda that has such a package, or sets such a variable, starts from elsewhere.
"""
import contextlib
import importlib
import os
import sys
import time
import types
from typing import Iterator

from isla_runtime import context, findings, loader

from .heritage import Heritage
from .tmp_files import TmpFiles, Unlike

PACKAGES_DIR = "/packages"
_NAMES_MAX = 300
_NAME_CHARACTERS_MAX = 100
# It makes a list of all that is installed, once, when it is imported.
_INSTALLED_LISTERS = ("pkg_resources",)
_ALL = "*"


class Unfit(Exception):
    """A module that no zygote can have imported, and why."""

    def __init__(self, module: str, reason: str) -> None:
        super().__init__(f"import {module}: {reason}")
        self.module = module


class _Vain:
    """The last of the finders: whoever gets here has not been found by any other."""

    def __init__(self) -> None:
        self.names: "set[str]" = set()

    def find_spec(self, name: str, path=None, _target=None) -> None:
        # A submodule comes with its package, except where several packages share one name space.
        if path is None or type(path).__name__ == "_NamespacePath":
            self.names.add(name)

    def find_distributions(self, context) -> list:
        self.names.add(_ALL if context.name is None else f"{context.name}.dist-info")
        return []

    def invalidate_caches(self) -> None:
        """There are none."""


@contextlib.contextmanager
def _environ_watched() -> "Iterator[set[str]]":
    """The names of the variables that are read meanwhile."""
    plain, read = type(os.environ), set()

    class Watched(plain):
        def __getitem__(self, key):
            read.add(str(key))
            return super().__getitem__(key)

        def __iter__(self):
            read.add(_ALL)
            return super().__iter__()

    os.environ.__class__ = Watched
    try:
        yield read
    finally:
        os.environ.__class__ = plain


def import_all(names: "list[str]", heritage: Heritage) -> dict:
    """What a zygote says when it is ready. Raises whatever an import does."""
    sys.path[:] = [*(entry for entry in sys.path if entry not in ("/runtime", PACKAGES_DIR)), PACKAGES_DIR]
    loader.forget_listings(PACKAGES_DIR)
    # Left by the call that warms up; who lists all there are would be said to have read them.
    for name in context.OWN_ENVIRONMENT:
        os.environ.pop(name, None)
    files = findings.descriptors()
    vain = _Vain()
    sys.meta_path.append(vain)
    with _environ_watched() as read, heritage.generators.watched(), heritage.fork_hooks.watched():
        took = {name: _import(name, files, heritage.tmp_files) for name in names}
    sys.meta_path.remove(vain)
    if any(name in sys.modules for name in _INSTALLED_LISTERS):
        vain.names.add(_ALL)
    heritage.generators.find_in(_modules())
    # Once, here: each fork has /packages of its own, and freeing what is of this one would copy all the pages it is on.
    loader.forget_listings(PACKAGES_DIR)
    return {
        "ready": ".".join(map(str, sys.version_info[:3])),
        "took_us": took,
        "modules": _bounded(sorted({unit_of(module) for module in _modules()})),
        "vain": _bounded(sorted(vain.names)),
        "environ": _bounded(sorted(read)),
    }


def _import(name: str, files: "set[str]", tmp_files: TmpFiles) -> int:
    """In microseconds."""
    began = time.perf_counter_ns()
    try:
        importlib.import_module(name)
    except BaseException as error:  # a package may raise whatever it likes
        raise Unfit(name, f"{type(error).__name__}: {error}") from error
    took_us = (time.perf_counter_ns() - began) // 1000
    left = findings.unforkable(files)
    if left:
        raise Unfit(name, "it leaves behind " + ", ".join(f"{one['what']} {one['where']}" for one in left))
    try:
        tmp_files.take()
    except (Unlike, OSError) as error:
        raise Unfit(name, f"it leaves behind {error}") from error
    return took_us


def unit_of(module: types.ModuleType) -> str:
    """The first part of its path below /packages; the first two if packages share that."""
    path = module.__file__[len(PACKAGES_DIR) + 1 :]
    top, _slash, rest = path.partition("/")
    if rest and getattr(sys.modules.get(top), "__file__", None) is None:
        return f"{top}/{rest.partition('/')[0]}"
    return top


def _modules() -> "list[types.ModuleType]":
    return [
        module for module in list(sys.modules.values())
        if isinstance(module, types.ModuleType) and str(getattr(module, "__file__", "")).startswith(f"{PACKAGES_DIR}/")
    ]


def _bounded(names: "list[str]") -> "list[str]":
    """Too many, or too long: as if it were all there are."""
    if len(names) > _NAMES_MAX or any(len(name) > _NAME_CHARACTERS_MAX for name in names):
        return [_ALL]
    return names
