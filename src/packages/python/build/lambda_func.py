"""Builds a wheel out of a source distribution, inside a sandbox: a lambda like others, called by the installer.

Everything here runs a stranger's code, or may have been changed by it: what is answered is a stranger's word, and the
wheel is looked at by the unpacker, in another sandbox. What the build needs is in /packages; what it prints is the lambda's
output.

    {"op": "requires", "file", "backend", "paths"} → {"requires": [what else it needs]}
    {"op": "build", "file", "backend", "paths"}    → {"file": name of the wheel}
    {"op": "read"}                                 → {"data": base64, "done"}
    any of them, if it cannot be done              → {"failed": words}
"""
import base64
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from typing import Any, BinaryIO, Optional

_PIECE_BYTES = 4_194_304
_WORK, _TMP, _HOME, _OUT = "/host/source", "/host/tmp", "/host/home", "/host/wheel"
_RESULT = "/host/result.json"
# Of a file in an archive, the oldest that zip can say: so the same source gives the same wheel.
_EPOCH = "315532800"
_built: "Optional[BinaryIO]" = None


class BuildFailed(Exception):
    """Its message is for whoever wants the package."""


def handler(event: dict) -> dict:
    try:
        return _answer(event)
    except BuildFailed as error:
        # Not raised: what is printed last is to be the build's own words.
        return {"failed": str(error)}


def _answer(event: dict) -> dict:
    if event["op"] == "read":
        return _read()
    source = _unpacked(event["file"])
    if event["op"] == "requires":
        return {"requires": _call(event, source, "get_requires_for_build_wheel", [None])}
    return _build(event, source)


def _build(event: dict, source: str) -> dict:
    global _built
    name = _call(event, source, "build_wheel", [_OUT, None, None])
    path = os.path.join(_OUT, os.path.basename(str(name)))
    try:
        _built = open(path, "rb")
    except OSError as error:
        raise BuildFailed(f"it says that it built {name!r}, and did not: {error}") from error
    return {"file": os.path.basename(path)}


def _read() -> dict:
    data = _built.read(_PIECE_BYTES) if _built else b""
    return {"data": base64.b64encode(data).decode("ascii"), "done": len(data) < _PIECE_BYTES}


def _unpacked(file: str) -> str:
    """The one directory in it."""
    if not os.path.isdir(_WORK):
        for path in (_WORK, _TMP, _HOME, _OUT):
            os.mkdir(path)
        try:
            _unpack(f"source/{file}")
        except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError) as error:
            raise BuildFailed(f"it cannot be unpacked: {error}") from error
    names = os.listdir(_WORK)
    if len(names) != 1 or not os.path.isdir(f"{_WORK}/{names[0]}"):
        raise BuildFailed("it does not hold one directory")
    return f"{_WORK}/{names[0]}"


def _unpack(archive: str) -> None:
    # Wherever a path in it leads, it is in this sandbox, where its own code is about to run.
    if archive.endswith(".zip"):
        with zipfile.ZipFile(archive) as file:
            file.extractall(_WORK)
        return
    with tarfile.open(archive) as file:
        file.extractall(_WORK)


def _call(event: dict, source: str, hook: str, arguments: "list[Any]") -> Any:
    """What a hook of the build's backend returns (PEP 517), called in a process of its own."""
    paths = [os.path.join(source, path) for path in event["paths"]]
    words = {"hook": hook, "backend": event["backend"], "paths": paths, "arguments": arguments, "result": _RESULT}
    environment = {
        "PATH": "/packages/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join([*paths, "/packages"]),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": _HOME,
        "TMPDIR": _TMP,
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": _EPOCH,
    }
    # Without the site's packages: a build has what it says that it needs, on every machine.
    command = [sys.executable, "-S", "/handler/hook.py", json.dumps(words)]
    status = subprocess.run(command, cwd=source, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
    if status != 0:
        raise BuildFailed(f"{hook} ended with {'signal' if status < 0 else 'status'} {abs(status)}")
    with open(_RESULT, encoding="utf-8") as file:
        return json.load(file)
