"""What of a sandbox's own /proc is hidden or read-only, attached from outside while the child waits.

A fresh proc shows only the sandbox's processes, but also files about the whole machine. Ownership guards
most of them; these binds are the wall that does not rest on it. Only what is there is masked: kernels differ.
"""
import os

from zygote import linux

_HIDDEN_FILES = ("interrupts", "kallsyms", "kcore", "keys", "kmsg", "kpagecount", "kpageflags", "latency_stats",
                 "sched_debug", "sysrq-trigger", "timer_list", "vmallocinfo")
_HIDDEN_DIRS = ("acpi", "asound", "scsi", "driver", "pressure")
_READ_ONLY_DIRS = ("bus", "fs", "irq", "sys")

_READ_ONLY = linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC


class Masks:
    """Made once: which of the names this kernel has. A proc of the host's stands for all.

    A bind is one system call, and has the attributes of what it is a bind of: all of the root is read-only. (An
    open tree, its attributes, where it goes and its end are four, for each of fifteen masks.)
    """

    def __init__(self) -> None:
        there = set(os.listdir("/proc"))
        self._hidden = [("/dev/null", f"/proc/{name}") for name in _HIDDEN_FILES if name in there]
        # /run/secrets is an empty directory of the root; what is mounted on it later is not in this bind.
        self._hidden += [("/run/secrets", f"/proc/{name}") for name in _HIDDEN_DIRS if name in there]
        self._read_only = [f"/proc/{name}" for name in _READ_ONLY_DIRS if name in there]

    @property
    def points(self) -> "set[str]":
        """Where something is mounted by them."""
        return {path for _cover, path in self._hidden} | set(self._read_only)

    def apply(self) -> None:
        """To be run inside the child's mount namespace, whose root the spawner then stands in."""
        for cover, path in self._hidden:
            linux.mount(cover, path, None, linux.MS_BIND)
        for path in self._read_only:
            linux.mount(path, path, None, linux.MS_BIND)
            linux.mount("none", path, None, linux.MS_BIND | linux.MS_REMOUNT | _READ_ONLY)
