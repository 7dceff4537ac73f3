"""Sessions that become two, and kernels that go back: the runner's part. What the kernel does is forking.py's.

A fork is a second session of this sandbox, with a number, control groups, a directory and pipes of its own.
"""
import os
import socket

from . import descendants, home, packets, trees
from .kernel_socket import pair
from .others_pipe import pipes
from .python_kernel import PythonKernel
from .session import Request, Session

# From its being there to its first word.
_HELLO_SECONDS_MAX = 10.0
_CREDENTIALS_SPACE = socket.CMSG_SPACE(3 * 4)


def fork(session: Session, request: Request) -> None:
    kernel = _idle(session, request)
    if kernel is not None:
        _Forking(session, request).begin(kernel)


def checkpoint(session: Session, request: Request) -> None:
    kernel = _idle(session, request)
    if kernel is not None:
        kernel.checkpoint(request)


def rewind(session: Session, request: Request) -> None:
    if not isinstance(session.kernel, PythonKernel):
        _refuse(session, request)
    else:
        session.kernel.rewind(request)


def _idle(session: Session, request: Request) -> "PythonKernel | None":
    if not isinstance(session.kernel, PythonKernel):
        _refuse(session, request)
    elif session.running:
        request.refuse("cannot-fork", "a cell runs in it; try again when it has finished")
    elif session.kernel.rewinding is not None:
        request.refuse("cannot-fork", "it is going back; try again when it has")
    else:
        return session.kernel
    return None


def _refuse(session: Session, request: Request) -> None:
    """Of a restart under way, or of another language."""
    if session.language == "python":
        request.refuse("cannot-fork", "it has no kernel at the moment; restart it")
    else:
        request.refuse("cannot-fork", f"only Python kernels can be forked, and this one runs {session.language}")


class _Forking:
    """As a Request of the kernel that is forked: its answer says that there is a process; that one says hello by itself.

    Whose process it is is told by the kernel with that word, so that nobody has to be believed. Only when it is in its
    own groups is there a session that could give it code to run.
    """

    def __init__(self, session: Session, request: Request) -> None:
        self._session = session
        self._request = request
        self._number: int = request.meta["as"]
        self._home = ""
        self._pid = 0
        self._is_over = False

    def begin(self, kernel: PythonKernel) -> None:
        try:
            self._home = home.make(self._number)
        except OSError as error:
            self._request.refuse("cannot-fork", f"there is no room for its directory: {error.strerror}")
            return
        own = {"HOME": self._home, "PWD": self._home, "ISLA_SESSION": str(self._request.meta["name"])}
        self._env = {**self._session.env, **own}
        self._control, theirs = pair()
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._others, ends = pipes()
        question = {"old_home": self._session.home, "home": self._home, "env": own}
        self._session.runner.loop.on_readable(self._control.fileno(), self._hear)
        with theirs:
            kernel.ask(packets.FORK, self, question, [theirs.fileno(), *ends])
        for fd in ends:
            os.close(fd)

    # -- what the kernel answers --------------------------------------------------------------------

    def answer(self, value: object = None, body: bytes = b"") -> None:
        if self._pid == 0:
            self._session.runner.loop.after(_HELLO_SECONDS_MAX, self._give_up)

    def refuse(self, code: str, message: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._session.runner.loop.forget(self._control.fileno())
        self._control.close()
        for fd in self._others:
            os.close(fd)
        if self._pid != 0:
            descendants.kill(self._pid)
        trees.remove(self._home)
        self._request.refuse(code, message)

    def _give_up(self) -> None:
        if self._pid == 0:
            self.refuse("cannot-fork", f"the fork did not say anything for {_HELLO_SECONDS_MAX:.0f} s")

    # -- what the fork says -------------------------------------------------------------------------

    def _hear(self) -> None:
        try:
            packet, ancillary, *_ = self._control.recvmsg(packets.PACKET_BYTES_MAX, _CREDENTIALS_SPACE)
        except OSError:
            packet, ancillary = b"", []
        runner = self._session.runner
        pid = next((_pid_of(data) for _level, kind, data in ancillary if kind == socket.SCM_CREDENTIALS), 0)
        if packet[:1] != bytes((packets.HELLO,)) or runner.knows(pid):
            self.refuse("cannot-fork", "the fork has ended, or said what no fork says, before it was a session")
            return
        self._pid = pid
        runner.loop.forget(self._control.fileno())
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        runner.groups.move(self._number, pid, self._moved)

    def _moved(self, group: "list[int]", why: str) -> None:
        if why or self._is_over:
            for fd in group:
                os.close(fd)
            self.refuse("sandbox-failed", f"the fork has no control groups of its own: {why}")
            return
        self._is_over = True
        runner = self._session.runner
        made = Session(runner, self._number, self._session.language, self._home, self._env)
        made.group = group
        made.kernel = PythonKernel(made, self._pid, self._control, self._others)
        runner.sessions[self._number] = made
        self._request.answer()


def _pid_of(credentials: bytes) -> int:
    """Of a struct ucred; 0 if it is in another pid namespace."""
    return memoryview(credentials).cast("i")[0]
