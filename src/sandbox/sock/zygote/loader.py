"""A zygote that has loaded a lambda's code: each of its forks serves one event (docs/decisions/034).

The spawner started it as it starts any zygote. It becomes what an instance is as far as code can see, with the id, limits
and variables of one, keeps the rights that forking takes, and gets a filter that leaves nothing else of them. It waits
until the code and all that an instance would find is there, loads it, and is a zygote from then on. Its children need
neither a warm-up nor code. On its socket, besides what zygote.py lists:

    loader  → {"waiting": true}                                  once
    spawner → {"load": description, "seeded": {name: state}}     seeded: of generators, as another process left them
    loader  → {"ready": "3.11.2", "took_us", "findings"}         once, or {"failed": text} and it ends
    spawner → {"serve": true}

What its import left behind that a fork would lack, or share with others, makes it fail (isla_runtime/forkable.py).
"""
import gc
import json
import os
import signal
import socket
import sys

from isla_runtime import findings, forkable, preload, server

from . import child, linux, seccomp
from .heritage import Heritage
from .reseed import Generators
from .zygote import Zygote, bound_rights, take_control_socket

_ID = 1000
_BYTES_MAX = 1 << 16
_ERROR_CHARACTERS_MAX = 1000


def main() -> None:
    control = take_control_socket()
    bound_rights()
    child.set_limits()
    # Its rights stay, with locked securebits.
    os.setgroups([])
    os.setresgid(_ID, _ID, _ID)
    os.setresuid(_ID, _ID, _ID)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.umask(0o022)
    sandbox_filter = linux.Filter(seccomp.sandbox_program())
    linux.unshare(linux.CLONE_NEWCGROUP)
    linux.install_filter(linux.Filter(seccomp.loader_program()))
    server.prepare()
    heritage = Heritage()
    control.send(b'{"waiting":true}')
    request = json.loads(control.recv(_BYTES_MAX) or b"null")
    if request is None:
        return
    try:
        loaded, said = _load(request, heritage.generators, control.fileno())
    except BaseException as error:  # the code is a stranger's: anything may come out of it
        text = f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS_MAX]
        control.send(json.dumps({"failed": text, "module": ""}).encode())
        os._exit(0)
    control.send(json.dumps(said).encode())
    # It is looked at as it is now.
    if control.recv(_BYTES_MAX):
        Zygote(control, sandbox_filter, seccomp.SANDBOX_NAMESPACES, heritage, loaded).serve()


class _Unforkable(Exception):
    """The import has left something behind."""


def _load(request: dict, generators: Generators, own_socket: int) -> "tuple[preload.Preloaded, dict]":
    files = findings.descriptors()
    with generators.watched():
        loaded = preload.Preloaded(request["load"])
    left = forkable.left_behind(files)
    if left:
        raise _Unforkable(", ".join(f"{one['what']} {one['where']}" for one in left))
    found = findings.findings(own_socket)
    seeded = request["seeded"]
    generators.keep_chosen({one["where"] for one in found if "state" in one and seeded.get(one["where"]) == one["state"]})
    generators.find_in(list(preload.own_modules()))
    gc.collect()
    gc.freeze()
    return loaded, {"ready": ".".join(map(str, sys.version_info[:3])), "took_us": loaded.took_us, "findings": found}
