"""From a fresh clone of a zygote to a zygote of its own, which has imported more than its parent.

It keeps its parent's rights, ids and filter, for it is to make sandboxes too; it is in namespaces of its own except for
the user namespace. Before it imports anything it waits, as a sandbox does: the spawner looks at it from outside, and
attaches the packages. What it has imported it tells, with all that a lambda must not have of its own if it is to start
from here (import_record.py), and what was left behind that no fork may share: then the spawner does not use it.

One for sessions imports no packages but what kernels take (runtime/kernel/). A lambda's fork of it would copy the pages that
this lies on: 0.45 MB each.
"""
import gc
import json
import os
import socket
import sys
from typing import NoReturn

from . import import_record, linux, seccomp
from .heritage import Heritage

_CONTROL_FD = 10
_RUNTIME_DIR = "/runtime"
_REQUEST_BYTES_MAX = 1 << 16
_TMP_OPTIONS = "size=16m,nr_inodes=4096,mode=1777"
_ERROR_CHARACTERS_MAX = 1000


def run(fds: "list[int]", heritage: Heritage, serve) -> NoReturn:
    """`serve(control, heritage)` is what a zygote does from then on. Never returns."""
    control_fd = fds[0]
    try:
        control = _settle(fds)
        control_fd = _CONTROL_FD
        control.send(b'{"waiting":true}')
        wanted = json.loads(control.recv(_REQUEST_BYTES_MAX) or b"null")
        if wanted is not None:
            heritage.tmp_files.put()
            said = _import_kernels(heritage) if "kernels" in wanted else import_record.import_all(wanted["import"], heritage)
            gc.collect()
            gc.freeze()
            control.send(json.dumps(said).encode())
            # It is looked at as it is now.
            if control.recv(_REQUEST_BYTES_MAX):
                serve(control, heritage)
    except BaseException as error:  # a package may raise whatever it likes
        text = str(error) if isinstance(error, import_record.Unfit) else f"{type(error).__name__}: {error}"
        said = {"failed": text[:_ERROR_CHARACTERS_MAX], "module": getattr(error, "module", "")}
        os.write(control_fd, json.dumps(said).encode())
    finally:
        os._exit(0)


def _import_kernels(heritage: Heritage) -> dict:
    """What sessions take until their first cell: of the runtime, so that nobody need be told of it."""
    # A zygote with packages has taken it out.
    sys.path.insert(0, _RUNTIME_DIR)
    with heritage.generators.watched(), heritage.fork_hooks.watched():
        from isla_kernel import runner

        runner.preload()
    sys.path.remove(_RUNTIME_DIR)
    return {"ready": ".".join(map(str, sys.version_info[:3])), "took_us": {}, "modules": [], "vain": [], "environ": []}


def _settle(fds: "list[int]") -> socket.socket:
    _control, stdout, stderr, *cgroups = fds
    for fd in cgroups:
        os.write(fd, b"0")
    linux.mount("proc", "/proc", "proc", seccomp.PROC_MOUNT_FLAGS)
    linux.mount("tmp", "/tmp", "tmpfs", seccomp.TMPFS_MOUNT_FLAGS, _TMP_OPTIONS)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.dup2(fds[0], _CONTROL_FD, inheritable=False)
    linux.close_from(_CONTROL_FD + 1)
    return socket.socket(fileno=_CONTROL_FD)
