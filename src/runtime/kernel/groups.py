"""Control groups of forks: asked of the spawner, which alone can make them, over a link that only this process holds.

What comes back are descriptors: a child of this process that writes "0" to each is in the groups, and so is all that it
starts. Nobody else may get hold of them: any process of the sandbox, this one too, could be put there by its number.
"""
import json
import os
import socket
from typing import Callable

_MESSAGE_BYTES_MAX = 1024
# A hierarchy for each controller, and one more.
_FDS_SPACE = socket.CMSG_LEN(8 * 4)
_Found = "Callable[[list[int], str], None]"


class Groups:
    def __init__(self, link: "socket.socket | None", loop) -> None:
        """`link`: None where forks can have no groups."""
        self._link = link
        self._loop = loop
        self._asked: "dict[int, _Found]" = {}
        if link is not None:
            link.setblocking(False)
            loop.on_readable(link.fileno(), self._hear)

    def move(self, number: int, pid: int, then: "_Found") -> None:
        """Moves the process of fork `number` into groups of its own. `then(descriptors, "")`, which are none where there are no
        groups, or `then([], why)` if it can not be; later, never from within."""
        if self._link is None:
            self._loop.after(0, lambda: then([], ""))
            return
        self._asked[number] = then
        try:
            pidfd = os.pidfd_open(pid)
        except OSError as error:
            self._loop.after(0, lambda: self._tell(number, [], f"it has ended: {error.strerror}"))
            return
        try:
            socket.send_fds(self._link, [json.dumps({"fork": number}).encode()], [pidfd])
        except OSError as error:
            self._loop.after(0, lambda: self._tell(number, [], f"the spawner does not listen: {error.strerror}"))
        finally:
            os.close(pidfd)

    def _tell(self, number: int, fds: "list[int]", why: str) -> None:
        then = self._asked.pop(number, None)
        if then is not None:
            then(fds, why)

    def _hear(self) -> None:
        # recv_fds takes flags and ignores them, up to Python 3.11 at least.
        try:
            message, ancillary, *_ = self._link.recvmsg(_MESSAGE_BYTES_MAX, _FDS_SPACE, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            message, ancillary = b"", []
        if not message:
            self._loop.forget(self._link.fileno())
            self._link.close()
            self._link = None
            for number in list(self._asked):
                self._tell(number, [], "the spawner has hung up")
            return
        fds = [fd for _level, _kind, data in ancillary for fd in memoryview(data).cast("i")]
        said = json.loads(message)
        self._tell(said["fork"], fds, said.get("failed", ""))
