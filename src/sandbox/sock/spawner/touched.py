"""Which pages of a zygote its children copy when their code first runs: the kernel tells, and nobody's word is taken.

A child shares all memory with its zygote until it writes; counting references writes. Each first write is a fault, and those
of using a large package are hundreds. What two children have copied, the next one will: it copies them while it waits, all
at once (zygote/heritage.py).
"""
import array
import os

_CHILDREN = 2
# 8 MB, of which each child that waits has copied 3 anyway: who needs more is rare, and others would have it for nothing.
_PAGES_MAX = 2048
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ENTRY_BYTES = 8
_PRESENT, _FILE_OR_SHARED, _EXCLUSIVE = 1 << 63, 1 << 61, 1 << 56
_OWN = _PRESENT | _EXCLUSIVE


class TouchedPages:
    def __init__(self) -> None:
        self._seen: "list[set[int]]" = []

    @property
    def is_complete(self) -> bool:
        return len(self._seen) == _CHILDREN

    def look(self, zygote: int, child: int) -> "list[tuple[int, int]] | None":
        """To be called when its code has run. Once it is complete: ranges of pages, as first number and count; none if they
        are too many. Raises OSError if one of the two is gone, or this user may not see its pages."""
        self._seen.append(_copied(zygote, child))
        if not self.is_complete:
            return None
        pages = set.intersection(*self._seen)
        return _ranges(sorted(pages)) if len(pages) <= _PAGES_MAX else []


def _copied(zygote: int, child: int) -> "set[int]":
    pages: "set[int]" = set()
    with open(f"/proc/{zygote}/pagemap", "rb", buffering=0) as its, open(f"/proc/{child}/pagemap", "rb", buffering=0) as own:
        for first, count in _writable(zygote):
            entries = zip(_entries(own, first, count), _entries(its, first, count))
            pages.update(
                first + at for at, (mine, theirs) in enumerate(entries)
                if mine & (_OWN | _FILE_OR_SHARED) == _OWN and theirs & _PRESENT
            )
    return pages


def _writable(pid: int) -> "list[tuple[int, int]]":
    """Its private mappings, in pages."""
    found = []
    with open(f"/proc/{pid}/maps") as file:
        for line in file:
            span, rights = line.split()[:2]
            if rights.startswith("rw") and rights.endswith("p"):
                start, end = (int(address, 16) // _PAGE_BYTES for address in span.split("-"))
                found.append((start, end - start))
    return found


def _entries(pagemap, first: int, count: int) -> "array.array[int]":
    entries = array.array("Q")
    entries.frombytes(os.pread(pagemap.fileno(), count * _ENTRY_BYTES, first * _ENTRY_BYTES))
    return entries


def _ranges(pages: "list[int]") -> "list[tuple[int, int]]":
    ranges: "list[tuple[int, int]]" = []
    for page in pages:
        first, count = ranges[-1] if ranges else (page, 0)
        if first + count == page:
            ranges[-1:] = [(first, count + 1)]
        else:
            ranges.append((page, 1))
    return ranges
