"""What all slots of a spawner share."""
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from zygote import linux

from . import enter
from .cgroups import Cgroups
from .ids import IdMap
from .limits import Limits, resize_tmpfs
from .loop import Loop
from .masks import Masks
from .own_proc import OwnProc
from .root import Plan
from .scratch import Scratch
from .secret_files import SecretFiles
from .spare_directory import SpareDirectory
from .volumes import Volumes
from .zygote_limits import ZygoteLimits

if TYPE_CHECKING:
    from .network.networks import Networks

_SECRETS = (
    linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOEXEC
)


@dataclass
class House:
    loop: Loop
    cgroups: Cgroups
    limits: Limits
    zygote_limits: ZygoteLimits
    worker_dir_fd: int
    own_mounts_fd: int
    own_net_fd: int
    own_net: str
    own_filters: "int | None"
    ids: IdMap
    python: str
    """What zygotes run, by its path inside the base."""
    node: str
    """What lambdas in JavaScript run, likewise."""
    zygote_log_fd: int
    """The directory that holds what zygotes print."""
    plan: Plan
    masks: Masks
    own_proc: OwnProc
    volumes: Volumes
    secrets: SecretFiles
    networks: "Networks | None"
    """None where the operator allows none."""
    spare_directory: SpareDirectory
    tell: "Callable[[dict], None]"

    def limit(self, name: str, pidfd: int, scratch: Scratch, limits: Limits) -> None:
        """Gives a waiting sandbox its lambda's limits. Most have what all that wait have; that costs nothing."""
        if limits == self.limits:
            return
        self.cgroups.limit(name, limits, self.limits)
        scratch.resize(limits, self.limits)
        if limits.tmp_mb != self.limits.tmp_mb:
            enter.run(pidfd, self.own_mounts_fd, linux.CLONE_NEWNS, lambda: resize_tmpfs(limits.tmp_mb))

    def attach_secrets(self, pidfd: int, lambda_name: str, names: "list[str]", owner: int) -> bool:
        """False if none of them is granted any more."""
        tree = self.secrets.copy(lambda_name, names, owner)
        if tree is not None:
            enter.attach(pidfd, self.own_mounts_fd, tree, _SECRETS, "/run/secrets")
        return tree is not None
