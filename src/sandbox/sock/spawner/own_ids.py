"""Which ids a spawner gives its sandboxes, and the user namespace in which it is root if it is not root already.

    root                     a range of the worker's own
    anybody else, sub-ids    a user namespace with the user's id as 0 and sub-ids from 1 on; each worker of the
                             user takes a part of them that no other one has
    anybody else             a user namespace with the user's id as 0 and no other
"""
import json
import os
import socket
import sys
from dataclasses import dataclass

from zygote import linux

from . import ids, sub_ids
from .ids import IdMap

_IDS_PER_WORKER = 65536
# The limit of a user namespace → the machine's.
_WATCH_LIMITS = {"max_inotify_instances": "max_user_instances", "max_inotify_watches": "max_user_watches"}


@dataclass
class OwnIds:
    map: IdMap
    is_root: bool
    uses: str
    weaker: "list[str]"
    claim: "socket.socket | None" = None
    """Open as long as the ids are this worker's."""


def take(id_base: int) -> OwnIds:
    if os.geteuid() == 0:
        uses = f"{_IDS_PER_WORKER} ids from {id_base} on, one for each sandbox"
        return OwnIds(IdMap(id_base, _IDS_PER_WORKER), True, uses, [])
    try:
        own = _take_sub_ids()
    except sub_ids.Unusable as error:
        own = _take_single(str(error))
    # Mounts and network too: one can only step back into a namespace that one's own user namespace owns.
    linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWNET)
    own.weaker += _leave_watchers()
    return own


def _take_sub_ids() -> OwnIds:
    uids, gids = sub_ids.find(ids.COUNT_MIN)
    parts = min(uids.count, gids.count, _IDS_PER_WORKER) // ids.COUNT_MIN
    claim, part = _claim_part(uids.first, parts)
    try:
        _enter_mapped(uids, gids)
    except sub_ids.Unusable:
        claim.close()
        raise
    first = part * ids.COUNT_MIN
    uses = f"{ids.COUNT_MIN} sub-ids from {uids.first + first} on, by newuidmap, one for each sandbox"
    return OwnIds(IdMap(1 + first, ids.COUNT_MIN), False, uses, [], claim)


def _claim_part(first: int, parts: int) -> "tuple[socket.socket, int]":
    """A name that only one process can have, and that ends with it."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for part in range(parts):
        try:
            claim.bind(f"\0isla-sub-ids-{first}-{part}")
            return claim, part
        except OSError:
            continue  # another worker has it
    claim.close()
    raise sub_ids.Unusable(f"other workers use all {parts} parts of the sub-ids from {first} on")


def _enter_mapped(uids: sub_ids.Range, gids: sub_ids.Range) -> None:
    """
    newuidmap must be run from outside the namespace, so a child makes it. If that does not work, this process
    is where it was.
    """
    go_on, let_go = os.pipe()
    pid, pidfd = linux.clone(linux.CLONE_NEWUSER)
    if pid == 0:
        os.close(let_go)
        os.read(go_on, 1)
        os._exit(0)
    try:
        sub_ids.map_into(pid, uids, gids)
        linux.setns(pidfd, linux.CLONE_NEWUSER)
    finally:
        for fd in (go_on, let_go, pidfd):
            os.close(fd)
        os.waitpid(pid, 0)


def _take_single(reason: str) -> OwnIds:
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        _write(f"/proc/self/{name}", text)
    weaker = f"all sandboxes run under one id, {uid}, that of whoever started the worker: {reason}"
    return OwnIds(IdMap(0, 1), False, f"one id, {uid}, for all sandboxes", [weaker])


def _leave_watchers() -> "list[str]":
    """What is watched in this namespace counts for the user outside too: half is left."""
    try:
        for name, machine_wide in _WATCH_LIMITS.items():
            with open(f"/proc/sys/fs/inotify/{machine_wide}") as file:
                most = int(file.read())
            _write(f"/proc/sys/user/{name}", str(most // 2))
    except OSError as error:
        return [f"all sandboxes together can use up the user's file watchers: {error}"]
    return []


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def main() -> None:
    """For `admin doctor`: prints what a worker would use. The namespaces end with this process."""
    own = take(0)
    json.dump({"uses": own.uses, "weaker": own.weaker}, sys.stdout)
