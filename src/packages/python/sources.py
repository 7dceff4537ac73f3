"""What pip does with source distributions: nothing that would run their code.

`--only-binary` speaks of what an index offers. A wheel may also say that it needs `other @ https://…/other.tar.gz` or
`git+https://…`, and pip would fetch that, unpack it and execute its setup.py to learn what it needs. So the one method of
pip's that prepares a source distribution is replaced: by a refusal, or by a question to the worker, which has it built
in a sandbox and answers with what the wheel says of itself.

One line of JSON at a time, on a socket:

    → {"ev": "build", "file": path of a copy, "pyproject": text or null}
    ← {"name", "version", "metadata": text} or {"refused": words}
"""
import importlib
import json
import os
import shutil
import socket
from typing import Any, Callable, NoReturn, Optional

# A longer one is no description of a build.
_PYPROJECT_BYTES_MAX = 262_144


def refuse() -> None:
    """For this process and for good. A pip that is built in another way is not used: SystemExit."""
    _replace(_refuse_source)


def ask(connection: socket.socket, top: str) -> None:
    """As `refuse`, with what the worker makes of it. `top`: a directory for copies and for what is answered."""
    asker = _Asker(connection, top)
    _replace(asker.prepare)
    # It would be about wheels for another interpreter; the sandbox has the right one.
    importlib.import_module("pip._internal.cli.cmdoptions").check_dist_restriction = lambda *_args, **_kwargs: None


def _replace(prepare: "Callable[[Any], None]") -> None:
    try:
        kind = importlib.import_module("pip._internal.distributions.sdist").SourceDistribution
        vcs = importlib.import_module("pip._internal.vcs").vcs
        replaced = [kind.prepare_distribution_metadata, *(backend.unpack for backend in vcs.backends)]
    except (ImportError, AttributeError) as error:
        raise SystemExit(f"ERROR: this pip cannot be kept from running what it fetches: {error}") from error
    if len(replaced) < 2:
        raise SystemExit("ERROR: this pip cannot be kept from running what it fetches: it knows no repositories")
    kind.prepare_distribution_metadata = lambda self, *_args, **_kwargs: prepare(self.req)
    for backend in vcs.backends:
        type(backend).unpack = _refuse_repository


class _Asker:
    def __init__(self, connection: socket.socket, top: str) -> None:
        self._lines = connection.makefile("rw", encoding="utf-8")
        self._top = top
        self._asked = 0

    def prepare(self, req: Any) -> None:
        if req.local_file_path is None:
            _fail(f"{req} is a directory; only wheels and source distributions are taken")
        self._asked += 1
        place = os.path.join(self._top, str(self._asked))
        os.makedirs(place)
        copy = os.path.join(place, req.link.filename)
        shutil.copyfile(req.local_file_path, copy)
        question = {"ev": "build", "file": copy, "pyproject": _pyproject(req.unpacked_source_directory)}
        self._lines.write(json.dumps(question) + "\n")
        self._lines.flush()
        answer = json.loads(self._lines.readline())
        if "refused" in answer:
            _fail(answer["refused"])
        directory = os.path.join(place, f"{answer['name']}-{answer['version']}.dist-info")
        os.mkdir(directory)
        with open(os.path.join(directory, "METADATA"), "x", encoding="utf-8") as file:
            file.write(answer["metadata"])
        req.metadata_directory = directory


def _pyproject(directory: str) -> "Optional[str]":
    try:
        fd = os.open(os.path.join(directory, "pyproject.toml"), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with open(fd, encoding="utf-8", errors="replace") as file:
        return file.read(_PYPROJECT_BYTES_MAX)


def _refuse_source(req: Any) -> NoReturn:
    wanting = getattr(req.comes_from, "name", None)
    for_whom = f", which {wanting} needs," if wanting else ""
    _fail(f"{req.link.filename}{for_whom} is a source distribution; only wheels are taken")


def _refuse_repository(_self: object, *_args: object, **_kwargs: object) -> NoReturn:
    _fail("a package needs another straight out of a repository, which is not taken")


def _fail(words: str) -> NoReturn:
    raise importlib.import_module("pip._internal.exceptions").InstallationError(words)
