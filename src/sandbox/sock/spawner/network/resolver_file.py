"""/etc/resolv.conf of a sandbox with a network, whatever its base says: its resolver is its own 127.0.0.1, or the host's.

A base that is a directory may bring one that names servers of its own. A base that has none needs none: C
libraries then ask 127.0.0.1.
"""
import os

from zygote import linux

from .. import enter

_TEXT = "nameserver 127.0.0.1\n"
_TARGET = "/etc/resolv.conf"
_READ_ONLY = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOEXEC


class ResolverFile:
    def __init__(self, directory: str) -> None:
        """`directory`: the worker's own, where the file is kept."""
        self._path = f"{directory}/resolv.conf"
        with open(self._path, "w") as file:
            file.write(_TEXT)
        os.chmod(self._path, 0o644)

    def attach(self, pidfd: int, way_back: int) -> None:
        cover(self._path, pidfd, way_back)


def cover(path: str, pidfd: int, way_back: int) -> None:
    """Lays a file of the host's over the sandbox's, if it has one."""
    tree = linux.open_tree(linux.AT_FDCWD, path)
    try:
        linux.set_mount_attributes(tree, _READ_ONLY)
        enter.run(pidfd, way_back, linux.CLONE_NEWNS, lambda: _attach(tree))
    finally:
        os.close(tree)


def _attach(tree: int) -> None:
    if os.path.isfile(_TARGET):
        linux.attach_tree(tree, _TARGET)
