"""File systems of a fixed size for scratch, one per sandbox, mounted nowhere on the host.

Theory of operation. A plain directory can not be limited without project quota, which few machines have.
So a volume is an ext4 without journal in a sparse file that has no name any more, behind a loop device
that clears itself; the mount is made detached and moved into the sandbox. All of it hangs on descriptors:
when the sandbox and this process have let go, or died, the kernel takes it apart and the file's space is
free. Nothing has to be deleted file by file, whatever a handler built in there.

All images have the size of the ceiling. What a lambda may not use is taken away by a balloon: a file that
is allocated, never written, has no name, and is open here alone. Another size is one `ftruncate` away, so
that it can be chosen when a sandbox gets its code.

Where there are no loop devices (no root, no mkfs.ext4), a volume is a tmpfs, which is memory.
"""
import errno
import fcntl
import os
import shutil
import struct

from zygote import linux

from . import loop_device
from .limits import Limits

_ATTRIBUTES = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOATIME
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BALLOON = "balloon"
_MKFS_OPTIONS = ("-q", "-F", "-b", "4096", "-m", "0", "-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard")
_INODES_PER_MB = 16
_INODE_BYTES = 256
_TMPFS_INODES_PER_MB = 256
_SPARE_BYTES = 4 << 20
# The kernel keeps a fiftieth of an ext4 back for itself, at most 4,096 blocks.
_KEPT_PART, _KEPT_BLOCKS_MAX = 50, 4096
_SHUTDOWN, _SHUTDOWN_WITHOUT_FLUSH = 0x8004587D, 2
_TMPFS_MEMORY_PART = 4
_READ_BYTES = 1 << 20


class Volume:
    """`tree` is the mount until it is attached; `fd` is its root directory, as long as the sandbox is there."""

    def __init__(self, tree: int, fd: int, balloon: "int | None") -> None:
        self.tree = tree
        self.fd = fd
        self.balloon = balloon

    def close(self) -> None:
        if self.balloon is not None:
            # Nobody will read what was written: do not spend time on bringing it to disk.
            fcntl.ioctl(self.fd, _SHUTDOWN, struct.pack("=I", _SHUTDOWN_WITHOUT_FLUSH))
            os.close(self.balloon)
        os.close(self.fd)
        if self.tree != -1:
            os.close(self.tree)


class Volumes:
    def __init__(self, dir_fd: int, scratch_mb_max: int, may_loop: bool) -> None:
        """`dir_fd`: a directory of this process's own, in which images are for a moment."""
        self.weaker: "list[str]" = []
        self._dir = dir_fd
        self._mb_max = scratch_mb_max
        self._made = 0
        self._pieces: "list[tuple[int, bytes]]" = []
        self._image_bytes = 0
        self._usable_bytes = 0
        try:
            if not may_loop:
                raise OSError(errno.EPERM, "only root may use loop devices")
            self._make_template()
        except OSError as error:
            self._image_bytes = 0
            self.weaker.append(f"scratch is memory and counts as such, a quarter of memory_mb at most: {error}")

    def make(self, limits: Limits) -> Volume:
        if self._image_bytes == 0:
            return _opened(linux.new_tmpfs({**_tmpfs_size(limits), "mode": "0755"}, _ATTRIBUTES))
        image = self._new_image()
        try:
            for offset, data in self._pieces:
                os.pwrite(image, data, offset)
            volume = _opened(_mount(image))
        finally:
            os.close(image)
        try:
            volume.balloon = os.open(_BALLOON, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=volume.fd)
            os.unlink(_BALLOON, dir_fd=volume.fd)
            self._leave(volume, limits)
        except OSError:
            volume.close()
            raise
        return volume

    def resize(self, volume: Volume, limits: Limits) -> None:
        if volume.balloon is not None:
            self._leave(volume, limits)
        else:
            linux.reconfigure(volume.fd, _tmpfs_size(limits))

    def _leave(self, volume: Volume, limits: Limits) -> None:
        """Makes the balloon so large that only what the limits say is left."""
        wanted = max(0, self._usable_bytes - (limits.scratch_mb << 20))
        size = os.fstat(volume.balloon).st_size
        if wanted < size:
            os.ftruncate(volume.balloon, wanted)
        elif wanted > size:
            os.posix_fallocate(volume.balloon, size, wanted - size)

    # -- the template -----------------------------------------------------------------------------

    def _new_image(self) -> int:
        self._made += 1
        name = f".image-{self._made}"
        fd = os.open(name, _NEW_FILE, 0o600, dir_fd=self._dir)
        os.unlink(name, dir_fd=self._dir)
        os.ftruncate(fd, self._image_bytes)
        return fd

    def _make_template(self) -> None:
        """Its data, a hundred kilobytes, is kept in memory: an image is that much written into a hole."""
        inodes = max(1024, self._mb_max * _INODES_PER_MB)
        scratch = self._mb_max << 20
        kept = _KEPT_BLOCKS_MAX * 4096
        self._image_bytes = (scratch + scratch // 100 + kept + inodes * _INODE_BYTES + _SPARE_BYTES) & ~4095
        image = self._new_image()
        try:
            _make_filesystem(image, inodes)
            volume = _opened(_mount(image))
            try:
                os.rmdir("lost+found", dir_fd=volume.fd)
                facts = os.fstatvfs(volume.fd)
                kept = min(facts.f_blocks // _KEPT_PART, _KEPT_BLOCKS_MAX)
                self._usable_bytes = (facts.f_bfree - kept) * facts.f_bsize
                balloon = os.open(_BALLOON, _NEW_FILE, 0o600, dir_fd=volume.fd)
                os.posix_fallocate(balloon, 0, max(1, self._usable_bytes - scratch))
                os.close(balloon)
            finally:
                volume.close()
            os.fsync(image)
            self._pieces = _pieces(image)
        finally:
            os.close(image)


def _tmpfs_size(limits: Limits) -> "dict[str, str | None]":
    mb = max(1, min(limits.scratch_mb, limits.memory_mb // _TMPFS_MEMORY_PART))
    return {"size": f"{mb}m", "nr_inodes": str(mb * _TMPFS_INODES_PER_MB)}


def _opened(tree: int) -> Volume:
    try:
        return Volume(tree, os.open(".", _DIRECTORY, dir_fd=tree), None)
    except OSError:
        os.close(tree)
        raise


def _mount(image: int) -> int:
    device, path = loop_device.attach(image)
    try:
        return linux.new_mount("ext4", {"source": path, "noinit_itable": None}, _ATTRIBUTES)
    finally:
        os.close(device)


def _make_filesystem(image: int, inodes: int) -> None:
    program = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin")
    if program is None:
        raise OSError(errno.ENOENT, "mkfs.ext4 (package e2fsprogs) is not installed")
    # Another process sees the nameless file under this one's descriptor.
    arguments = [program, *_MKFS_OPTIONS, "-N", str(inodes), f"/proc/{os.getpid()}/fd/{image}"]
    null = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
    pid = os.posix_spawn(program, arguments, {"LANG": "C.UTF-8"}, file_actions=null)
    _pid, status = os.waitpid(pid, 0)
    if status != 0:
        raise OSError(errno.EIO, f"mkfs.ext4 ended with {os.waitstatus_to_exitcode(status)}")


def _pieces(image: int) -> "list[tuple[int, bytes]]":
    """Everything in a sparse file that is data and not zero, by offset."""
    pieces = []
    offset = 0
    while True:
        try:
            start = os.lseek(image, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return pieces
            raise
        offset = os.lseek(image, start, os.SEEK_HOLE)
        for at in range(start, offset, _READ_BYTES):
            data = os.pread(image, min(_READ_BYTES, offset - at), at)
            if data.count(0) != len(data):
                pieces.append((at, data))
