"""What zygotes and their children say. They have run package code: every byte may be a lie made to stop the spawner.

Whatever comes is either a word as zygote/zygote.py lists them or a ValueError; who gets one ends the speaker.
"""
import json
import re
import signal
from dataclasses import dataclass

from . import posture

_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}")
_ZYGOTE = re.compile(r"zygote-(\d{1,9})")
_ERROR_CHARACTERS_MAX = 1024
_STATUS_MAX = 0xFFFF
_NUMBER_MAX = 999_999_999


@dataclass(frozen=True)
class Word:
    """A zygote's, about a slot or a zygote that it makes; `ready`, `waiting` and `failed` are about itself."""

    kind: str  # ready, waiting, failed, forked, fork_failed, reaped
    slot: int = -1
    zygote: int = -1
    version: str = ""
    pidfd: int = -1
    error: str = ""
    status: int = 0
    report: "dict | None" = None
    """What one that was to import says of that, unread."""


def of_zygote(message: bytes, fds: "list[int]") -> Word:
    """Descriptors stay the caller's if it raises."""
    said = read_object(message)
    kind = next(iter(said), "")
    if fds and kind != "forked":
        raise ValueError(f"a descriptor came with {kind!r}")
    if kind == "ready":
        version = _matching(said, "ready")
        return Word(kind, version=version, report=said)
    if kind in ("waiting", "failed"):
        return Word(kind, error=str(said[kind])[:_ERROR_CHARACTERS_MAX], report=said)
    slot, zygote = _child(said, kind)
    if kind == "forked":
        if len(fds) != 1 or not posture.is_pidfd(fds[0]):
            raise ValueError("what came with 'forked' is no descriptor of a process")
        return Word(kind, slot, zygote, pidfd=fds[0])
    if kind == "fork_failed":
        return Word(kind, slot, zygote, error=str(said.get("error"))[:_ERROR_CHARACTERS_MAX])
    if kind == "reaped":
        status = _number(said, "status")
        if not 0 <= status <= _STATUS_MAX:
            raise ValueError(f"{status} is no status")
        return Word(kind, slot, zygote, status=status)
    raise ValueError(f"{kind[:64]!r} is no word")


def of_child(message: bytes) -> "str | None":
    """None if it waits, else what failed in it."""
    said = read_object(message)
    if "failed" in said:
        return str(said["failed"])[:_ERROR_CHARACTERS_MAX]
    if said != {"waiting": True}:
        raise ValueError("it said what no child says")
    return None


def of_runner(message: bytes, fds: "list[int]") -> int:
    """The number of a fork whose process came along; descriptors stay the caller's."""
    said = read_object(message)
    number = _number(said, "fork")
    if not 0 < number <= _NUMBER_MAX:
        raise ValueError(f"{number} is no number of a fork")
    if len(fds) != 1 or not posture.is_pidfd(fds[0]):
        raise ValueError("what came with 'fork' is no descriptor of a process")
    return number


def read_object(message: bytes) -> dict:
    try:
        said = json.loads(message)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    if not isinstance(said, dict):
        raise ValueError("JSON that is no object")
    return said


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _number(said: dict, key: str) -> int:
    value = said.get(key)
    if type(value) is not int:
        raise ValueError(f"{key[:64]!r} without a number")
    return value


def _child(said: dict, key: str) -> "tuple[int, int]":
    """The number of a slot, or of a zygote; the other is -1."""
    name = _ZYGOTE.fullmatch(said[key]) if isinstance(said.get(key), str) else None
    return (_number(said, key), -1) if name is None else (-1, int(name[1]))


def _matching(said: dict, key: str) -> str:
    value = said.get(key)
    if not isinstance(value, str) or not _VERSION.fullmatch(value):
        raise ValueError(f"{key!r} without a version")
    return value
