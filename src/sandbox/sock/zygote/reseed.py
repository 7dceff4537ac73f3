"""Gives a fork generators of its own: two forks that go on where their zygote was would draw the same numbers.

`random` sees to it itself, by a hook that runs with every fork. Others tell a fork by its pid, and see none:
a zygote and all its children are process 1, each of a namespace of its own. Generators that a package has made
for itself can not be found; docs/security.md says so.
"""
import os
import sys

_SEED_BYTES = 48
_NODE_BYTES = 6
_NODE_IS_RANDOM = 1 << 40


def reseed() -> None:
    """What has not been imported has not drawn anything."""
    modules = sys.modules
    if "_ssl" in modules:
        # Goes into the first of OpenSSL's generators, after which the others take from that anew.
        modules["_ssl"].RAND_add(os.urandom(_SEED_BYTES), float(_SEED_BYTES))
    if "numpy.random" in modules:
        modules["numpy.random"].seed()
    if "tempfile" in modules:
        modules["tempfile"]._name_sequence = None
    if "uuid" in modules:
        # The C library keeps the node and counter that it once drew where nobody can change them.
        modules["uuid"]._generate_time_safe = None
        modules["uuid"]._node = int.from_bytes(os.urandom(_NODE_BYTES), "big") | _NODE_IS_RANDOM
