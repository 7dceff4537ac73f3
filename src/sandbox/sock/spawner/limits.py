"""What one sandbox may use. A waiting sandbox has the worker's preset; a lambda may change it at hand-over."""
from dataclasses import dataclass

from zygote import linux, seccomp

_TMPFS_POINTS = ("/tmp", "/dev/shm")
_INODES_PER_MB = 256


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
    # Size 0 would mean "no limit" to the kernel.
    options = f"size={tmp_mb}m,nr_inodes={tmp_mb * _INODES_PER_MB}" if tmp_mb > 0 else "nr_inodes=1"
    for point in _TMPFS_POINTS:
        linux.mount("none", point, None, linux.MS_REMOUNT | seccomp.TMPFS_MOUNT_FLAGS, options)
