"""Fetches wheels with the pip that this interpreter has, for the worker that started it.

Theory of operation. The worker starts this process when a set of packages is missing, with two open lock files:

    3  the packages directory's: shared while something is installed there, exclusive while old things are removed
    4  the set's: exclusive, so that of many workers that want the same set one fetches it

The locks belong to the open files, which the worker holds as well: they last until both have closed them, however
they end. While this process waits for a lock it dies with the worker; after that it sees the end of its standard
input, ends pip and removes what was fetched. One line of JSON at a time:

    → worker  {"ev": "locked", "alone": whether nobody else installs anything}
    ← worker  {"requirements": […], "constraints": […], "wheels": {path: absolute path}, "arguments": […], "target": {…},
               "resolver": "pip" or "uv", "id": uid or null, "files": {path: text}}
    → worker  {"ev": "progress", "text"}…, {"ev": "bytes", "done", "of"}…  then  {"ev": "fetched", "dir", "files", "pip", "uv"}
              or {"ev": "no-pip"}, {"ev": "failed", "output", "by": "pip" or "uv"}, {"ev": "refused", "text"}
    ⇄ worker  meanwhile, if the job says "build": what sources.py asks, and the answers
    ← worker  the end of input, when it has copied the files

pip runs as the user `id`, who can do nothing else. Nothing of a package is executed here: see sources.py. If uv is to
choose versions, pip fetches what uv has chosen, by its hashes.
"""
import fcntl
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
from typing import BinaryIO, Optional

import children
import target_tags
import uv_words

_HOUSE_LOCK, _SET_LOCK = 3, 4
_PR_SET_NO_NEW_PRIVS = 38
# What nobody asks for when he asks for packages, and what would make pip do something else.
_FORCED = {"PIP_NO_INPUT": "1", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "0", "PIP_VERBOSE": "0"}


def main() -> None:
    children.die_with_parent(signal.SIGTERM)
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
    children.die_with_parent(0)
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
    children.prctl(_PR_SET_NO_NEW_PRIVS, 1)


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
    wanted, uv_version = ["--requirement", "requirements.txt", "--constraint", "constraints.txt"], None
    if job["resolver"] == "uv":
        uv_version = _choose(job)
        if uv_version is None:
            return
        wanted = ["--requirement", "options.txt", "--requirement", "chosen.txt", "--no-deps", "--require-hashes"]
    arguments = [
        "pip", "download", *kinds, "--dest", wheels, *wanted, "--no-cache-dir", "--progress-bar", "off", "--no-color",
        *job["arguments"], *target_tags.arguments(job["target"]),
    ]
    sources_dir = f"{top}/sources" if job["build"] else None
    ended = children.run_pip(arguments, job["target"]["markers"], sources_dir, _tell)
    if _succeeded(ended, "pip"):
        _tell({"ev": "fetched", "dir": wheels, "files": sorted(os.listdir(wheels)), "pip": pip_version, "uv": uv_version})
        sys.stdin.read()


def _choose(job: dict) -> "Optional[str]":
    """Has uv write the list that pip fetches, beside that of its options. Its version; None if that came to nothing, as told."""
    uv = shutil.which("uv")
    if uv is None:
        _tell({"ev": "refused", "text": "the setting packages_resolver is \"uv\", and there is no uv on the PATH of the worker"})
        return None
    options = [line for line in job["requirements"] if line.startswith("--")]
    _write("options.txt", "".join(f"{line}\n" for line in options))
    _write("wanted.txt", "".join(f"{line}\n" for line in job["requirements"] if line not in options))
    listed = children.run_pip(["pip", "config", "list"], job["target"]["markers"], None, _tell)
    if not _succeeded(listed, "pip"):
        return None
    config = uv_words.configured(listed[1])
    try:
        words = uv_words.arguments(config, options, job["target"])
    except uv_words.Unsayable as error:
        _tell({"ev": "refused", "text": f"{error}; the setting packages_resolver \"pip\" has pip choose"})
        return None
    env = uv_words.environment(config, dict(os.environ))
    files = ["--output-file", "chosen.txt", "--constraint", "constraints.txt"]
    if not _succeeded(children.run_program([uv, "pip", "compile", "wanted.txt", *files, *words], env, _tell), "uv"):
        return None
    named = children.run_program([uv, "--version"], env, _tell)
    return named[1].strip().removeprefix("uv ") if _succeeded(named, "uv") else None


def _succeeded(ended: "tuple[Optional[int], str]", by: str) -> bool:
    """If not, it is told; unless there is nobody left to tell."""
    status, output = ended
    if status not in (None, 0):
        _tell({"ev": "failed", "output": output, "by": by})
    return status == 0


def _copy(wheels: "dict[str, BinaryIO]", into: str) -> None:
    os.mkdir(into)
    for path, source in wheels.items():
        place = os.path.join(into, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with source, open(place, "xb") as target:
            shutil.copyfileobj(source, target)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)


def _tell(message: dict) -> None:
    sys.__stdout__.write(json.dumps(message) + "\n")
    sys.__stdout__.flush()


if __name__ == "__main__":
    main()
