"""How pip is told which interpreter the packages are for, if that is not the one that runs pip."""
import importlib
import os
import sys
import sysconfig
from typing import Optional

_GLIBC_OLDEST, _MUSL_OLDEST = 5, 0
# Names that manylinux tags had before they were called after the version of glibc.
_GLIBC_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def arguments(target: dict) -> "list[str]":
    """target: `soabi` such as cpython-311-x86_64-linux-gnu, `libc` such as glibc2.36, `version` such as 3.11.2."""
    if is_own(target):
        return []
    machine = target["markers"]["platform_machine"]
    major, minor = target["version"].split(".")[:2]
    implementation, abi = target["soabi"].split("-")[:2]
    if implementation != "cpython":
        raise SystemExit(f"packages for {implementation} can only be fetched by a pip that runs on it")
    platforms = [*_libc_tags(target["libc"], machine), f"linux_{machine}"]
    return [
        "--python-version", target["version"], "--implementation", "cp", "--abi", f"cp{abi}" if abi.startswith(f"{major}{minor}") else abi,
        *(word for platform in platforms for word in ("--platform", platform)),
    ]


def is_own(target: dict) -> bool:
    """Whether it is the interpreter that this runs on."""
    return (target["soabi"], target["libc"], target["version"]) == (sysconfig.get_config_var("SOABI"), libc(), version())


def _libc_tags(name: str, machine: str) -> "list[str]":
    if name.startswith("musl"):
        newest = int(name[len("musl"):].split(".")[1])
        return [f"musllinux_1_{minor}_{machine}" for minor in range(newest, _MUSL_OLDEST - 1, -1)]
    newest = int(name[len("glibc"):].split(".")[1])
    tags = []
    for minor in range(newest, _GLIBC_OLDEST - 1, -1):
        tags.append(f"manylinux_2_{minor}_{machine}")
        if minor in _GLIBC_NAMES:
            tags.append(f"{_GLIBC_NAMES[minor]}_{machine}")
    return tags


def pretend(markers: "dict[str, str]") -> None:
    """pip evaluates markers for the interpreter that runs it, whatever --python-version says (pypa/pip#11010)."""
    module = importlib.import_module("pip._vendor.packaging.markers")
    module.default_environment = lambda: dict(markers)


def version() -> str:
    return "%d.%d.%d" % sys.version_info[:3]


def libc() -> "Optional[str]":
    try:
        name, _space, number = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (ValueError, OSError):
        return None
    return f"{name}{number}"
