"""Steps into a child's namespaces and back: whatever is attached late comes from here, the child holds no right to.

The spawner is single-threaded, which the kernel demands for the mount namespace. Stepping back moves the
working directory to the root, so nothing in the spawner uses a relative path without a descriptor.
"""
import os
from typing import Callable

from zygote import linux


def run(pidfd: int, way_back: int, kind: int, action: "Callable[[], None]") -> None:
    """Runs one action in a namespace of the child's and steps back, whatever happens."""
    linux.setns(pidfd, kind)
    try:
        action()
    finally:
        linux.setns(way_back, kind)


def attach(pidfd: int, way_back: int, tree: int, attributes: int, target: str) -> None:
    """Attaches a detached tree in the child's mount namespace; the descriptor is closed."""
    try:
        linux.set_mount_attributes(tree, attributes)
        run(pidfd, way_back, linux.CLONE_NEWNS, lambda: linux.attach_tree(tree, target))
    finally:
        os.close(tree)
