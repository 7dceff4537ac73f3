"""Control groups of one worker: `isla/<marker>/<name>` in every hierarchy that this machine offers.

Controllers are looked for one by one, because machines mix v1 and v2. A v2 tree without controllers
still freezes and kills, so it is joined as well. Root's groups stand at the top of a hierarchy, wherever the
worker itself is (docs/decisions/021).
"""
import os
from typing import TypeVar

from . import group_files, hierarchies, kernel_files
from .controllers import CpuV1, CpuV2, MemoryV1, MemoryV2, Pids
from .hierarchies import CONTROLLERS, Hierarchies
from .limits import Limits
from .zygote_limits import ZygoteLimits

_ROOT = "isla"
_EMPTY_SECONDS_MAX = 2.0
_Driver = TypeVar("_Driver")


class Cgroups:
    def __init__(self, marker: str, places: Hierarchies) -> None:
        """Touches nothing: what an earlier run left can be removed without `open`, and nothing can be made."""
        self.lack = places.lack
        self._marker = marker
        self._unremoved: "set[str]" = set()
        self._v1 = dict(places.v1)
        self._v2 = places.v2
        self._is_part = places.is_part
        self._v2_controllers: "set[str]" = set()
        self._v2_is_threaded = False
        # None: there is no such controller here.
        self._memory: "MemoryV1 | MemoryV2 | None" = None
        self._pids: "Pids | None" = None
        self._cpu: "CpuV1 | CpuV2 | None" = None

    # -- hierarchies ------------------------------------------------------------------------------

    def open(self) -> None:
        """Makes the worker's own group in every hierarchy where that is possible."""
        if self._v2:
            self._open_v2()
        for name in self._v2_controllers:
            self._v1.pop(name, None)
        self._open_v1()
        # A tree without controllers only: that of memory knows no threads.
        if self._v2 and not self._v2_controllers and not self._is_part:
            self._v2_is_threaded = group_files.can_be_threaded(self._dir(self._v2))
        self._memory = self._driver("memory", MemoryV1, MemoryV2)
        self._pids = self._driver("pids", Pids, Pids)
        self._cpu = self._driver("cpu", CpuV1, CpuV2)

    def _driver(self, name: str, of_v1: "type[_Driver]", of_v2: "type[_Driver]") -> "_Driver | None":
        if name in self._v1:
            return of_v1(self._v1[name])
        return of_v2(self._v2) if name in self._v2_controllers else None

    def _open_v2(self) -> None:
        """Hands down the controllers that the tree has."""
        try:
            group_files.make_shared(self._dir(self._v2))
            found = set(kernel_files.read(f"{self._v2}/cgroup.controllers").split()) & set(CONTROLLERS)
        except OSError as error:
            self.lack += f", and no group can be made in {self._v2}: {error.strerror}"
            self._v2 = None
            return
        try:
            if found and self._is_part:
                hierarchies.make_room(self._v2)
            elif found:
                hierarchies.require_room(self._v2)
        except OSError as error:
            self.lack += f", and {self._v2} can not hand any down: {error.strerror or error}"
            found = set()
        for directory in (self._v2, f"{self._v2}/{_ROOT}", self._dir(self._v2)):
            for name in sorted(found):
                try:
                    group_files.write(f"{directory}/cgroup.subtree_control", f"+{name}")
                except OSError as error:
                    self.lack += f", and {directory} does not hand down {name}: {error.strerror or error}"
                    found.discard(name)
        self._v2_controllers = found

    def _open_v1(self) -> None:
        for name, point in list(self._v1.items()):
            try:
                group_files.make_shared(self._dir(point))
            except OSError as error:
                self.lack += f", and no group can be made in {point}: {error.strerror}"
                del self._v1[name]

    def _dir(self, point: "str | None", name: str = "") -> str:
        return f"{point}/{_ROOT}/{self._marker}" + (f"/{name}" if name else "")

    def _points(self) -> "list[str]":
        return sorted({*self._v1.values(), *([self._v2] if self._v2 else [])})

    def has(self, controller: str) -> bool:
        return controller in self._v1 or controller in self._v2_controllers

    @property
    def are_there(self) -> bool:
        return bool(self._points())

    @property
    def can_freeze(self) -> bool:
        return self._v2 is not None

    @property
    def uses(self) -> str:
        """What limits sandboxes, and where, in words for the operator."""
        said = [f"{name} by cgroup v1 at {point}/{_ROOT}" for name, point in sorted(self._v1.items())]
        said += [f"{name} by cgroup v2" for name in sorted(self._v2_controllers)]
        if self._v2:
            said.append(f"pausing and ending by cgroup v2 at {self._v2}/{_ROOT}")
        return ", ".join(said) or "no control groups"

    # -- one sandbox's groups ---------------------------------------------------------------------

    def make(self, name: str, limits: "Limits | ZygoteLimits", from_outside: bool = False) -> "list[int]":
        """Makes the groups; returns descriptors into which a single-threaded child writes "0" to join.

        `tasks` on v1 and `cgroup.threads` on v2, never `cgroup.procs`: the latter takes a machine-wide lock that waits
        for an RCU grace period after a quiet spell, 7 ms in the median. A v2 tree with controllers has no other way and
        pays it, ahead of time, and so does who comes `from_outside` of the worker's groups.
        """
        self._retry_removals()
        fds = []
        for point in self._points():
            directory = self._dir(point, name)
            group_files.make(directory)
            if point != self._v2:
                file = "tasks"
            elif self._v2_is_threaded:
                group_files.write(f"{directory}/cgroup.type", "threaded")
                file = "cgroup.procs" if from_outside else "cgroup.threads"
            else:
                file = "cgroup.procs"
            fds.append(os.open(f"{directory}/{file}", os.O_WRONLY | os.O_CLOEXEC))
        self.limit(name, limits, None)
        return fds

    def limit(self, name: str, limits: "Limits | ZygoteLimits", before: "Limits | ZygoteLimits | None") -> None:
        """Writes what is not as it was before; None if nothing has been written yet."""
        if self._memory and (before is None or limits.memory_mb != before.memory_mb):
            grows = before is not None and limits.memory_mb > before.memory_mb
            self._memory.limit(self._dir(self._memory.point, name), limits.memory_mb << 20, grows)
        if self._pids and (before is None or limits.procs != before.procs):
            self._pids.limit(self._dir(self._pids.point, name), limits.procs)
        if self._cpu and limits.cpu_percent is not None and (before is None or limits.cpu_percent != before.cpu_percent):
            self._cpu.limit(self._dir(self._cpu.point, name), limits.cpu_percent)

    def members(self, name: str) -> "dict[str, list[int]]":
        """Pids in the groups, by mount point; where a group is of threads, theirs."""
        found = {}
        for point in self._points():
            file = "cgroup.threads" if point == self._v2 and self._v2_is_threaded else "cgroup.procs"
            found[point] = group_files.pids(f"{self._dir(point, name)}/{file}")
        return found

    def processes(self, name: str) -> "set[int]":
        """Pids of all in the groups; where there are groups of threads only, those of further threads, too."""
        return {pid for pids in self.members(name).values() for pid in pids}

    def move(self, name: str, pid: int) -> None:
        """A process that runs already, with all its threads. What was charged for it stays where it was."""
        for point in self._points():
            group_files.write(f"{self._dir(point, name)}/cgroup.procs", str(pid))

    def forbid_more(self, name: str) -> None:
        """From now on no process is made there, as far as they are counted."""
        if self._pids:
            self._pids.limit(self._dir(self._pids.point, name), 0)

    def spare_others(self, name: str) -> None:
        """Whoever is killed for memory there goes alone: process 1 of a session holds forks that have groups of their own."""
        if self._memory:
            self._memory.spare_others(self._dir(self._memory.point, name))

    def freeze(self, name: str, frozen: bool) -> None:
        group_files.write(f"{self._dir(self._v2, name)}/cgroup.freeze", "1" if frozen else "0")

    def kill(self, name: str = "") -> None:
        """Kills every process of the group, frozen or not; without a name those of the whole worker.

        A group of threads can not be killed: its sandbox ends with its first process, as any does.
        """
        if self._v2 and not (name and self._v2_is_threaded):
            group_files.write_if_there(f"{self._dir(self._v2, name)}/cgroup.kill", "1")

    def memory_bytes(self, name: str) -> "int | None":
        if self._memory is None:
            return None
        return int(kernel_files.read(self._memory.usage_file(self._dir(self._memory.point, name))))

    def total_files(self) -> "dict[str, str] | None":
        """Where the kernel counts the memory of the whole worker's sandboxes and zygotes together."""
        if self._memory is None:
            return None
        directory = self._dir(self._memory.point)
        return {"usage": self._memory.usage_file(directory), "stat": f"{directory}/memory.stat"}

    def peak_bytes(self, name: str) -> "int | None":
        """The most that was ever charged to it; None where the kernel does not remember."""
        file = self.peak_file(name)
        if file is None:
            return None
        try:
            return int(kernel_files.read(file))
        except FileNotFoundError:
            return None  # memory.peak came with Linux 5.19; and the group may never have been made

    def peak_file(self, name: str) -> "str | None":
        return self._memory and self._memory.peak_file(self._dir(self._memory.point, name))

    def cpu_us(self, name: str) -> "int | None":
        """The CPU time that it has taken, in microseconds; None where the kernel does not count it by group."""
        try:
            text = kernel_files.read(self.cpu_file(name)) if self._v2 else ""
        except FileNotFoundError:
            return None  # the group was never made
        return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("usage_usec ")), None)

    def cpu_file(self, name: str) -> "str | None":
        """The file that counts its CPU time, in a line `usage_usec N`: a v2 tree has it without any controller."""
        return f"{self._dir(self._v2, name)}/cpu.stat" if self._v2 else None

    def oom_file(self, name: str) -> "str | None":
        """The file that counts the processes that the kernel killed for memory, in a line `oom_kill N`."""
        return self._memory and self._memory.oom_file(self._dir(self._memory.point, name))

    def oom_kills(self, name: str) -> int:
        file = self.oom_file(name)
        text = kernel_files.read(file) if file else ""
        return int(next((line.split()[1] for line in text.splitlines() if line.startswith("oom_kill ")), "0"))

    def remove(self, name: str) -> None:
        """Removes empty groups. A group whose last process is still on its way out is tried again later."""
        self._unremoved.add(name)
        self._retry_removals()

    def _retry_removals(self) -> None:
        for name in list(self._unremoved):
            if all(group_files.remove(self._dir(point, name)) for point in self._points()):
                self._unremoved.discard(name)

    # -- the worker's groups ----------------------------------------------------------------------

    def names(self) -> "set[str]":
        found: "set[str]" = set()
        for point in self._points():
            try:
                found.update(entry.name for entry in os.scandir(self._dir(point)) if entry.is_dir())
            except FileNotFoundError:
                continue  # no run of the worker has had groups there
        return found

    def thaw_and_kill_all(self) -> "set[int]":
        """For what an earlier run left: thaws, kills, and returns the pids that were found."""
        pids: "set[int]" = set()
        # Where groups are of threads, their processes are those of the worker's own group.
        for name in ("", *self.names()):
            for point in self._points():
                group_files.write_if_there(f"{self._dir(point, name)}/cgroup.freeze", "0")
                pids.update(group_files.pids(f"{self._dir(point, name)}/cgroup.procs"))
        self.kill()
        return pids

    def remove_all(self) -> bool:
        """Removes every group of the worker; False if one still holds a process after a while."""
        if self._v2:
            group_files.await_empty(self._dir(self._v2), _EMPTY_SECONDS_MAX)
        done = all(group_files.remove(self._dir(point, name)) for name in self.names() for point in self._points())
        if done:
            for point in self._points():
                done = group_files.remove(self._dir(point)) and done
                group_files.remove(f"{point}/{_ROOT}")  # stays while other workers use it
        return done
