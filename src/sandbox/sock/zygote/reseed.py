"""Gives a fork generators of its own: two forks that go on where their zygote was would draw the same numbers.

`random` sees to it itself, by a hook that runs with every fork. Others tell a fork by its pid, and see none:
a zygote and all its children are process 1, each of a namespace of its own. What a package has made for itself while a
zygote imported it is seeded anew if it was seeded by chance; one with a seed of its own draws what it always draws.
"""
import contextlib
import os
import random
import sys
import types
import weakref
from typing import Iterator

_SEED_BYTES = 48
_NODE_BYTES = 6
_MT19937_WORDS = 624
_NODE_IS_RANDOM = 1 << 40
# numpy takes 128 bits where it is given none. Nobody writes a seed as long as that.
_CHOSEN_BITS_MAX = 64


class Generators:
    def __init__(self) -> None:
        self._plain: "weakref.WeakSet[random.Random]" = weakref.WeakSet()
        self._numpy: list = []
        self._random_state: "tuple | None" = None
        self._is_numpy_kept = False

    @contextlib.contextmanager
    def watched(self) -> "Iterator[None]":
        """Meanwhile it is seen who makes a random.Random, and whether with a seed."""
        seed = random.Random.seed

        def watched_seed(generator: random.Random, a=None, version: int = 2) -> None:
            (self._plain.add if a is None else self._plain.discard)(generator)
            seed(generator, a, version)

        random.Random.seed = watched_seed
        try:
            yield
        finally:
            random.Random.seed = seed

    def find_in(self, modules: "list[types.ModuleType]") -> None:
        """Those of numpy, which can not be watched: among the modules' variables."""
        numpy_random = sys.modules.get("numpy.random")
        if numpy_random is None:
            return
        # That of numpy.random's functions, which reseed() seeds for all.
        common = getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None)
        for module in modules:
            for value in list(vars(module).values()):
                if isinstance(value, (numpy_random.Generator, numpy_random.RandomState)) and value is not common:
                    source = getattr(value, "bit_generator", None) or value._bit_generator
                    if _is_by_chance(source):
                        self._numpy.append(source)

    def keep_chosen(self, names: "set[str]") -> None:
        """Of `random` and `numpy.random`: those whose seed somebody has chosen. Forks go on with the numbers that follow."""
        if "random" in names:
            self._random_state = random.getstate()
        self._is_numpy_kept = "numpy.random" in names

    def reseed(self) -> None:
        """What has not been imported has not drawn anything."""
        modules = sys.modules
        if self._random_state is not None:
            # The hook has seeded it anew.
            random.setstate(self._random_state)
        for generator in self._plain:
            generator.seed()
        for source in self._numpy:
            source.state = type(source)().state
        if "_ssl" in modules:
            # Goes into the first of OpenSSL's generators, after which the others take from that anew.
            modules["_ssl"].RAND_add(os.urandom(_SEED_BYTES), float(_SEED_BYTES))
        if "numpy.random" in modules and not self._is_numpy_kept:
            _seed_numpy(modules["numpy"])
        if "tempfile" in modules:
            modules["tempfile"]._name_sequence = None
        if "uuid" in modules:
            # The C library keeps the node and counter that it once drew where nobody can change them.
            modules["uuid"]._generate_time_safe = None
            modules["uuid"]._node = int.from_bytes(os.urandom(_NODE_BYTES), "big") | _NODE_IS_RANDOM
        if "multiprocessing.process" in modules:
            modules["multiprocessing.process"].current_process().authkey = os.urandom(_SEED_BYTES)


def _seed_numpy(numpy: types.ModuleType) -> None:
    """Its own seed() touches three times as much memory, each page of which is copied."""
    key = numpy.frombuffer(os.urandom(_MT19937_WORDS * 4), numpy.uint32)
    try:
        numpy.random.set_state(("MT19937", key, _MT19937_WORDS))
    except ValueError:  # somebody has put another kind of generator there
        numpy.random.seed()


def _is_by_chance(source: object) -> bool:
    sequence = getattr(source, "seed_seq", None) or getattr(source, "_seed_seq", None)
    entropy = getattr(sequence, "entropy", None)
    return isinstance(entropy, int) and entropy.bit_length() > _CHOSEN_BITS_MAX
