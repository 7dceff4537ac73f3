"""Unpacks and compiles wheels, inside a sandbox without network: a lambda like others, called by the installer.

A wheel is a stranger's zip file. It is read here and nowhere else, and what comes out are plain files, piece by
piece, as answers: nothing is written here, and the installer looks at every path again before it writes. Source
files are compiled by the interpreter that will run them, to code that is valid without a look at its source (PEP 552).

    {"op": "facts"}                          → what packages are chosen by: version, soabi, libc, markers, path
    {"op": "open", "file", "name", "version"} → {}
    {"op": "next"}                           → {"parts": [[path, executable, whether more of it follows, base64]], "done"}
"""
import base64
import os
import platform
import sys
import sysconfig
from typing import Iterator, Optional

import wheel

_PIECE_BYTES = 1_048_576
_opened: "Optional[Iterator[wheel.Part]]" = None


def handler(event: dict) -> dict:
    if event["op"] == "facts":
        return _facts()
    if event["op"] == "open":
        return _open(event)
    return _next()


def _open(event: dict) -> dict:
    global _opened
    _opened = wheel.Wheel(f"wheels/{event['file']}", event["name"], event["version"]).parts()
    return {}


def _next() -> dict:
    parts: "list[list]" = []
    size = 0
    for part in _opened or ():
        parts.append([part.path, part.executable, part.more, base64.b64encode(part.data).decode("ascii")])
        size += len(part.data) + len(part.path)
        if size >= _PIECE_BYTES:
            return {"parts": parts, "done": False}
    return {"parts": parts, "done": True}


def _facts() -> dict:
    version = "%d.%d.%d" % sys.version_info[:3]
    implementation = sys.implementation
    return {
        "version": version,
        "soabi": sysconfig.get_config_var("SOABI"),
        "libc": _libc(),
        "path": sys.executable,
        # What PEP 508 calls the environment.
        "markers": {
            "implementation_name": implementation.name,
            "implementation_version": "%d.%d.%d" % implementation.version[:3],
            "os_name": os.name,
            "platform_machine": platform.machine(),
            "platform_python_implementation": platform.python_implementation(),
            "platform_release": platform.release(),
            "platform_system": platform.system(),
            "platform_version": platform.version(),
            "python_full_version": platform.python_version(),
            "python_version": ".".join(platform.python_version_tuple()[:2]),
            "sys_platform": sys.platform,
        },
    }


def _libc() -> str:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").replace(" ", "")
    except ValueError:
        return f"musl{_musl_version()}"


def _musl_version() -> str:
    """musl says its version only to whoever runs its loader without arguments."""
    import glob
    import subprocess

    for loader in glob.glob("/lib/ld-musl-*.so.1"):
        said = subprocess.run([loader], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, check=False).stderr.decode()
        for line in said.splitlines():
            if line.startswith("Version "):
                return line[len("Version "):]
    return "1.1"
