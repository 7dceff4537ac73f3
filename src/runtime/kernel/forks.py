"""Sessions that become two, and kernels that go back: the runner's part. What the kernel does is forking.py's.

A fork is a second session of this sandbox, with a number, a directory and pipes of its own.
"""
import os

from . import home, packets, trees
from .python_kernel import PythonKernel, pair, pipes
from .session import Request, Session


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
    """As a Request: what the kernel answers becomes a session, and the answer."""

    def __init__(self, session: Session, request: Request) -> None:
        self._session = session
        self._request = request
        self._number: int = request.meta["as"]
        self._home = ""

    def begin(self, kernel: PythonKernel) -> None:
        try:
            self._home = home.make(self._number)
        except OSError as error:
            self._request.refuse("cannot-fork", f"there is no room for its directory: {error.strerror}")
            return
        own = {"HOME": self._home, "PWD": self._home, "ISLA_SESSION": str(self._request.meta["name"])}
        self._env = {**self._session.env, **own}
        self._control, theirs = pair()
        self._others, ends = pipes()
        question = {"old_home": self._session.home, "home": self._home, "env": own}
        with theirs:
            kernel.ask(packets.FORK, self, question, [theirs.fileno(), *ends])
        for fd in ends:
            os.close(fd)

    def answer(self, value: object = None, body: bytes = b"") -> None:
        runner = self._session.runner
        made = Session(runner, self._number, self._session.language, self._home, self._env)
        made.kernel = PythonKernel(made, int(value), self._control, self._others)
        runner.sessions[self._number] = made
        self._request.answer()

    def refuse(self, code: str, message: str) -> None:
        self._control.close()
        for fd in self._others:
            os.close(fd)
        trees.remove(self._home)
        self._request.refuse(code, message)
