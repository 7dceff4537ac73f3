"""A zygote that another has made, with packages imported; its other end is zygote/growing.py.

    asked ──parent has forked, it waits──▶ importing ──has imported──▶ ready ──retired, its last descendant has gone──▶ gone
      └──────────────────────────────────── any failure, or death ───────────────────────────────────────────▶ gone

It holds what its parent holds, so it is looked at for having no more than that before a package's code runs in it, and
again after that for having threads and descriptors no more than before: those its forks would not have.
"""
import json
import os
import socket
from typing import Callable

from zygote import linux

from . import enter, posture, running, words
from .fork_queue import ForkQueue, Parent
from .house import House
from .root import PACKAGES_DIR
from .zygote_limits import ZygoteLimits
from .zygotes import Zygote

_READ_ONLY = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV
_OUTPUT = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
_OUTPUT_OPTIONS = {"size": "256k", "nr_inodes": "4", "mode": "0755"}
_PROCS_MAX = 64
_CPU_PERCENT_MAX = 100
_NAME_CHARACTERS_MAX = 100
_READY_SECONDS_MAX = 60.0


class Branch(Zygote):
    def __init__(
        self, house: House, number: int, parent: Zygote, request: dict, on_word: "Callable[[Zygote, words.Word], None]",
        on_doom: "Callable[[Zygote], None]", on_end: "Callable[[Zygote], None]",
    ) -> None:
        """Raises ConnectionError if the parent is dying."""
        own = ZygoteLimits(request["memory_mb"], _PROCS_MAX, _CPU_PERCENT_MAX)
        super().__init__(house, number, own, parent.in_host_network, on_word, on_doom, on_end)
        self.key: int = request["branch"]
        """What the worker calls it."""
        self.parent = parent
        self.is_retired = False
        self.packages: str = request["packages"]
        self.unfit_module: "str | None" = None
        """Whose fault it is that it does not get ready, if that is known."""
        self._modules: "list[str]" = request["modules"]
        self._place = f"import-cache/{number}"
        self._output = -1
        self._waits = False
        self._is_importing = False
        self._queue = ForkQueue(self._usable, lambda: None)
        self._ask(parent)

    def _ask(self, parent: Zygote) -> None:
        house = self._house
        self._output = linux.new_tmpfs(_OUTPUT_OPTIONS, _OUTPUT)
        fds = [self._theirs.fileno()]
        try:
            os.symlink(f"/proc/{os.getpid()}/fd/{self._output}", self._place, dir_fd=house.worker_dir_fd)
            fds += [os.open(name, _NEW_FILE, 0o644, dir_fd=self._output) for name in ("stdout", "stderr")]
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
        house.loop.on_readable(self._control.fileno(), self._read)
        house.loop.after(_READY_SECONDS_MAX, self._expire)

    @property
    def mount_points(self) -> "set[str]":
        return {*self._house.plan.mount_points(), PACKAGES_DIR}

    @property
    def outcome(self) -> dict:
        """Why it ended: as it was meant to, with its parent, or by a fault of its own."""
        if self.is_retired and self.sandboxes == 0:
            return {"cause": "retired"}
        if self.fault is None and self.parent.is_ending:
            return {"cause": "lost", "reason": "its parent died"}
        return {"cause": "failed", "reason": self.fault or "it died", "module": self.unfit_module}

    # -- who waits for a child of it: what a Succession has, too ---------------------------------------

    def join(self, parent: Parent) -> None:
        if self._usable() is not None:
            self._queue.join(parent)
            self._queue.serve()
        else:
            parent.zygote_gone()

    def _usable(self) -> "Zygote | None":
        return self if self.is_ready and not self.is_retired and not self.is_doomed else None

    def leave(self, parent: Parent) -> None:
        self._queue.leave(parent)

    def retire(self) -> None:
        """It forks no more, and ends when nothing made from it is left."""
        self.is_retired = True
        self._queue.dismiss(lambda parent: parent.zygote_gone())
        self.end_if_unused()

    def end_if_unused(self) -> None:
        if self.is_retired and self.sandboxes == 0:
            self.kill()

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

    def _hear(self, word: words.Word) -> None:
        if word.kind == "waiting":
            self._waits = True
            self._admit()
        elif word.kind == "failed":
            self.unfit_module = str(word.report.get("module"))[:_NAME_CHARACTERS_MAX] or None
            self.kill(word.error)
        elif word.kind == "ready" and not self._is_importing:
            raise ValueError("it said that it is ready before it was asked to be")
        else:
            if word.kind == "ready":
                self._check(imported=True)
                self._control.send(b'{"serve":true}')
            super()._hear(word)
            self._queue.serve()

    def _admit(self) -> None:
        """Looks at it, and lets it import."""
        if self._pidfd is None or not self._waits or self._is_importing:
            return
        self._is_importing = True
        try:
            self.namespaces = posture.namespaces_of(self.pid)
            self._check(imported=False)
            running.limit(self._house, self.pid, self._limits)
            tree = linux.open_tree(linux.AT_FDCWD, self.packages)
            enter.attach(self._pidfd, self._house.own_mounts_fd, tree, _READ_ONLY, PACKAGES_DIR)
            self._control.send(json.dumps({"import": self._modules}).encode())
        except OSError as error:
            self.kill(str(error))

    def _check(self, imported: bool) -> None:
        """Raises ValueError."""
        house = self._house
        points = self.mount_points if imported else {*self.parent.mount_points}
        try:
            posture.check_zygote(
                self.pid, house.ids.host_id(0), self.parent.namespaces, house.own_net, points - {"/dev/shm"}, house.own_filters
            )
            for point, pids in house.cgroups.members(self.group).items():
                if pids != [self.pid]:
                    raise posture.PostureError(f"its cgroup in {point} holds {pids}")
        except (OSError, posture.PostureError) as error:
            raise ValueError(str(error)) from None

    def _expire(self) -> None:
        if not self.is_ready and not self.is_doomed:
            self.kill(f"it had not imported after {_READY_SECONDS_MAX:.0f} s")

    # -- its end ----------------------------------------------------------------------------------

    def _doom(self, fault: "str | None" = None) -> None:
        super()._doom(fault)
        self._queue.dismiss(lambda parent: parent.zygote_gone())

    def _ended(self) -> None:
        # Its parent waits for it; what is made from it has ended before it has.
        self._loop.forget(self._pidfd)
        self._doom()
        os.close(self._pidfd)
        self._end()

    def _end(self) -> None:
        self._loop.forget(self._control.fileno())
        self._control.close()
        self._remove()
        self.parent.sandboxes -= 1
        self._on_end(self)

    def _remove(self) -> None:
        os.unlink(self._place, dir_fd=self._house.worker_dir_fd)
        os.close(self._output)
        self._house.cgroups.remove(self.group)
