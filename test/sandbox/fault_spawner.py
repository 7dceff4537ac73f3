"""Stands in for spawner/spawner.py in a copy of the program: the same spawner, whose N-th privileged step fails.

The number is read from the file `fault` in the worker's directory each time a sandbox is asked for, so one
running spawner can be swept through every N.
"""
import os

from zygote import linux

from . import cgroups, posture, program, real_spawner, scratch, slot, volumes

_STEPS = [
    (linux, "open_tree"), (linux, "set_mount_attributes"), (linux, "attach_tree"), (linux, "mount"), (linux, "bring_up_loopback"),
    (linux, "new_mount"), (volumes.Volumes, "make"), (scratch.Scratch, "make_output"), (scratch.Scratch, "listen"), (scratch.Scratch, "give_away"),
    (scratch.Scratch, "rename"), (cgroups.Cgroups, "make"), (slot.Zygote, "fork"), (posture, "pid_of"),
    (posture, "check"), (cgroups.Cgroups, "members"),
]
_left = [0]


def _failing(owner: object, name: str):
    original = getattr(owner, name)

    def step(*arguments, **named):
        if _left[0] > 0:
            _left[0] -= 1
            if _left[0] == 0:
                raise OSError(5, f"injected into {name}")
        return original(*arguments, **named)

    return step


for _owner, _name in _STEPS:
    setattr(_owner, _name, _failing(_owner, _name))

_make = slot.Slot.make


def _armed(self: slot.Slot, program: program.Program) -> None:
    fd = self._house.worker_dir_fd
    try:
        with open(os.open("fault", os.O_RDONLY, dir_fd=fd)) as file:
            _left[0] = int(file.read())
        os.unlink("fault", dir_fd=fd)
    except FileNotFoundError:
        pass
    _make(self, program)


slot.Slot.make = _armed
main = real_spawner.main
