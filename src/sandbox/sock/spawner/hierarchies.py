"""Where on this machine control groups can be made.

v1 controllers and the v2 tree are mounted each at a place of its own, and root makes its groups at the top of each.
Anybody else may have been handed a part of the v2 tree: the group in which this process was started, if that
user may write to it (systemd: `Delegate=yes`). The kernel hands controllers down only from a group without
processes of its own, so those that sit there, the worker and this process among them, are moved into a group
beside those of the sandboxes, which stays for as long as they do.
"""
import os
from dataclasses import dataclass

CONTROLLERS = ("memory", "pids", "cpu")
_BESIDE = "isla-supervisor"
_REMEMBERED = "cgroup"
_PATH_BYTES_MAX = 4096
_ROUNDS_MAX = 16
_NONE = "there is no cgroup controller to use"


@dataclass(frozen=True)
class Hierarchies:
    v1: "dict[str, str]"
    """Controller → mount point."""
    v2: "str | None"
    """The directory in which groups are made."""
    is_part: bool = False
    """The v2 directory is a part of the tree that was handed to this user."""
    lack: str = _NONE
    """What to say of a controller that is not there."""


def find(is_root: bool) -> Hierarchies:
    v1, v2 = _mounts()
    if is_root:
        return Hierarchies(v1, v2[0] if v2 else None)
    v1 = {name: point for name, point in v1.items() if os.access(point, os.W_OK)}
    if v2 is None:
        return Hierarchies(v1, None)
    part = _own_group(*v2)
    refused = _refusal(part)
    if refused is None:
        return Hierarchies(v1, part, is_part=True)
    return Hierarchies(v1, None, lack=f"{_NONE}, {refused}")


def make_room(directory: str) -> None:
    """Moves every process out of the group itself, so that it can hand controllers down.

    Must come before the first one: `cpu` and `pids` are handed down in spite of processes, and make the group the
    root of a tree of threads, in which no other process can be put.
    """
    beside = f"{directory}/{_BESIDE}"
    for _round in range(_ROUNDS_MAX):  # who forks meanwhile leaves a child behind
        with open(f"{directory}/cgroup.procs") as file:
            pids = file.read().split()
        if not pids:
            return
        if "0" in pids:
            raise OSError(f"{directory} holds processes that can not be seen from here")
        os.makedirs(beside, exist_ok=True)
        for pid in pids:
            try:
                with open(f"{beside}/cgroup.procs", "w") as file:
                    file.write(pid)
            except ProcessLookupError:
                continue  # it has ended
    raise OSError(f"{directory} never gets empty")


def require_room(directory: str) -> None:
    """For root, whose top may be a container's own group: whose processes sit there is not ours to know or to move.

    Raises if there are any. Only the top of all, which has no type, may have both processes and groups with controllers.
    """
    if os.path.exists(f"{directory}/cgroup.type"):
        with open(f"{directory}/cgroup.procs") as file:
            if file.read(1):
                raise OSError("there are processes in it; `admin doctor` says how they are moved aside")


def remember(worker_dir_fd: int, places: Hierarchies) -> None:
    """For whoever reclaims, who may be started in another group."""
    fd = os.open(_REMEMBERED, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=worker_dir_fd)
    try:
        os.write(fd, (places.v2 or "").encode())
    finally:
        os.close(fd)


def earlier(worker_dir_fd: int, now: Hierarchies) -> "Hierarchies | None":
    """Where an earlier run of the worker had its groups, if that is another place and still there."""
    _v1, v2 = _mounts()
    try:
        fd = os.open(_REMEMBERED, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=worker_dir_fd)
    except FileNotFoundError:
        return None
    try:
        path = os.read(fd, _PATH_BYTES_MAX).decode(errors="replace")
    finally:
        os.close(fd)
    # The file may be another user's: it chooses among groups, and nothing else.
    is_group = v2 is not None and path.startswith(f"{v2[0]}/") and os.path.realpath(path) == path
    return Hierarchies({}, path) if is_group and path != now.v2 and os.path.isdir(path) else None


def _mounts() -> "tuple[dict[str, str], tuple[str, str] | None]":
    """v1 controller → mount point, and of v2, if there is one, its mount point and what of it is mounted there."""
    v1: "dict[str, str]" = {}
    v2 = None
    with open("/proc/self/mountinfo") as file:
        for line in file:
            before, _separator, after = line.partition(" - ")
            kind, _source, options = after.split()[:3]
            root, point = before.split()[3:5]
            if kind == "cgroup2":
                v2 = v2 or (point, root)
            elif kind == "cgroup":
                for option in options.split(","):
                    if option in CONTROLLERS:
                        v1.setdefault(option, point)
    return v1, v2


def _own_group(point: str, root: str) -> "str | None":
    """The directory of the group that this process is in, or, if it was moved aside, was in."""
    with open("/proc/self/cgroup") as file:
        path = next((line[len("0::"):].rstrip("\n") for line in file if line.startswith("0::")), None)
    if path is None or root != "/" and not f"{path}/".startswith(f"{root}/"):
        return None
    inside = path if root == "/" else path[len(root):]
    directory = f"{point}{inside}".rstrip("/")
    return os.path.dirname(directory) if os.path.basename(directory) == _BESIDE else directory


def _refusal(directory: "str | None") -> "str | None":
    if directory is None:
        return "the group of this process is not mounted"
    for name in ("", "/cgroup.procs", "/cgroup.subtree_control"):
        if not os.access(f"{directory}{name}", os.W_OK):
            return f"and {directory} was not handed to this user (`systemd-run --user --scope -p Delegate=yes` does that)"
    return None
