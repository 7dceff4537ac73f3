"""What all slots of a spawner share."""
from dataclasses import dataclass
from typing import Callable

from zygote import linux

from . import enter
from .cgroups import Cgroups
from .limits import Limits, resize_tmpfs
from .loop import Loop
from .masks import Masks
from .root import Plan
from .scratch import Scratch
from .volumes import Volumes
from .zygotes import IdMap


@dataclass
class House:
    loop: Loop
    cgroups: Cgroups
    limits: Limits
    worker_dir_fd: int
    own_mounts_fd: int
    own_net_fd: int
    own_filters: "int | None"
    ids: IdMap
    plan: Plan
    masks: Masks
    volumes: Volumes
    tell: "Callable[[dict], None]"

    def limit(self, name: str, pidfd: int, scratch: Scratch, limits: Limits) -> None:
        """Gives a waiting sandbox its lambda's limits. Most have what all that wait have; that costs nothing."""
        if limits == self.limits:
            return
        self.cgroups.limit(name, limits, self.limits)
        scratch.resize(limits, self.limits)
        if limits.tmp_mb != self.limits.tmp_mb:
            enter.run(pidfd, self.own_mounts_fd, linux.CLONE_NEWNS, lambda: resize_tmpfs(limits.tmp_mb))
