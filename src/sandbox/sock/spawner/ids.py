"""Ids of users and groups: which of the host's a zygote's user namespace holds."""
import os
from typing import Callable

from zygote import linux

FIRST_SANDBOX = 1000
"""The first id inside that a sandbox may have."""
SANDBOXES_MAX = 4096
COUNT_MIN = FIRST_SANDBOX + SANDBOXES_MAX + 1
"""What a range must hold: an id for each sandbox, those below, of which loaders have theirs, and the owner."""
_LOADER_IDS = 64
LOADERS_MAX = (FIRST_SANDBOX - 1) // _LOADER_IDS
"""Loaders of a worker, each with a part of the ids below those of sandboxes."""


class IdMap:
    """A range of ids, or the one id of whoever runs this."""

    def __init__(self, base: int, count: int) -> None:
        self.base = base
        self.count = count

    @property
    def change_ids(self) -> bool:
        return self.count > 1

    def host_id(self, inner: int) -> int:
        return self.base + inner if self.change_ids else self.base

    @property
    def owner(self) -> int:
        """The last of the range, which no sandbox gets."""
        return self.base + self.count - 1

    def clone(self, flags: int) -> "tuple[int, int]":
        """As linux.clone. The new user namespace belongs to the owner of the range, if there is a range.

        The kernel counts what is made in a user namespace (file watchers, queued signals, locked memory,
        processes, namespaces) for its owner as well. Were that root, all sandboxes together could use up root's.
        """
        if not self.change_ids:
            return linux.clone(flags)
        own = os.geteuid()
        _become(self.owner)
        pid = -1
        try:
            pid, pidfd = linux.clone(flags)
            return pid, pidfd
        finally:
            if pid != 0:
                _become(own)

    def write(self, pid: int) -> None:
        if not self.change_ids:
            _write_proc(pid, "setgroups", "deny")
        _write_proc(pid, "uid_map", self._lines)
        _write_proc(pid, "gid_map", self._lines)

    @property
    def _lines(self) -> str:
        return f"0 {self.base} {self.count}\n"


class LoaderIds(IdMap):
    """A part of another map: a root, the loader itself, its sandboxes, and the owner of its user namespace."""

    loader = FIRST_SANDBOX
    """Who imports, by its id inside."""

    def __init__(self, whole: IdMap, number: int) -> None:
        """`number`: below LOADERS_MAX. `whole` must be a range."""
        super().__init__(whole.host_id(1 + number * _LOADER_IDS), _LOADER_IDS)

    def host_id(self, inner: int) -> int:
        return self.base if inner == 0 else self.base + 1 + inner - FIRST_SANDBOX

    @property
    def _lines(self) -> str:
        # Nobody in there can become the owner, or anybody else's.
        return f"0 {self.base} 1\n{FIRST_SANDBOX} {self.base + 1} {_LOADER_IDS - 2}\n"

    def of_sandboxes(self) -> "SandboxIds":
        return SandboxIds(self, self.loader + 1, _LOADER_IDS - 3)


class SandboxId:
    """What one sandbox runs under: `inner` in its user namespace, `host` in the spawner's."""

    def __init__(self, inner: int, id_map: IdMap, on_free: "Callable[[int], None]") -> None:
        self.inner = inner
        self.host = id_map.host_id(inner)
        self.change_ids = id_map.change_ids
        self._on_free = on_free

    def free(self) -> None:
        """Nothing runs under it any more."""
        self._on_free(self.inner)


class SandboxIds:
    """Those of one map that sandboxes may have."""

    def __init__(self, id_map: IdMap, first: int, count: int) -> None:
        self.count = count
        self._map = id_map
        self._free = list(range(first + count - 1, first - 1, -1))

    def take(self) -> "SandboxId | None":
        """None if all are taken."""
        return SandboxId(self._free.pop(), self._map, self._free.append) if self._free else None


def _become(uid: int) -> None:
    """For what is judged by the effective id."""
    os.seteuid(uid)
    # A change of ids takes this away, and with it /proc/<pid> from whoever started this process.
    linux.prctl(linux.PR_SET_DUMPABLE, 1)


def _write_proc(pid: int, name: str, text: str) -> None:
    fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
