"""What all slots of a spawner share."""
from dataclasses import dataclass
from typing import Callable

from .cgroups import Cgroups
from .limits import Limits
from .loop import Loop
from .masks import Masks
from .root import Plan
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
    tell: "Callable[[dict], None]"
