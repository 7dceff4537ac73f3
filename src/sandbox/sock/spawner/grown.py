"""A zygote that the worker has asked for, under a number of its own: with packages (Branch), or a lambda's code (Loader).

    asked ──it waits──▶ importing ──has imported──▶ ready ──retired, its last descendant has gone──▶ gone
      └──────────────────────── any failure, or death ──────────────────────────▶ gone
"""
import os
from typing import Callable

from zygote import linux

from . import posture, words
from .fork_queue import ForkQueue, Parent
from .house import House
from .zygote_limits import ZygoteLimits
from .zygotes import Zygote

_OUTPUT = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
_OUTPUT_OPTIONS = {"size": "256k", "nr_inodes": "4", "mode": "0755"}
_NAME_CHARACTERS_MAX = 100
_READY_SECONDS_MAX = 60.0


class Grown(Zygote):
    def __init__(
        self, house: House, number: int, key: int, own: ZygoteLimits, in_host_network: bool,
        on_word: "Callable[[Zygote, words.Word], None]", on_doom: "Callable[[Zygote], None]", on_end: "Callable[[Zygote], None]",
    ) -> None:
        super().__init__(house, number, own, in_host_network, on_word, on_doom, on_end)
        self.key = key
        """What the worker calls it."""
        self.is_retired = False
        self.unfit_module: "str | None" = None
        """Whose fault it is that it does not get ready, if that is known."""
        self._waits = False
        self._is_importing = False
        self._place = f"import-cache/{number}"
        self._output = linux.new_tmpfs(_OUTPUT_OPTIONS, _OUTPUT)
        self._queue = ForkQueue(self._usable, lambda: None)

    def _open_output(self) -> "list[int]":
        """stdout and stderr, in a directory of its own."""
        os.symlink(f"/proc/{os.getpid()}/fd/{self._output}", self._place, dir_fd=self._house.worker_dir_fd)
        return [os.open(name, _NEW_FILE, 0o644, dir_fd=self._output) for name in ("stdout", "stderr")]

    def _listen(self) -> None:
        """It has been asked for, or started."""
        self._loop.on_readable(self._control.fileno(), self._read)
        self._loop.after(_READY_SECONDS_MAX, self._expire)

    @property
    def outcome(self) -> dict:
        """Why it ended: as it was meant to, with its parent, or by a fault of its own."""
        if self.is_retired and self.sandboxes == 0:
            return {"cause": "retired"}
        if self.fault is None and self.parent is not None and self.parent.is_ending:
            return {"cause": "lost", "reason": "its parent died"}
        return {"cause": "failed", "reason": self.fault or "it died", "module": self.unfit_module}

    # -- from asked to ready ----------------------------------------------------------------------

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
                self._look(imported=True)
                self._control.send(b'{"serve":true}')
            super()._hear(word)
            self._queue.serve()

    def _admit(self) -> None:
        """Looks at it, and lets it import."""
        if self._pidfd is None or not self._waits or self._is_importing:
            return
        self._is_importing = True
        try:
            self._begin()
        except (OSError, posture.PostureError) as error:
            self.kill(str(error))

    def _look(self, imported: bool) -> None:
        """Raises ValueError."""
        try:
            self._check(imported)
        except (OSError, posture.PostureError) as error:
            raise ValueError(str(error)) from None

    def _begin(self) -> None:
        """Looks at it, gives it what it imports from, and tells it to. Raises OSError or PostureError."""
        raise NotImplementedError

    def _check(self, imported: bool) -> None:
        """Raises PostureError, or OSError if it is gone, unless it is what it should be, before or after it has imported."""
        raise NotImplementedError

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

    # -- its end ----------------------------------------------------------------------------------

    def _expire(self) -> None:
        if not self.is_ready and not self.is_doomed:
            self.kill(f"it had not imported after {_READY_SECONDS_MAX:.0f} s")

    def _doom(self, fault: "str | None" = None) -> None:
        super()._doom(fault)
        self._queue.dismiss(lambda parent: parent.zygote_gone())

    def _end(self) -> None:
        self._loop.forget(self._control.fileno())
        self._control.close()
        self._remove()
        self._on_end(self)

    def _remove(self) -> None:
        os.unlink(self._place, dir_fd=self._house.worker_dir_fd)
        os.close(self._output)
        self._house.cgroups.remove(self.group)
