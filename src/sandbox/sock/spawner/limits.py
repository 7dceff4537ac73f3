"""What one sandbox may use. A waiting sandbox has the worker's preset; a lambda may change it at hand-over."""
from dataclasses import dataclass

from zygote import linux, seccomp
from zygote.child import tmpfs_size

_TMPFS_POINTS = ("/tmp", "/dev/shm")


@dataclass(frozen=True)
class Limits:
    memory_mb: int
    procs: int
    cpu_percent: int
    tmp_mb: int
    scratch_mb: int
    output_kb: int


def resize_tmpfs(tmp_mb: int) -> None:
    """To be run inside the sandbox's mount namespace; the sandbox itself may not remount."""
    for point in _TMPFS_POINTS:
        linux.mount("none", point, None, linux.MS_REMOUNT | seccomp.TMPFS_MOUNT_FLAGS, tmpfs_size(tmp_mb))
