"""Images: file systems of a fixed size in sparse files without a name.

An image is an ext4 without journal behind a loop device that clears itself; its mount is made detached. All
of it hangs on descriptors: when everybody has let go, or died, the kernel takes it apart and the file's
space is free. Nothing has to be deleted file by file, whatever a handler built in there.

All images have the size of the ceiling. What a lambda may not use is taken away by a balloon: a file that
is allocated, never written, has no name, and is open in trusted processes alone. Another size is one
`ftruncate` away, so that it can be chosen when a sandbox gets its code.
"""
import errno
import fcntl
import os
import shutil
import struct
from dataclasses import dataclass

from zygote import linux

from . import loop_device

ATTRIBUTES = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOATIME
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BALLOON = "balloon"
_MKFS_OPTIONS = ("-q", "-F", "-b", "4096", "-m", "0", "-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard")
_INODES_PER_MB = 16
_INODE_BYTES = 256
_SPARE_BYTES = 4 << 20
# The kernel keeps a fiftieth of an ext4 back for itself, at most 4,096 blocks.
_KEPT_PART, _KEPT_BLOCKS_MAX = 50, 4096
_SHUTDOWN, _SHUTDOWN_WITHOUT_FLUSH = 0x8004587D, 2
_READ_BYTES = 1 << 20
_WRITTEN_BYTES_MAX = 1 << 18
_STAT_BLOCK_BYTES = 512
# Nothing in an image outlives its sandbox: nobody waits for the disk, and no thread of the kernel's looks ahead.
_OPTIONS: "dict[str, str | None]" = {"noinit_itable": None, "nobarrier": None, "no_prefetch_block_bitmaps": None}


@dataclass
class Image:
    tree: int  # the mount, until it is attached somewhere
    root: int  # its root directory
    balloon: int

    def __post_init__(self) -> None:
        self._room_bytes = self._bytes_left()

    def fds(self) -> "list[int]":
        return [fd for fd in (self.tree, self.root, self.balloon) if fd != -1]

    def discard(self) -> None:
        """Lets go. Nobody will read what was written: no time is spent on bringing it to disk."""
        # To end it like that is a line in the kernel's log each time, and dearer than a few blocks are.
        if self._bytes_left() + _WRITTEN_BYTES_MAX < self._room_bytes:
            fcntl.ioctl(self.root, _SHUTDOWN, struct.pack("=I", _SHUTDOWN_WITHOUT_FLUSH))
        for fd in self.fds():
            os.close(fd)

    def _bytes_left(self) -> int:
        """What could still be written if there were no balloon."""
        facts = os.fstatvfs(self.root)
        return facts.f_bfree * facts.f_bsize + os.fstat(self.balloon).st_blocks * _STAT_BLOCK_BYTES


class Images:
    def __init__(self, dir_fd: int, mb_max: int, mb: int) -> None:
        """`dir_fd`: a directory of this process's own, in which images are for a moment."""
        self.dir_fd = dir_fd
        self._mb_max = mb_max
        self._mb = mb
        self._made = 0
        self._make_template()

    def make(self) -> Image:
        file = self._new_file()
        try:
            tree = _mount(file, self._pieces)
        finally:
            os.close(file)
        root = open_root(tree)
        try:
            balloon = os.open(_BALLOON, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
            os.unlink(_BALLOON, dir_fd=root)
            return Image(tree, root, balloon)
        except OSError:
            os.close(root)
            os.close(tree)
            raise

    def leave(self, balloon: int, mb: int) -> None:
        """Makes the balloon so large that only this much is left."""
        wanted = max(0, self._usable_bytes - (mb << 20))
        size = os.fstat(balloon).st_size
        if wanted < size:
            os.ftruncate(balloon, wanted)
        elif wanted > size:
            os.posix_fallocate(balloon, size, wanted - size)

    # -- the template -----------------------------------------------------------------------------

    def _new_file(self) -> int:
        self._made += 1
        name = f".image-{self._made}"
        fd = os.open(name, _NEW_FILE, 0o600, dir_fd=self.dir_fd)
        os.unlink(name, dir_fd=self.dir_fd)
        os.ftruncate(fd, self._bytes)
        return fd

    def _make_template(self) -> None:
        """Its data, a hundred kilobytes, is kept in memory: an image is that much written into a hole."""
        inodes = max(1024, self._mb_max * _INODES_PER_MB)
        scratch = self._mb_max << 20
        kept = _KEPT_BLOCKS_MAX * 4096
        self._bytes = (scratch + scratch // 100 + kept + inodes * _INODE_BYTES + _SPARE_BYTES) & ~4095
        file = self._new_file()
        try:
            _make_filesystem(file, inodes)
            tree = _mount(file, [])
            root = open_root(tree)
            try:
                os.rmdir("lost+found", dir_fd=root)
                facts = os.fstatvfs(root)
                kept = min(facts.f_blocks // _KEPT_PART, _KEPT_BLOCKS_MAX)
                self._usable_bytes = (facts.f_bfree - kept) * facts.f_bsize
                balloon = os.open(_BALLOON, _NEW_FILE, 0o600, dir_fd=root)
                os.posix_fallocate(balloon, 0, max(1, self._usable_bytes - (self._mb << 20)))
                os.close(balloon)
            finally:
                os.close(root)
                os.close(tree)
            os.fsync(file)
            self._pieces = _pieces(file)
        finally:
            os.close(file)


def open_root(tree: int) -> int:
    """The root directory of a mount that nobody else has yet; the mount is closed if that fails."""
    try:
        return os.open(".", _DIRECTORY, dir_fd=tree)
    except OSError:
        os.close(tree)
        raise


def _mount(file: int, pieces: "list[tuple[int, bytes]]") -> int:
    """Mounts the file with the pieces in it. They go through the device: the kernel would bring a file's to disk first."""
    device, path = loop_device.attach(file)
    try:
        for offset, data in pieces:
            os.pwrite(device, data, offset)
        return linux.new_mount("ext4", {"source": path, **_OPTIONS}, ATTRIBUTES)
    finally:
        os.close(device)


def _make_filesystem(file: int, inodes: int) -> None:
    program = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin")
    if program is None:
        raise OSError(errno.ENOENT, "mkfs.ext4 (package e2fsprogs) is not installed")
    # Another process sees the nameless file under this one's descriptor.
    arguments = [program, *_MKFS_OPTIONS, "-N", str(inodes), f"/proc/{os.getpid()}/fd/{file}"]
    null = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
    pid = os.posix_spawn(program, arguments, {"LANG": "C.UTF-8"}, file_actions=null)
    _pid, status = os.waitpid(pid, 0)
    if status != 0:
        raise OSError(errno.EIO, f"mkfs.ext4 ended with {os.waitstatus_to_exitcode(status)}")


def _pieces(file: int) -> "list[tuple[int, bytes]]":
    """Everything in a sparse file that is data and not zero, by offset."""
    pieces = []
    offset = 0
    while True:
        try:
            start = os.lseek(file, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return pieces
            raise
        offset = os.lseek(file, start, os.SEEK_HOLE)
        for at in range(start, offset, _READ_BYTES):
            data = os.pread(file, min(_READ_BYTES, offset - at), at)
            if data.count(0) != len(data):
                pieces.append((at, data))
