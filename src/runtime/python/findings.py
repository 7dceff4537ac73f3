"""What code has left behind by being imported that its events will share or find old, as far as that shows.

Each finding is {"what": "thread" | "socket" | "generator", "where": a name}. A generator has a "state", too: the
same in two processes means that it was seeded at import, not by chance.
"""
import os
import sys
import types
import zlib
from typing import Iterator

from .loader import CODE_DIR

_FINDINGS_MAX = 20
_NAME_CHARACTERS_MAX = 100


def findings(own_socket: int) -> "list[dict]":
    """Never fails: what cannot be looked at is not told."""
    try:
        found = [*_threads(), *_sockets(own_socket), *_generators()]
    except BaseException:  # the modules that are looked into are a stranger's
        return []
    return found[:_FINDINGS_MAX]


def descriptors() -> "set[str]":
    """Those that are open, by their numbers."""
    return {entry for entry in os.listdir("/proc/self/fd") if _target(int(entry)) != ""}


def unforkable(files: "set[str]") -> "list[dict]":
    """What imports have left behind that a fork would not have, or would share; `files`: descriptors from before."""
    found = [*_threads(), *_processes(), *_files(files), *_devices()]
    return found[:_FINDINGS_MAX]


def _files(known: "set[str]") -> "Iterator[dict]":
    for entry in descriptors() - known:
        target = _target(int(entry))
        yield found("socket" if target.startswith("socket:") else "file", target)


def _processes() -> "Iterator[dict]":
    """Others of the pid namespace, which is a zygote's own and of which it is the first."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) != os.getpid():
            yield found("process", pid)


def _devices() -> "Iterator[dict]":
    """What has been set up on a GPU is lost to a fork."""
    with open("/proc/self/maps") as file:
        if "/libcuda.so" in file.read():
            yield found("device", "libcuda")


def found(what: str, where: str, **more: object) -> dict:
    return {"what": what, "where": where[:_NAME_CHARACTERS_MAX], **more}


def _threads() -> "Iterator[dict]":
    threading = sys.modules.get("threading")
    known = [] if threading is None else [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    for thread in known:
        yield found("thread", str(thread.name))
    others = len(os.listdir("/proc/self/task")) - 1 - len(known)
    if others > 0:
        yield found("thread", f"{others} of a library's own")


def _sockets(own: int) -> "Iterator[dict]":
    names = {value.fileno(): name for name, value in _variables() if _is_a(value, "socket", "socket")}
    for entry in os.listdir("/proc/self/fd"):
        fd = int(entry)
        if fd != own and _target(fd).startswith("socket:"):
            yield found("socket", names.get(fd, f"descriptor {fd}"))


def _target(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:  # the listing's own descriptor, which is closed by now
        return ""


def _generators() -> "Iterator[dict]":
    random = sys.modules.get("random")
    if random is not None:
        yield _generator("random", random.getstate())
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        yield _generator("numpy.random", numpy_random.get_state())
    for name, value in _variables():
        if _is_a(value, "random", "Random") and not _is_a(value, "random", "SystemRandom"):
            yield _generator(name, value.getstate())
        elif _is_a(value, "numpy.random", "Generator"):
            yield _generator(name, value.bit_generator.state)


def _generator(where: str, state: object) -> dict:
    return found("generator", where, state=zlib.crc32(repr(state).encode()))


def _is_a(value: object, module_name: str, class_name: str) -> bool:
    """Without importing what the code has not."""
    kind = getattr(sys.modules.get(module_name), class_name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _variables() -> "Iterator[tuple[str, object]]":
    """Of the lambda's own modules."""
    for name, module in list(sys.modules.items()):
        if isinstance(module, types.ModuleType) and str(getattr(module, "__file__", "")).startswith(f"{CODE_DIR}/"):
            for variable, value in list(vars(module).items()):
                yield f"{name}.{variable}", value
