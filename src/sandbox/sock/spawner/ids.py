"""Ids of users and groups: which of the host's a zygote's user namespace holds."""
import os


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

    def write(self, pid: int) -> None:
        line = f"0 {self.base} {self.count}"
        if not self.change_ids:
            _write_proc(pid, "setgroups", "deny")
        _write_proc(pid, "uid_map", line)
        _write_proc(pid, "gid_map", line)


def _write_proc(pid: int, name: str, text: str) -> None:
    fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
