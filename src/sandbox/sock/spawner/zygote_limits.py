"""What a zygote may use: what a sandbox may at most, whose lambda could import the same, and what its children take.

A child is counted in its zygote's control group until it has joined its own, and what it was charged by then (its
page tables, the pages that it wrote first) stays with the zygote's for as long as it lives: 1 MB each of a bare one.
So the limit on memory grows with the sandboxes that there are, in steps, because writing it takes a while.
"""
from dataclasses import dataclass, replace

CHILDREN_JOINING_MAX = 32
"""Children at a time that may not be in groups of their own yet."""
_CHILDREN_STEP = 32
_CHILD_MB = 2
# A page table is a 512th of what it maps.
_PAGE_TABLES_PART = 512


@dataclass(frozen=True)
class ZygoteLimits:
    memory_mb: int
    procs: int
    cpu_percent: "int | None" = None
    """None: as much as there is."""


def with_children(own: ZygoteLimits, children: int) -> ZygoteLimits:
    """Those of a zygote that has so many, out of what it may use by itself."""
    steps = -(-children // _CHILDREN_STEP)
    child_mb = _CHILD_MB + own.memory_mb // _PAGE_TABLES_PART
    return replace(own, memory_mb=own.memory_mb + steps * _CHILDREN_STEP * child_mb, procs=own.procs + CHILDREN_JOINING_MAX)
