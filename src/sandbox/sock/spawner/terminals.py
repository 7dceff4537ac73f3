"""Terminals of a session: a devpts of its own, which shows its own terminals only and no other sandbox's.

It is made here and attached late, like code, since only sandboxes that run kernels need one. Whoever opens a terminal there owns it.
"""
from zygote import linux

from . import enter

_DIR = "/dev/pts"
_ATTRIBUTES = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NOEXEC
# The machine has 4,096 for all (kernel.pty.max).
_TERMINALS_MAX = 64
_OPTIONS = {"ptmxmode": "0666", "mode": "0600", "max": str(_TERMINALS_MAX)}


def attach(pidfd: int, way_back: int) -> None:
    tree = linux.new_mount("devpts", dict(_OPTIONS), _ATTRIBUTES)
    enter.attach(pidfd, way_back, tree, _ATTRIBUTES, _DIR)
