"""A zygote of one version of one lambda, which has imported its code; its other end is zygote/loader.py.

A stranger's code runs in it from its import on, and may have replaced every line of ours by then. So it has less than
other zygotes: a user namespace and ids of its own, the lambda's limits, and a filter that leaves it forking and nothing
else that its rights would allow. What its children need mounted is attached to them from here. What they are is looked
at from outside, like all that zygotes make, and what comes of them concerns its own lambda alone.
"""
import json
import os
from typing import Callable

from zygote import linux

from . import enter, posture, running, words
from .grown import Grown
from .house import House
from .ids import LoaderIds
from .limits import Limits
from .root import PACKAGES_DIR
from .zygote_limits import ZygoteLimits
from .zygote_process import ZygoteProgram
from .zygotes import Zygote

_READ_ONLY = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV
_WRITABLE = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV
# Of each kind, for each id: children that are on their way out count, too.
_NAMESPACES_MAX = "128"
_COUNTS = {
    "max_user_namespaces": "0",
    **{f"max_{kind}_namespaces": _NAMESPACES_MAX for kind in ("cgroup", "ipc", "mnt", "net", "pid", "time", "uts")},
}
_INODES_PER_MB = 256
_SECRETS_DIR = "/run/secrets"


class Loader(Grown):
    def __init__(
        self, house: House, number: int, loader_ids: LoaderIds, request: dict, on_word: "Callable[[Zygote, words.Word], None]",
        on_doom: "Callable[[Zygote], None]", on_end: "Callable[[Zygote], None]",
    ) -> None:
        """Raises OSError if it can not be started."""
        self._sizes = Limits(**request["limits"])
        own = ZygoteLimits(self._sizes.memory_mb, self._sizes.procs, self._sizes.cpu_percent)
        super().__init__(house, number, request["branch"], own, False, on_word, on_doom, on_end)
        self.code: str = request["code"]
        self.lambda_name: str = request["description"]["lambda"]
        self.sandbox_ids = loader_ids.of_sandboxes()
        self._host_id = loader_ids.host_id(loader_ids.loader)
        self._request = request
        self._secrets = False
        try:
            self._start(ZygoteProgram("loader", loader_ids, counts=_COUNTS), self._open_output())
        except OSError:
            self._remove()
            raise
        self._loop.on_readable(self._pidfd, self._ended)
        self._listen()

    @property
    def mount_points(self) -> "set[str]":
        house, request = self._house, self._request
        points = {*house.plan.mount_points(), "/handler", "/host", *house.masks.points}
        points |= {PACKAGES_DIR} if request["packages"] is not None else set()
        return points | ({_SECRETS_DIR} if self._secrets else set())

    @property
    def writable(self) -> "tuple[str, ...]":
        return (*posture.WRITABLE, "/host")

    def mount_for_child(self, pidfd: int, tmp_mb: int) -> None:
        """What other children mount for themselves. Raises OSError."""
        house = self._house
        for tree, target in ((house.own_proc.make(pidfd), "/proc"), (_tmpfs(tmp_mb), "/tmp"), (_tmpfs(tmp_mb), "/dev/shm")):
            try:
                enter.run(pidfd, house.own_mounts_fd, linux.CLONE_NEWNS, lambda: linux.attach_tree(tree, target))
            finally:
                os.close(tree)

    def _begin(self) -> None:
        self._check(imported=False)
        running.limit(self._house, self.pid, self._limits)
        self._outfit()
        self._control.send(json.dumps({"load": self._request["description"], "seeded": self._request["seeded"]}).encode())

    def _outfit(self) -> None:
        """All that an instance of its lambda would find."""
        house, request, sizes = self._house, self._request, self._sizes
        trees = [(linux.open_tree(linux.AT_FDCWD, request["code"]), _READ_ONLY, "/handler")]
        if request["packages"] is not None:
            trees.append((linux.open_tree(linux.AT_FDCWD, request["packages"]), _READ_ONLY, PACKAGES_DIR))
        trees += [(_tmpfs(sizes.tmp_mb), _WRITABLE, point) for point in ("/tmp", "/dev/shm")]
        trees.append((_tmpfs(min(sizes.scratch_mb, sizes.memory_mb)), _WRITABLE, "/host"))
        for tree, attributes, target in trees:
            enter.attach(self._pidfd, house.own_mounts_fd, tree, attributes, target)
        enter.run(self._pidfd, house.own_mounts_fd, linux.CLONE_NEWNS, house.masks.apply)
        if request["secrets"]:
            self._secrets = house.attach_secrets(self._pidfd, self.lambda_name, request["secrets"], self._host_id)

    def _check(self, imported: bool) -> None:
        house = self._house
        points = self.mount_points if imported else house.plan.mount_points() - {"/dev/shm"}
        posture.check_zygote(self.pid, self._host_id, points, house.own_filters, self.writable)
        posture.check_same_namespaces(self.pid, self.namespaces)
        for point, pids in house.cgroups.members(self.group).items():
            if pids != [self.pid]:
                raise posture.PostureError(f"its cgroup in {point} holds {pids}")

    def _ended(self) -> None:
        self._loop.forget(self._pidfd)
        os.waitpid(self.pid, 0)
        self._doom()
        os.close(self._pidfd)
        self._end()


def _tmpfs(mb: int) -> int:
    """As zygote/child.py mounts it."""
    options = {"mode": "1777", "size": f"{max(4, mb * 1024)}k", "nr_inodes": str(max(1, mb * _INODES_PER_MB))}
    return linux.new_tmpfs(options, _WRITABLE)
