"""What a container runs: it gets ready, waits until it is given a lambda, and serves it.

    /host      its scratch; `server_pipe` listens there before the worker is told that this container waits
    /control   a directory with a socket of the worker's: this side says that it waits, that side what to serve
    /handler   empty until then; Docker adds no mount to a container that runs, so the code is put into what is mounted

All walls are Docker's and stand before this begins: what is started here has no right to drop.
"""
import json
import os
import resource
import signal
import socket
import sys

from isla_runtime import server

_PIPE = "/host/server_pipe"
_CONTROL = "/control/socket"
_WAITING = b'{"waiting":true}\n'
_DESCRIPTION_BYTES_MAX = 1 << 20
_NODE_MAIN = "/runtime/isla_node/main.mjs"
_NODE_CHANNEL = 3
# As a sandbox of namespaces has them.
_STACK_BYTES = 8 << 20
_SIGNALS_QUEUED_MAX = 256


def main() -> None:
    os.umask(0o022)
    _open_output()
    listener = _listen()
    _set_limits()
    server.prepare()
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    control.connect(_CONTROL)
    control.sendall(_WAITING)
    description = _receive_line(control)
    if description is None:
        return  # given up before it was used
    channel, _address = listener.accept()
    channel.setblocking(True)
    control.close()
    listener.close()
    facts = json.loads(description)
    if "entry" in facts:
        _become_node(channel, facts, description)
    server.serve(channel, description)


def _become_node(channel: socket.socket, facts: dict, description: bytes) -> None:
    """Never returns. Node is started when it is wanted: a container takes longer to make than Node to start."""
    os.dup2(channel.fileno(), _NODE_CHANNEL)
    os.set_inheritable(_NODE_CHANNEL, True)
    # Python ignores it, and what Node starts would, too.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    arguments = ["node", *facts["node_flags"], _NODE_MAIN, description.decode()]
    os.execvpe("node", arguments, {**os.environ, "TZ": ":UTC"})


def _open_output() -> None:
    for fd, name in ((1, "stdout"), (2, "stderr")):
        opened = os.open(f"/host/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        # The worker empties it, perhaps under an id that is not root's.
        os.fchmod(opened, 0o666)
        os.dup2(opened, fd)
        os.close(opened)


def _listen() -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(_PIPE)
    os.chmod(_PIPE, 0o666)
    listener.listen(1)
    return listener


def _set_limits() -> None:
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (_STACK_BYTES if hard == -1 else min(_STACK_BYTES, hard), hard))
    resource.setrlimit(resource.RLIMIT_SIGPENDING, (_SIGNALS_QUEUED_MAX, _SIGNALS_QUEUED_MAX))


def _receive_line(control: socket.socket) -> "bytes | None":
    line = b""
    while not line.endswith(b"\n"):
        piece = control.recv(1 << 16)
        if not piece or len(line) > _DESCRIPTION_BYTES_MAX:
            return None
        line += piece
    return line


if __name__ == "__main__":
    main()
