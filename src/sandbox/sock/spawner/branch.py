"""A zygote that another has made, with packages imported; its other end is zygote/growing.py.

It holds what its parent holds, so it is looked at for having no more than that before a package's code runs in it, and
again after that for having threads and descriptors no more than before: those its forks would not have.
"""
import json
import os
import socket
from typing import Callable

from zygote import linux

from . import enter, posture, running, words
from .grown import Grown
from .house import House
from .root import PACKAGES_DIR
from .touched import TouchedPages
from .zygote_limits import ZygoteLimits
from .zygotes import Zygote

_READ_ONLY = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV
_PROCS_MAX = 64
_CPU_PERCENT_MAX = 100


class Branch(Grown):
    def __init__(
        self, house: House, number: int, parent: Zygote, request: dict, on_word: "Callable[[Zygote, words.Word], None]",
        on_doom: "Callable[[Zygote], None]", on_end: "Callable[[Zygote], None]",
    ) -> None:
        """Raises ConnectionError if the parent is dying."""
        own = ZygoteLimits(request["memory_mb"], _PROCS_MAX, _CPU_PERCENT_MAX)
        super().__init__(house, number, request["branch"], own, parent.in_host_network, on_word, on_doom, on_end)
        self.parent = parent
        self.packages: "str | None" = request["packages"]
        """None if it has its parent's."""
        self._touched = TouchedPages()
        self._wanted = {"kernels": True} if request["kernels"] else {"import": request["modules"]}
        self._ask(parent)

    def _ask(self, parent: Zygote) -> None:
        house = self._house
        fds = [self._theirs.fileno()]
        try:
            fds += self._open_output()
            fds += house.cgroups.make(self.group, self._limits)
            parent.fork({"grow": self.group}, fds)
        except OSError:
            self._remove()
            raise
        finally:
            self._theirs.close()
            for fd in fds[1:]:
                os.close(fd)
        parent.sandboxes += 1
        self._listen()

    @property
    def mount_points(self) -> "set[str]":
        own = set() if self.packages is None else {PACKAGES_DIR}
        return {*self.parent.mount_points, *own}

    # -- what is heard of it ----------------------------------------------------------------------

    def hear_parent(self, word: words.Word) -> None:
        """Raises ValueError if that can not be true; a descriptor is then still the caller's."""
        if word.kind == "forked" and self._pidfd is None:
            self._pidfd = word.pidfd
            self.pid = posture.pid_of(word.pidfd)
            self._house.loop.on_readable(word.pidfd, self._ended)
            if self.is_doomed:
                self.kill()
            else:
                self._admit()
        elif word.kind == "fork_failed" and self._pidfd is None:
            self._doom(word.error)
            self._end()
        elif word.kind != "reaped":
            raise ValueError(f"it said {word.kind!r} of a zygote that it has made already")

    def parent_gone(self) -> None:
        """One that was never forked has no end of its own."""
        if self._pidfd is None:
            self._doom()
            self._end()

    def _begin(self) -> None:
        self.namespaces = posture.namespaces_of(self.pid)
        self._check(imported=False)
        running.limit(self._house, self.pid, self._limits)
        if self.packages is not None:
            tree = linux.open_tree(linux.AT_FDCWD, self.packages)
            enter.attach(self._pidfd, self._house.own_mounts_fd, tree, _READ_ONLY, PACKAGES_DIR)
        self._control.send(json.dumps(self._wanted).encode())

    def _check(self, imported: bool) -> None:
        house = self._house
        points = self.mount_points if imported else {*self.parent.mount_points}
        posture.check_zygote(self.pid, house.ids.host_id(0), points - {"/dev/shm"}, house.own_filters)
        posture.check_namespaces(self.pid, self.parent.namespaces, house.own_net)
        for point, pids in house.cgroups.members(self.group).items():
            if pids != [self.pid]:
                raise posture.PostureError(f"its cgroup in {point} holds {pids}")

    # -- its children -----------------------------------------------------------------------------

    @property
    def is_observed(self) -> bool:
        return not self._touched.is_complete

    def look_at(self, child_pid: int) -> None:
        ranges = self._touched.look(self.pid, child_pid)
        if ranges:
            self._control.send(json.dumps({"populate": ranges}).encode())

    # -- its end ----------------------------------------------------------------------------------

    def _ended(self) -> None:
        # Its parent waits for it; what is made from it has ended before it has.
        self._loop.forget(self._pidfd)
        self._doom()
        os.close(self._pidfd)
        self._end()

    def _end(self) -> None:
        self.parent.sandboxes -= 1
        super()._end()
