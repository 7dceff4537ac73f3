"""The spawner: the one process that holds real privilege. Started by the worker, outlives it to clean up.

Theory of operation. One epoll loop, no threads. Configuration is one JSON line on stdin. The worker
speaks over descriptor 3, in words that worker_link.py lists.

End of file on descriptor 3 means that the worker is gone, however it went: everything is killed and
removed, then this process exits. It has its own session and ignores INT and TERM, so that a signal to
the worker's process group leaves it to do that. If it is itself killed, its zygotes die with it
(PR_SET_PDEATHSIG) and the kernel ends every sandbox; the next start removes the empty directories.
"""
import itertools
import json
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from zygote import landlock

from . import hierarchies, ids, lock, own_ids, posture, reclaim, root, running, words
from .branches import Branches
from .cgroups import Cgroups
from .grown import Grown
from .house import House
from .limits import Limits
from .lines import Lines
from .loader import Loader
from .loop import Loop
from .masks import Masks
from .own_ids import OwnIds
from .own_proc import OwnProc
from .program import Program
from .secret_files import SecretFiles
from .slot import Slot
from .spare_directory import SpareDirectory
from .volumes import Volumes
from .worker_link import WorkerLink
from .zygote_limits import ZygoteLimits
from .zygotes import Zygote, open_log_dir

if TYPE_CHECKING:
    from .network.networks import Networks

_WORKER_FD = 3
# Of a root's range; no sandbox has it.
_RESOLVER_ID = 65533
_LOCK_SECONDS_MAX = 15.0


class Spawner:
    def __init__(self, config: dict, own: OwnIds, lock_fd: int, network_keeper: "tuple[socket.socket, int] | None") -> None:
        self._config = config
        self._lock_fd = lock_fd
        self._loop = Loop()
        self._slots: "dict[int, Slot]" = {}
        self._own_ids = own
        self._sandbox_ids = ids.SandboxIds(own.map, ids.FIRST_SANDBOX, ids.SANDBOXES_MAX)
        self._ready_told = False
        self._stopping = False
        worker_dir_fd = os.open(config["worker_dir"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        places = hierarchies.find(own.is_root)
        cgroups = Cgroups(config["marker"], places)
        cgroups.open()
        limits = Limits(**config["limits"])
        self._host_network_lack = _host_network_lack(config["network_allowed"], own)
        own_net_fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._house = House(
            loop=self._loop,
            cgroups=cgroups,
            limits=limits,
            zygote_limits=ZygoteLimits(**config["zygote_limits"]),
            worker_dir_fd=worker_dir_fd,
            own_mounts_fd=os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC),
            own_net_fd=own_net_fd,
            own_net=os.readlink("/proc/self/ns/net"),
            own_filters=posture.filters_of("self"),
            ids=own.map,
            python=config["python"],
            zygote_log_fd=open_log_dir(),
            plan=root.plan_root(config["base"], config["cargo"], config["node"]),
            node=config["node"]["path"],
            masks=Masks(),
            own_proc=OwnProc(may_return=own.is_root),
            volumes=Volumes(worker_dir_fd, config["scratch_mb_max"], limits, may_loop=own.is_root),
            secrets=SecretFiles(config["secrets_dir"]),
            networks=network_keeper and self._networks(own_net_fd, network_keeper),
            spare_directory=SpareDirectory(worker_dir_fd, "slots/spare"),
            tell=self._tell,
        )
        reclaim.remove_left_overs(worker_dir_fd, cgroups)
        reclaim.remove_elsewhere(worker_dir_fd, config["marker"], places)
        hierarchies.remember(worker_dir_fd, places)
        self._house.spare_directory.renew()
        numbers = itertools.count()
        self._lines = Lines(self._house, config["zygote_forks_max"], self, numbers)
        self._branches = Branches(self._house, self, numbers)
        self._link = WorkerLink(self._loop, socket.socket(fileno=_WORKER_FD), self._take, self._shut_down)

    def run(self) -> None:
        self._lines.begin()
        self._loop.run()

    def _networks(self, own_net_fd: int, network_keeper: "tuple[socket.socket, int]") -> "Networks":
        from .network.networks import Networks  # 20 ms that no other worker need wait for

        return Networks(self._loop, own_net_fd, network_keeper, self._config["worker_dir"])

    def _tell(self, message: dict) -> None:
        if not self._stopping:
            self._link.tell(message)

    # -- requests of the worker -------------------------------------------------------------------

    def _take(self, message: dict) -> None:
        op = message["op"]
        if op == "prepare":
            program = Program(message["program"], message.get("heap_mb"))
            self._prepare(message["slot"], program, message["host_network"], message["branch"])
        elif op == "memory":
            self._tell({"ev": "memory", "slots": self._memory_bytes(message["slot"])})
        elif op == "grow":
            self._branches.grow(self._lines.of(host_network=False).current, message)
        elif op == "load":
            self._branches.load(message)
        elif op == "retire":
            self._branches.retire(message["branch"])
        elif op == "measure":
            self._tell({"ev": "measured", "branches": self._branches.pss_bytes()})
        else:
            self._pass_on(op, message)

    def _memory_bytes(self, only: "int | None") -> "dict[str, int]":
        slots = self._slots.values() if only is None else [self._slots[only]] if only in self._slots else []
        return {name: size for slot in slots for name, size in slot.memory_bytes().items()}

    def _pass_on(self, op: str, message: dict) -> None:
        slot = self._slots.get(message["slot"])
        if slot is None:
            return  # it ended while the message was under way; the worker has been told or is about to be
        if op == "start":
            slot.start(message)
        elif op == "pause":
            slot.pause()
        elif op == "resume":
            slot.resume()
        elif op == "kill":
            slot.kill()
        elif op == "end-fork":
            slot.end_fork(message["fork"])
        else:
            raise ValueError(f"the worker asked for {op!r}")

    def _prepare(self, number: int, program: Program, host_network: bool, branch: "int | None") -> None:
        if host_network and self._host_network_lack is not None:
            self._refuse(number, {"cause": "failed", "step": "join the host's network", "reason": self._host_network_lack})
            return
        line = self._lines.of(host_network) if branch is None else self._branches.find(branch)
        if line is None:
            self._refuse(number, {"cause": "lost", "reason": "its zygote is gone"})
            return
        # A loader that has no more to give is no fault: another zygote has.
        its_ids, cause = (line.sandbox_ids, "lost") if isinstance(line, Loader) else (self._sandbox_ids, "failed")
        own_id = its_ids.take()
        if own_id is None:
            self._refuse(number, {"cause": cause, "step": "find an id", "reason": f"{its_ids.count} sandboxes exist"})
            return
        slot = Slot(self._house, line, number, own_id, self._slot_gone)
        self._slots[number] = slot
        slot.make(program)
        if branch is not None:
            self._lines.of(host_network=False).forked()

    def _refuse(self, number: int, ending: dict) -> None:
        self._tell({"ev": "ended", "slot": number, "peak_bytes": None, "cpu_us": None, **ending})

    def _slot_gone(self, slot: Slot) -> None:
        self._slots.pop(slot.number, None)
        slot.own_id.free()
        if slot.zygote is not None:
            slot.zygote.sandboxes -= 1
            self._end_retired()

    def _end_retired(self) -> None:
        # A branch that ends may have been the last that its parent was there for.
        self._branches.end_retired()
        self._lines.end_retired()

    # -- what zygotes tell ------------------------------------------------------------------------

    def zygote_said(self, zygote: Zygote, word: words.Word) -> None:
        if self._branches.hear_parent(zygote, word):
            return
        slot = self._slots.get(word.slot)
        if slot is not None and slot.zygote is not zygote:
            raise ValueError(f"it said {word.kind!r} of another zygote's child")
        if slot is not None:
            slot.hear_zygote(word)
        elif word.kind == "forked":
            os.close(word.pidfd)

    def zygote_ready(self, zygote: Zygote, python: str) -> None:
        if not self._ready_told:
            self._ready_told = True
            cgroups = self._house.cgroups
            files = {"oom_file": cgroups.oom_file("*"), "cpu_file": cgroups.cpu_file("*"), "peak_file": cgroups.peak_file("*"), "memory_files": cgroups.total_files()}
            self._tell({"ev": "ready", "python": python, "uses": [self._own_ids.uses, self._house.cgroups.uses], "weaker": self._weaker(), **files})
        self._tell({"ev": "zygote", "zygote": zygote.number, "state": "ready"})

    def zygote_retired(self, zygote: Zygote) -> None:
        self._tell({"ev": "zygote", "zygote": zygote.number, "state": "retired"})

    def zygote_ended(self, zygote: Zygote, reason: "str | None") -> None:
        """`reason` is None if it was meant to end."""
        self._lose_sandboxes(zygote)
        self._branches.parent_gone(zygote)
        self._tell({"ev": "zygote", "zygote": zygote.number, "state": "ended", "reason": reason})
        self._end_if_stopped()

    def _lose_sandboxes(self, zygote: Zygote) -> None:
        # Else the caller of the first would be answered, and call again, before the worker knew of the others.
        with self._link.at_once():
            for slot in [slot for slot in self._slots.values() if slot.zygote is zygote]:
                slot.zygote_gone()

    def branch_ready(self, branch: Grown, report: dict) -> None:
        self._tell({"ev": "branch", "branch": branch.key, "zygote": branch.number, "state": "ready", "report": report})

    def branch_ended(self, branch: Grown) -> None:
        self._lose_sandboxes(branch)
        self._tell({"ev": "branch", "branch": branch.key, "state": "ended", "ending": branch.outcome})
        self._end_retired()
        self._end_if_stopped()

    def branch_not_grown(self, key: int, reason: str) -> None:
        self._tell({"ev": "branch", "branch": key, "state": "ended", "ending": {"cause": "lost", "reason": reason}})

    def zygote_not_started(self, reason: str) -> None:
        self._tell({"ev": "zygote", "zygote": None, "state": "ended", "reason": f"it was not started: {reason}"})

    def zygote_unfit(self, reason: str) -> None:
        self._tell({"ev": "unfit", "reason": reason})

    def _weaker(self) -> "list[str]":
        """Which walls are weaker here than promised, in words for the operator."""
        weaker = [*self._own_ids.weaker, *running.weaker(self._house), *self._house.volumes.weaker]
        if not landlock.is_usable():
            weaker.append("the kernel has no Landlock, the second wall around files")
        if self._house.networks is not None:
            weaker += self._house.networks.lacking()
        if "host" in self._config["network_allowed"] and self._host_network_lack is not None:
            weaker.append(f"lambdas with network host do not start: {self._host_network_lack}")
        return weaker

    # -- the end ----------------------------------------------------------------------------------

    def _shut_down(self) -> None:
        self._stopping = True
        self._house.cgroups.kill()
        # Their pid namespaces hold every sandbox; zygote_ended goes on from there.
        self._lines.stop()
        self._branches.stop()
        self._end_if_stopped()

    def _end_if_stopped(self) -> None:
        if self._stopping and self._lines.all_gone and self._branches.all_gone:
            self._remove_everything()

    def _remove_everything(self) -> None:
        reclaim.remove_left_overs(self._house.worker_dir_fd, self._house.cgroups)
        self._house.cgroups.remove_all()
        self._house.volumes.close()
        if self._house.networks is not None:
            self._house.networks.close()
        self._loop.stop()


def _host_network_lack(allowed: "list[str]", own: OwnIds) -> "str | None":
    """Why no sandbox can be in the host's network, if so."""
    if "host" not in allowed:
        return "network_allowed does not name host"
    return None if own.is_root else "it takes root: a worker without has left the host's network and can not go back"


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    config = json.loads(sys.stdin.readline())
    os.chdir(config["worker_dir"])
    try:
        lock_fd = lock.take(_LOCK_SECONDS_MAX)
    except lock.Held as held:
        sys.exit(f"another worker uses {config['worker_dir']} already: {held}")
    network_keeper = None
    if "outbound" in config["network_allowed"]:
        from .network import keeper

        # It stays in the host's network, which the next line may leave.
        network_keeper = keeper.start(config["id_base"] + _RESOLVER_ID if os.geteuid() == 0 else None)
    Spawner(config, own_ids.take(config["id_base"]), lock_fd, network_keeper).run()
