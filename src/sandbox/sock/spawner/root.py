"""The read-only root that zygotes and sandboxes live in: a plan as data, and what carries it out.

The root is a tmpfs made by the spawner, owned by the host's root, with binds of the base on it. Binds
are detached trees (open_tree): they can pass a 0700 directory that a user namespace's root can not,
and they never appear in the host's mount namespace.
"""
import os
import stat
from dataclasses import dataclass, field

from zygote import linux

PACKAGES_DIR = "/packages"

_READ_ONLY = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV
# Read-only is the file, not what is written to the device.
_DEVICE = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NOEXEC
_SYSTEM_DIRS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_DEVICES = ("null", "zero", "full", "random", "urandom")
# What a base may bring is never bound over these: they are made afresh.
_OWN_DIRS = ("dev", "handler", "host", "packages", "proc", "run", "runtime", "sys", "tmp")
_NEVER_FROM_BASE = (*_OWN_DIRS, "boot", "home", "lost+found", "media", "mnt", "root")
_DIRS = ("dev", "dev/pts", "dev/shm", "handler", "home", "host", "packages", "proc", "run", "run/secrets", "runtime", "tmp")
_PROGRAM_FILES = (".py", ".mjs")
_LINKS = {
    "dev/fd": "/proc/self/fd",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "dev/stderr": "/proc/self/fd/2",
    # Terminals are there in sessions only.
    "dev/ptmx": "pts/ptmx",
    # A session's directory, which its runner makes in the scratch; in the sandbox of a lambda it leads nowhere.
    "home/work": "/host/work",
}


@dataclass
class Plan:
    dirs: "list[str]" = field(default_factory=list)
    files: "dict[str, bytes]" = field(default_factory=dict)
    links: "dict[str, str]" = field(default_factory=dict)
    binds: "list[tuple[str, str, int]]" = field(default_factory=list)  # (source on the host, target, attributes)

    def mount_points(self) -> "set[str]":
        """Where something is mounted in a finished sandbox, before its code comes."""
        own = {"/", "/proc", "/tmp", "/dev/shm"}
        return own | {f"/{target}" for _source, target, _attributes in self.binds}


def plan_root(base: dict, cargo: "dict[str, str]", node: dict) -> Plan:
    """cargo: directory name under /runtime → directory on the host whose program files go there.
    node: its `path` in the root, and the host's file that is to be seen there, or None if the base has it there."""
    plan = Plan(dirs=list(_DIRS), links=dict(_LINKS))
    if base["kind"] == "host":
        _plan_top_level(plan, "/", _SYSTEM_DIRS)
        plan.dirs += ["etc", "var"]
        plan.links["var/tmp"] = "/tmp"
        plan.binds.append((base["etcDir"], "etc", _READ_ONLY))
    else:
        names = sorted(name for name in os.listdir(base["path"]) if name not in _NEVER_FROM_BASE)
        _plan_top_level(plan, base["path"], names)
    for device in _DEVICES:
        plan.files[f"dev/{device}"] = b""
        plan.binds.append((f"/dev/{device}", f"dev/{device}", _DEVICE))
    for name, directory in cargo.items():
        plan.dirs.append(f"runtime/{name}")
        for file in sorted(os.listdir(directory)):
            if file.endswith(_PROGRAM_FILES):
                plan.files[f"runtime/{name}/{file}"] = _read(os.path.join(directory, file))
    if node["source"] is not None:
        target = node["path"].lstrip("/")
        plan.files[target] = b""
        plan.binds.append((node["source"], target, _READ_ONLY))
    return plan


def _plan_top_level(plan: Plan, base_path: str, names: "tuple[str, ...] | list[str]") -> None:
    for name in names:
        path = os.path.join(base_path, name)
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(mode):
            plan.links[name] = os.readlink(path)
        elif stat.S_ISDIR(mode):
            plan.dirs.append(name)
            plan.binds.append((path, name, _READ_ONLY))


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


@dataclass
class Trees:
    """Detached mounts, ready to be attached once."""

    root: int
    binds: "list[tuple[int, str]]"

    def close(self) -> None:
        for fd in [self.root, *(fd for fd, _target in self.binds)]:
            os.close(fd)


def open_trees(plan: Plan) -> Trees:
    root = linux.new_tmpfs({"mode": "0755", "size": "4m", "nr_inodes": "2048"}, 0)
    _fill(f"/proc/self/fd/{root}", plan)
    linux.set_mount_attributes(root, _READ_ONLY | linux.MOUNT_ATTR_NOEXEC)
    trees = Trees(root, [])
    try:
        for source, target, attributes in plan.binds:
            fd = linux.open_tree(linux.AT_FDCWD, source)
            trees.binds.append((fd, target))
            linux.set_mount_attributes(fd, attributes)
    except OSError:
        trees.close()
        raise
    return trees


def _fill(top: str, plan: Plan) -> None:
    """Modes are set by chmod: the umask of whoever started the worker must not hide the runtime."""
    for name in plan.dirs:
        os.makedirs(f"{top}/{name}", exist_ok=True)
        os.chmod(f"{top}/{name}", 0o755)
    for name, content in plan.files.items():
        with open(f"{top}/{name}", "xb") as file:
            file.write(content)
        os.chmod(f"{top}/{name}", 0o644)
    for name, target in plan.links.items():
        os.symlink(target, f"{top}/{name}")


def attach(trees: Trees, staging: str) -> None:
    """In the new mount namespace: the root at `staging`, everything on it, a fresh /proc, then into it."""
    linux.attach_tree(trees.root, staging)
    for fd, target in trees.binds:
        linux.attach_tree(fd, f"{staging}/{target}")
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    linux.mount("proc", f"{staging}/proc", "proc", flags)
    linux.mount("tmp", f"{staging}/tmp", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "size=16m,nr_inodes=4096,mode=1777")
    # Never chroot: setns into a sandbox that was only chrooted lands in the host's root.
    os.chdir(staging)
    linux.pivot_root(".", ".")
    linux.umount(".", linux.MNT_DETACH)
    os.chdir("/")
