"""Fetches wheels with the pip that this interpreter has, for the worker that started it.

Theory of operation. The worker starts this process when a set of packages is missing, with two open lock files:

    3  the packages directory's: shared while something is installed there, exclusive while old things are removed
    4  the set's: exclusive, so that of many workers that want the same set one fetches it

The locks belong to the open files, which the worker holds as well: they last until both have closed them, however
they end. While this process waits for a lock it dies with the worker; after that it sees the end of its standard
input, ends pip and removes what was fetched. One line of JSON at a time:

    → worker  {"ev": "locked", "alone": whether nobody else installs anything}
    ← worker  {"requirements": […], "constraints": […], "wheels": {path: absolute path}, "arguments": […], "target": {…},
               "id": uid or null, "files": {path: text}}
    → worker  {"ev": "progress", "text"}…  then  {"ev": "fetched", "dir", "files", "pip"}
              or {"ev": "no-pip"}, {"ev": "failed", "output"}
    ⇄ worker  meanwhile, if the job says "build": what sources.py asks, and the answers
    ← worker  the end of input, when it has copied the files

pip runs as the user `id`, who can do nothing else. Nothing of a package is executed here: see sources.py.
"""
import ctypes
import fcntl
import importlib
import json
import os
import re
import resource
import runpy
import select
import shutil
import signal
import socket
import sys
import tempfile
from typing import BinaryIO, NoReturn, Optional

import sources
import target_tags

_HOUSE_LOCK, _SET_LOCK = 3, 4
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_KEPT_BYTES = _PIECE_BYTES = 65_536
# Where pip's process has the socket on which it asks for wheels of source distributions.
_ASKING = 3
_PROGRESS = re.compile(r"(Collecting|Downloading|Saved) +(?:\./)?([^\s(]+)")
# What nobody asks for when he asks for packages, and what would make pip do something else.
_FORCED = {"PIP_NO_INPUT": "1", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "0", "PIP_VERBOSE": "0"}


def main() -> None:
    _die_with_parent(signal.SIGTERM)
    if sys.argv[1:] == ["prune"]:
        fcntl.flock(_HOUSE_LOCK, fcntl.LOCK_EX)
        _tell({"ev": "locked", "alone": True})
        sys.stdin.readline()
        return
    alone = _lock()
    _tell({"ev": "locked", "alone": alone})
    line = sys.stdin.readline()
    if line == "":
        return  # somebody else has installed it meanwhile
    # Now there will be something to remove: the end of the input says when.
    _die_with_parent(0)
    if alone:
        fcntl.flock(_HOUSE_LOCK, fcntl.LOCK_SH)
    job = json.loads(line)
    wheels = {path: open(place, "rb") for path, place in job["wheels"].items()}
    _become(job["id"])
    try:
        pip_version = importlib.import_module("pip").__version__
    except ImportError:
        _tell({"ev": "no-pip"})
        return
    top = tempfile.mkdtemp(prefix="isla-packages-")
    try:
        _copy(wheels, os.path.join(top, "lambda"))
        _fetch(job, top, pip_version)
    finally:
        shutil.rmtree(top, ignore_errors=True)


def _lock() -> bool:
    try:
        fcntl.flock(_HOUSE_LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except BlockingIOError:
        fcntl.flock(_HOUSE_LOCK, fcntl.LOCK_SH)
        alone = False
    fcntl.flock(_SET_LOCK, fcntl.LOCK_EX)
    return alone


def _become(uid: "Optional[int]") -> None:
    if uid is not None:
        os.setgroups([])
        try:
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
        except OSError:
            # A container that maps a few ids only has nobody at least.
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
    os.umask(0o077)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _fetch(job: dict, top: str, pip_version: str) -> None:
    wheels = os.path.join(top, "wheels")
    os.mkdir(wheels)
    os.mkdir(os.path.join(top, "tmp"))
    lists = {f"lambda/{name}.txt": "\n".join(job[name]) + "\n" for name in ("requirements", "constraints")}
    for path, text in {**job["files"], **lists}.items():
        _write(os.path.join(top, path), text)
    # Where paths in the lists begin.
    os.chdir(os.path.join(top, "lambda"))
    os.environ.update({"HOME": top, "TMPDIR": f"{top}/tmp", **_FORCED})
    kinds = ["--prefer-binary"] if job["build"] else ["--only-binary", ":all:"]
    arguments = [
        "pip", "download", *kinds, "--dest", wheels, "--requirement", "requirements.txt",
        "--constraint", "constraints.txt", "--no-cache-dir", "--progress-bar", "off", "--no-color", *job["arguments"], *target_tags.arguments(job["target"]),
    ]
    status, output = _run_pip(arguments, job["target"]["markers"], f"{top}/sources" if job["build"] else None)
    if status is None:
        return
    if status != 0:
        _tell({"ev": "failed", "output": output})
        return
    _tell({"ev": "fetched", "dir": wheels, "files": sorted(os.listdir(wheels)), "pip": pip_version})
    sys.stdin.read()


def _copy(wheels: "dict[str, BinaryIO]", into: str) -> None:
    os.mkdir(into)
    for path, source in wheels.items():
        place = os.path.join(into, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with source, open(place, "xb") as target:
            shutil.copyfileobj(source, target)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)


def _run_pip(arguments: "list[str]", markers: "dict[str, str]", sources_dir: "Optional[str]") -> "tuple[Optional[int], str]":
    """Its exit status and what it printed last; no status if the worker went away meanwhile."""
    read_end, write_end = os.pipe()
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        os.dup2(theirs.fileno(), _ASKING)
        _be_pip(arguments, markers, write_end, sources_dir)
    os.close(write_end)
    theirs.close()
    output, question = _Output(), b""
    poll = select.poll()
    for fd in (0, read_end, ours.fileno()):
        poll.register(fd, select.POLLIN)
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
                _tell(json.loads(question))
                question = b""
        if read_end not in ready:
            continue
        piece = os.read(read_end, _PIECE_BYTES)
        if piece == b"":
            _pid, status = os.waitpid(pid, 0)
            return status, output.text()
        for text in output.take(piece):
            _tell({"ev": "progress", "text": text})


class _Output:
    def __init__(self) -> None:
        self._kept = b""
        self._line = b""

    def take(self, piece: bytes) -> "list[str]":
        """What of it says how far pip has got."""
        self._kept = (self._kept + piece)[-_KEPT_BYTES:]
        *lines, self._line = (self._line + piece)[-_KEPT_BYTES:].split(b"\n")
        found = [_PROGRESS.match(line.decode("utf-8", "replace").strip()) for line in lines]
        # The name of a file, not the address that it comes from.
        return [f"{match[1].lower()} {match[2].rsplit('/', 1)[-1]}" for match in found if match]

    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")


def _be_pip(arguments: "list[str]", markers: "dict[str, str]", output: int, sources_dir: "Optional[str]") -> NoReturn:
    status = 1
    try:
        _die_with_parent(signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(_ASKING + 1, 256)
        if sources_dir is None:
            os.close(_ASKING)
            sources.refuse()
        else:
            sources.ask(socket.socket(fileno=_ASKING), sources_dir)
        target_tags.pretend(markers)
        sys.argv = arguments
        runpy.run_module("pip", run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException as error:
        print(f"ERROR: pip: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _die_with_parent(number: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, number)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _tell(message: dict) -> None:
    sys.__stdout__.write(json.dumps(message) + "\n")
    sys.__stdout__.flush()


if __name__ == "__main__":
    main()
