"""What all slots of a spawner share."""
from dataclasses import dataclass
from typing import Callable

from .cgroups import Cgroups, Limits
from .loop import Loop
from .root import Plan
from .zygotes import IdMap


@dataclass
class House:
    loop: Loop
    cgroups: Cgroups
    limits: Limits
    tmp_mb: int
    worker_dir_fd: int
    own_mounts_fd: int
    own_net_fd: int
    own_filters: "int | None"
    ids: IdMap
    plan: Plan
    tell: "Callable[[dict], None]"
