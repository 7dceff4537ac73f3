"""What a controller limits and counts, and how its files are called: one driver for each version of each.

A driver is of one hierarchy, whose groups are made in `point`; the directories that it is given are groups there.
"""
from . import group_files

# What the kernel gives every new group.
_CPU_PERIOD_US = 100_000
# Of its memory, so much of it again may be in sockets.
_SOCKETS_PART = 8


class MemoryV1:
    def __init__(self, point: str) -> None:
        self.point = point

    def limit(self, directory: str, most_bytes: int, grows: bool) -> None:
        """With swap. `grows`: it is more than before. The limit with swap may at no moment be less than the one without."""
        writes = [("memory.limit_in_bytes", group_files.write), ("memory.memsw.limit_in_bytes", group_files.write_if_there)]
        for file, write in reversed(writes) if grows else writes:
            write(f"{directory}/{file}", str(most_bytes))
        # What sockets hold does not count as memory here, and is of a pool that the whole machine has one of.
        group_files.write_if_there(f"{directory}/memory.kmem.tcp.limit_in_bytes", str(most_bytes // _SOCKETS_PART))

    def spare_others(self, directory: str) -> None:
        """Nothing else is ended with a process that is killed for memory: it never is."""

    def usage_file(self, directory: str) -> str:
        return f"{directory}/memory.usage_in_bytes"

    def peak_file(self, directory: str) -> str:
        return f"{directory}/memory.max_usage_in_bytes"

    def oom_file(self, directory: str) -> str:
        return f"{directory}/memory.oom_control"


class MemoryV2:
    def __init__(self, point: str) -> None:
        self.point = point

    def limit(self, directory: str, most_bytes: int, grows: bool) -> None:
        # Where there is swap it is not the sandboxes'; and whose memory ran out goes as a whole.
        group_files.write_if_there(f"{directory}/memory.swap.max", "0")
        group_files.write_if_there(f"{directory}/memory.oom.group", "1")
        group_files.write(f"{directory}/memory.max", str(most_bytes))

    def spare_others(self, directory: str) -> None:
        group_files.write_if_there(f"{directory}/memory.oom.group", "0")

    def usage_file(self, directory: str) -> str:
        return f"{directory}/memory.current"

    def peak_file(self, directory: str) -> str:
        return f"{directory}/memory.peak"

    def oom_file(self, directory: str) -> str:
        return f"{directory}/memory.events"


class Pids:
    """The same in both versions."""

    def __init__(self, point: str) -> None:
        self.point = point

    def limit(self, directory: str, most: int) -> None:
        group_files.write(f"{directory}/pids.max", str(most))


class CpuV1:
    def __init__(self, point: str) -> None:
        self.point = point

    def limit(self, directory: str, percent: int) -> None:
        group_files.write(f"{directory}/cpu.cfs_quota_us", str(_quota_us(percent)))


class CpuV2:
    def __init__(self, point: str) -> None:
        self.point = point

    def limit(self, directory: str, percent: int) -> None:
        group_files.write(f"{directory}/cpu.max", f"{_quota_us(percent)} {_CPU_PERIOD_US}")


def _quota_us(percent: int) -> int:
    return percent * _CPU_PERIOD_US // 100
