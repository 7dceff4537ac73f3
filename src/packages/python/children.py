"""Runs pip, and uv where it chooses versions, as children that end with the worker."""
import ctypes
import json
import os
import re
import resource
import runpy
import select
import signal
import socket
import sys
from typing import Callable, NoReturn, Optional

import downloads
import sources
import target_tags

_PR_SET_PDEATHSIG = 1
_KEPT_BYTES = _PIECE_BYTES = 65_536
# Where pip's process has the socket on which it asks for wheels of source distributions.
_ASKING = 3
_PROGRESS = re.compile(r"(Collecting|Downloading|Saved) +(?:\./)?([^\s(]+)")

Tell = Callable[[dict], None]
Ended = "tuple[Optional[int], str]"


def run_pip(arguments: "list[str]", markers: "dict[str, str]", sources_dir: "Optional[str]", tell: Tell) -> Ended:
    """Its exit status and what it printed last; no status if the worker went away meanwhile."""
    return _run(lambda: _be_pip(arguments, markers, sources_dir), tell)


def run_program(arguments: "list[str]", environment: "dict[str, str]", tell: Tell) -> Ended:
    """The same of any program, by its path. It finds nothing on its standard input."""

    def be_it() -> NoReturn:
        os.close(_ASKING)
        os.execve(arguments[0], arguments, environment)

    return _run(be_it, tell)


def _run(be_it: "Callable[[], NoReturn]", tell: Tell) -> Ended:
    read_end, write_end = os.pipe()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _arrange(theirs.fileno(), write_end, be_it)
    os.close(write_end)
    theirs.close()
    output, question = _Output(), b""
    poll = select.poll()
    for fd in (0, read_end, ours.fileno()):
        poll.register(fd, select.POLLIN)
    with ours:
        while True:
            ready = {fd for fd, _event in poll.poll()}
            if 0 in ready:
                answer = os.read(0, _PIECE_BYTES)
                if answer == b"":
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    return None, ""
                ours.sendall(answer)
            if ours.fileno() in ready:
                piece = ours.recv(_PIECE_BYTES)
                if piece == b"":
                    poll.unregister(ours.fileno())
                question += piece
                if question.endswith(b"\n"):
                    tell(json.loads(question))
                    question = b""
            if read_end not in ready:
                continue
            piece = os.read(read_end, _PIECE_BYTES)
            if piece == b"":
                os.close(read_end)
                _pid, status = os.waitpid(pid, 0)
                return status, output.text()
            for told in output.take(piece):
                tell(told)


class _Output:
    def __init__(self) -> None:
        self._kept = b""
        self._line = b""

    def take(self, piece: bytes) -> "list[dict]":
        """What of it says how far pip has got, as messages."""
        *lines, self._line = (self._line + piece)[-_KEPT_BYTES:].split(b"\n")
        told = []
        for line in lines:
            count = downloads.LINE.fullmatch(line)
            if count:
                told.append({"ev": "bytes", "done": int(count[1]), "of": int(count[2])})
                continue
            self._kept = (self._kept + line + b"\n")[-_KEPT_BYTES:]
            match = _PROGRESS.match(line.decode("utf-8", "replace").strip())
            if match:
                # The name of a file, not the address that it comes from.
                told.append({"ev": "progress", "text": f"{match[1].lower()} {match[2].rsplit('/', 1)[-1]}"})
        return told

    def text(self) -> str:
        return (self._kept + self._line)[-_KEPT_BYTES:].decode("utf-8", "replace")


def _arrange(asking: int, output: int, be_it: "Callable[[], NoReturn]") -> NoReturn:
    status = 1
    try:
        die_with_parent(signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(asking, _ASKING)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(_ASKING + 1, 256)
        be_it()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException as error:
        print(f"ERROR: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _be_pip(arguments: "list[str]", markers: "dict[str, str]", sources_dir: "Optional[str]") -> None:
    if sources_dir is None:
        os.close(_ASKING)
        sources.refuse()
    else:
        sources.ask(socket.socket(fileno=_ASKING), sources_dir)
    target_tags.pretend(markers)
    downloads.tell()
    sys.argv = arguments
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


def die_with_parent(number: int) -> None:
    prctl(_PR_SET_PDEATHSIG, number)


def prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")
