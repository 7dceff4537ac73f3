"""Sub-ids: ids that the machine's administrator lets a user have for namespaces, in /etc/subuid and /etc/subgid.

`newuidmap` and `newgidmap`, which are set-user-id root, write them into the map of a user namespace. What they
would refuse, and what would be dangerous though they allow it, is looked for before: ids that somebody has already.
"""
import grp
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass

_FILES = {"newuidmap": "/etc/subuid", "newgidmap": "/etc/subgid"}
_RUN_SECONDS_MAX = 5.0
_LAST_ID = (1 << 32) - 2


class Unusable(Exception):
    """There are no sub-ids to be had here; the message says why."""


@dataclass(frozen=True)
class Range:
    owner: str
    """Name or number of the user."""
    first: int
    count: int

    def overlaps(self, other: "Range") -> bool:
        return self.first < other.first + other.count and other.first < self.first + self.count

    def holds(self, number: int) -> bool:
        return self.first <= number < self.first + self.count


def find(count_min: int) -> "tuple[Range, Range]":
    """The ranges of users' and of groups' ids that whoever runs this may use, of at least so many ids."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        raise Unusable(f"newuidmap serves only users who have a name, and id {uid} has none") from None
    for tool in _FILES:
        _find_tool(tool)
    owner = {name, str(uid)}
    uids = choose("/etc/subuid", _read("/etc/subuid"), owner, {entry.pw_uid for entry in pwd.getpwall()}, count_min)
    gids = choose("/etc/subgid", _read("/etc/subgid"), owner, {entry.gr_gid for entry in grp.getgrall()}, count_min)
    return uids, gids


def choose(path: str, text: str, owner: "set[str]", taken: "set[int]", count_min: int) -> Range:
    """The largest range of the owner's in a file like /etc/subuid; `taken` are ids that somebody has."""
    ranges, malformed = _parse(text)
    own = sorted((one for one in ranges if one.owner in owner), key=lambda one: one.count, reverse=True)
    if not own:
        also = f", and line {malformed[0]} of it is no name:first:count" if malformed else ""
        raise Unusable(f"{path} has no range for {' or '.join(sorted(owner, reverse=True))}{also}")
    best = own[0]
    if best.count < count_min:
        raise Unusable(f"the largest range in {path} has {best.count} ids, and {count_min} are needed")
    if best.first + best.count > _LAST_ID:
        raise Unusable(f"the range in {path} from {best.first} on is beyond the last id, {_LAST_ID}")
    for number in sorted(taken):
        if best.holds(number):
            raise Unusable(f"the range in {path} from {best.first} on holds id {number}, which somebody has")
    for other in ranges:
        if other.owner not in owner and best.overlaps(other):
            raise Unusable(f"the range in {path} from {best.first} on overlaps that of {other.owner}")
    return best


def map_into(pid: int, uids: Range, gids: Range) -> None:
    """Makes the ids of whoever runs this number 0 in the process's user namespace, and the ranges 1 and following."""
    for tool, own, ids in (("newuidmap", os.geteuid(), uids), ("newgidmap", os.getegid(), gids)):
        path = _find_tool(tool)
        arguments = [path, *map(str, (pid, 0, own, 1, 1, ids.first, ids.count))]
        try:
            done = subprocess.run(
                arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=_RUN_SECONDS_MAX, check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unusable(f"{tool} could not be run: {error}") from error
        if done.returncode != 0:
            raise Unusable(f"{tool} failed: {' '.join(done.stderr.split()) or done.returncode}{_lack(path)}")


def _find_tool(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/usr/local/bin")
    if path is None:
        raise Unusable(f"{name} (package uidmap) is not installed")
    return path


def _lack(path: str) -> str:
    """Some distributions give it capabilities instead."""
    status = os.stat(path)
    if status.st_mode & stat.S_ISUID and status.st_uid == 0 or "security.capability" in os.listxattr(path):
        return ""
    return f" ({path} is not set-user-id root)"


def _parse(text: str) -> "tuple[list[Range], list[int]]":
    """What can be used, and the numbers of the lines that can not be read."""
    ranges, malformed = [], []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split(":")
        if not line.strip() or line.startswith("#"):
            continue
        if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit():
            ranges.append(Range(fields[0], int(fields[1]), int(fields[2])))
        else:
            malformed.append(number)
    return ranges, malformed


def _read(path: str) -> str:
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from error
