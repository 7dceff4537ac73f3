"""A process that makes images before they are asked for and takes them apart after they were used.

Theory of operation. Making an image takes 3 ms, and taking one apart 2, or 100 if a handler has filled it;
the spawner would stand still for that long, and with it every other sandbox. So a child of the spawner does
both and keeps a few in stock. They speak over one socket (SOCK_SEQPACKET):

    spawner → "take <number>"      keeper → {} + [mount, root directory, balloon], or {"error": text}
    spawner → "give <number>"      all other holders have let go: take it apart

The keeper holds descriptors of every image that is out, so that it is always the one that lets go last.
It ends when the spawner closes the socket, and at once when the spawner dies; a keeper that dies itself
is replaced by the next `take`, and the images that it had given out live on by their other holders.
"""
import json
import os
import select
import signal
import socket

from zygote import linux

from .images import Image, Images

_STOCK = 4
_NAME = "scratch-keeper"
_MESSAGE_BYTES_MAX = 4096
_ANSWER_SECONDS_MAX = 5.0
_LINK_FD, _DIR_FD = 3, 4


class ImageKeeper:
    """The spawner's end."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self._start()

    def take(self, number: int) -> "list[int]":
        """Descriptors of the mount, its root directory and its balloon."""
        for _try in range(2):
            try:
                self._link.send(f"take {number}".encode())
                message, fds, _flags, _address = socket.recv_fds(self._link, _MESSAGE_BYTES_MAX, 3)
            except OSError:
                message = b""
            if message:
                break
            self._replace()
        word = json.loads(message or '{"error": "the keeper of images does not answer"}')
        if "error" in word:
            raise OSError(word["error"])
        return fds

    def give_back(self, number: int) -> None:
        try:
            self._link.send(f"give {number}".encode())
        except OSError:
            return  # it is dead, and holds nothing any more

    def close(self) -> None:
        self._link.close()
        os.waitpid(self._pid, 0)

    def _start(self) -> None:
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.settimeout(_ANSWER_SECONDS_MAX)
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                _be_keeper(theirs, self._images, parent)
            finally:
                os._exit(1)
        theirs.close()

    def _replace(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self.close()
        self._start()


def _be_keeper(link: socket.socket, images: Images, parent: int) -> None:
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    with open("/proc/self/comm", "w") as name:
        name.write(_NAME)
    # No descriptor of the spawner's may live on here: its end is told to others by their closing.
    link_fd, dir_fd = os.dup(link.fileno()), os.dup(images.dir_fd)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    high = max(link_fd, dir_fd, _DIR_FD) + 1
    for fd, target in ((os.dup2(link_fd, high), _LINK_FD), (os.dup2(dir_fd, high + 1), _DIR_FD)):
        os.dup2(fd, target, inheritable=False)
    linux.close_from(_DIR_FD + 1)
    images.dir_fd = _DIR_FD
    _Stock(socket.socket(fileno=_LINK_FD), images).serve()


class _Stock:
    def __init__(self, link: socket.socket, images: Images) -> None:
        self._link = link
        self._images = images
        self._ready: "list[Image]" = []
        self._out: "dict[int, Image]" = {}
        self._returned: "list[Image]" = []
        self._failed = False

    def serve(self) -> None:
        poll = select.poll()
        poll.register(self._link.fileno(), select.POLLIN)
        serving = True
        while serving:
            wants = not self._failed and len(self._ready) < _STOCK
            if poll.poll(0 if wants or self._returned else None):
                serving = self._take_message()
            elif wants:
                self._refill()
            else:
                self._returned.pop().discard()
        for image in (*self._ready, *self._out.values(), *self._returned):
            image.discard()
        os._exit(0)

    def _take_message(self) -> bool:
        message = self._link.recv(_MESSAGE_BYTES_MAX)
        if not message:
            return False
        what, number = message.decode().split()
        if what == "take":
            self._give_out(int(number))
        elif int(number) in self._out:
            self._returned.append(self._out.pop(int(number)))
        return True

    def _refill(self) -> None:
        try:
            self._ready.append(self._images.make())
        except OSError:
            self._failed = True  # whoever asks next is told, and is the next try

    def _give_out(self, number: int) -> None:
        self._failed = False
        try:
            image = self._ready.pop() if self._ready else self._images.make()
        except OSError as error:
            self._link.send(json.dumps({"error": str(error)}).encode())
            return
        socket.send_fds(self._link, [b"{}"], image.fds())
        os.close(image.tree)
        image.tree = -1
        self._out[number] = image
