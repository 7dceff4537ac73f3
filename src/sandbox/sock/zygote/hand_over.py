"""The last steps of a sandbox that is finished: tell the spawner, wait for code, serve it.

Knows nothing of system calls, so that an interpreter that was started for one sandbox loads nothing else.
"""
import os
import socket
import sys
from typing import NoReturn

CONTROL_FD = 4
# A description with all the environment that a lambda may have takes less than half of it.
_BYTES_MAX = 1 << 16
_ONE_FD = socket.CMSG_LEN(4)


def wait_and_serve(control: socket.socket, server) -> NoReturn:
    """`server` is isla_runtime's. Whatever comes of it, a fork never goes on with what its zygote was doing."""
    status = 1
    try:
        control.send(b'{"waiting":true}')
        description, channel = receive(control)
        server.serve(channel, description, control)
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def receive(control: socket.socket) -> "tuple[bytes, socket.socket]":
    """What the spawner says, and the channel, which is closed on exec."""
    # A program left running in the background held the channel open. recv_fds takes flags and
    # ignores them, up to Python 3.11 at least.
    message, sent, _flags, _address = control.recvmsg(_BYTES_MAX, _ONE_FD, socket.MSG_CMSG_CLOEXEC)
    if not message:
        os._exit(0)  # the spawner gave this sandbox up before it was used
    # Given its kind, the socket is not asked for it: three system calls of a cold start.
    [(_level, _kind, fd)] = sent
    return message, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=int.from_bytes(fd, sys.byteorder))
