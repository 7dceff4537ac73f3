"""The machine's floor for a cold start: what the kernel charges a bare Python for a sandbox's fork.

fork; in the child unshare mount, pid, ipc, uts and net, fork again, and end. Prints the times in
milliseconds as a JSON list. Arguments: how many, and the idle gap before each in milliseconds.
"""
import ctypes
import json
import os
import sys
import time

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET

libc = ctypes.CDLL(None, use_errno=True)


def child(flags: int) -> None:
    if libc.unshare(flags) != 0:
        os._exit(ctypes.get_errno())
    inner = os.fork()
    if inner == 0:
        os._exit(0)
    os.waitpid(inner, 0)
    os._exit(0)


def once(flags: int) -> float:
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        child(flags)
    _pid, status = os.waitpid(pid, 0)
    took = (time.perf_counter() - began) * 1000
    if status != 0:
        raise OSError(os.waitstatus_to_exitcode(status), os.strerror(os.waitstatus_to_exitcode(status)))
    return took


def main() -> None:
    count, gap_ms = int(sys.argv[1]), float(sys.argv[2])
    # Without root the kernel gives these namespaces only inside a new user namespace.
    flags = NAMESPACES if os.geteuid() == 0 else NAMESPACES | CLONE_NEWUSER
    once(flags)
    times = []
    for _round in range(count):
        time.sleep(gap_ms / 1000)
        times.append(once(flags))
    print(json.dumps(times))


if __name__ == "__main__":
    main()
