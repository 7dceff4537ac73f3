"""Ids of users and groups: which of the host's a zygote's user namespace holds."""
import os

from zygote import linux

FIRST_SANDBOX = 1000
"""The first id inside that a sandbox may have."""
SANDBOXES_MAX = 4096
COUNT_MIN = FIRST_SANDBOX + SANDBOXES_MAX + 1
"""What a range must hold: an id for each sandbox, those below, and the owner."""


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
        line = f"0 {self.base} {self.count}"
        if not self.change_ids:
            _write_proc(pid, "setgroups", "deny")
        _write_proc(pid, "uid_map", line)
        _write_proc(pid, "gid_map", line)


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
