"""A file as a block device that goes away by itself when nobody uses it any more."""
import fcntl
import os
import struct

_GET_FREE = 0x4C82
_CONFIGURE = 0x4C0A
_AUTOCLEAR = 4
_BLOCK_BYTES = 4096
# struct loop_config: fd, block size, struct loop_info64 with its flags after 52 bytes, eight reserved words.
_CONFIG = struct.Struct("=II52xI176x64x")
_TRIES_MAX = 16


def attach(image_fd: int) -> "tuple[int, str]":
    """An open descriptor of the device, which keeps it until something else does, and its path."""
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for left in reversed(range(_TRIES_MAX)):
            path = f"/dev/loop{fcntl.ioctl(control, _GET_FREE)}"
            device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(device, _CONFIGURE, _CONFIG.pack(image_fd, _BLOCK_BYTES, _AUTOCLEAR))
                return device, path
            except OSError:
                os.close(device)
                if left == 0:
                    raise
                # Somebody else took that one between the two calls.
    finally:
        os.close(control)
    raise OSError("no loop device was to be had")
