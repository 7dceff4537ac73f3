"""Scratch volumes, one per sandbox: images where this machine can have them, else memory."""
import errno
import os
from dataclasses import dataclass

from zygote import linux

from . import images
from .image_keeper import ImageKeeper
from .limits import Limits

_TMPFS_MEMORY_PART = 4
_TMPFS_INODES_PER_MB = 256


@dataclass
class Volume:
    number: int
    tree: int  # the mount until it is attached, then -1
    fd: int  # its root directory, as long as the sandbox is there
    balloon: "int | None"  # what takes away from an image; None for memory


class Volumes:
    def __init__(self, dir_fd: int, scratch_mb_max: int, preset: Limits, may_loop: bool) -> None:
        self.weaker: "list[str]" = []
        self._preset = preset
        self._made = 0
        self._images: "images.Images | None" = None
        self._keeper: "ImageKeeper | None" = None
        try:
            if not may_loop:
                raise OSError(errno.EPERM, "only root may use loop devices")
            self._images = images.Images(dir_fd, scratch_mb_max, preset.scratch_mb)
            self._keeper = ImageKeeper(self._images)
        except OSError as error:
            self.weaker.append(f"scratch is memory and counts as such, a quarter of memory_mb at most: {error}")

    def make(self) -> Volume:
        """With the size that all waiting sandboxes have."""
        self._made += 1
        if self._keeper is not None:
            return Volume(self._made, *self._keeper.take(self._made))
        tree = linux.new_tmpfs({**_tmpfs_size(self._preset), "mode": "0755"}, images.ATTRIBUTES)
        return Volume(self._made, tree, images.open_root(tree), None)

    def resize(self, volume: Volume, limits: Limits) -> None:
        """Before any code has run there."""
        if volume.balloon is not None:
            self._images.leave(volume.balloon, limits.scratch_mb)
        else:
            linux.reconfigure(volume.fd, _tmpfs_size(limits))

    def remove(self, volume: Volume) -> None:
        os.close(volume.fd)
        if volume.tree != -1:
            os.close(volume.tree)
        if volume.balloon is not None:
            os.close(volume.balloon)
            self._keeper.give_back(volume.number)

    def close(self) -> None:
        if self._keeper is not None:
            self._keeper.close()


def _tmpfs_size(limits: Limits) -> "dict[str, str | None]":
    mb = max(1, min(limits.scratch_mb, limits.memory_mb // _TMPFS_MEMORY_PART))
    return {"size": f"{mb}m", "nr_inodes": str(mb * _TMPFS_INODES_PER_MB)}
