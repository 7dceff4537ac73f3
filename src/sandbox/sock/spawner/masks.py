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

_READ_ONLY = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOEXEC
_NULL = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NOEXEC


class Masks:
    """Made once: which of the names this kernel has. A proc of the host's stands for all."""

    def __init__(self) -> None:
        there = set(os.listdir("/proc"))
        self._files = [name for name in _HIDDEN_FILES if name in there]
        self._dirs = [name for name in _HIDDEN_DIRS if name in there]
        self._read_only = [name for name in _READ_ONLY_DIRS if name in there]

    def apply(self) -> None:
        """To be run inside the child's mount namespace, whose root the spawner then stands in."""
        for name in self._files:
            _attach(linux.open_tree(linux.AT_FDCWD, "/dev/null"), _NULL | linux.MOUNT_ATTR_RDONLY, name)
        for name in self._dirs:
            # /run/secrets is an empty directory of the read-only root; what is mounted on it later is not in this clone.
            _attach(linux.open_tree(linux.AT_FDCWD, "/run/secrets"), _READ_ONLY, name)
        for name in self._read_only:
            _attach(linux.open_tree(linux.AT_FDCWD, f"/proc/{name}"), _READ_ONLY, name)


def _attach(tree: int, attributes: int, name: str) -> None:
    try:
        linux.set_mount_attributes(tree, attributes)
        linux.attach_tree(tree, f"/proc/{name}")
    finally:
        os.close(tree)
