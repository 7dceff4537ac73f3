"""An interpreter of a sandbox's own, for lambdas that want no fork's: its memory lies where no other's does.

It is started in place of a fork (child.py), when the sandbox is finished and every right is gone. So it is made
and checked like any other, and nothing of the zygote's memory is left in it: addresses, hash seed and
generators are its own. See decision 011.
"""
import os
import socket
from typing import NoReturn

from isla_runtime import server

from .hand_over import CONTROL_FD, wait_and_serve


def main() -> NoReturn:
    control = socket.socket(fileno=CONTROL_FD)
    os.set_inheritable(CONTROL_FD, False)
    server.prepare()
    wait_and_serve(control, server)
