"""Which names a lambda may look up, and for which ports their addresses open. Pure."""
from typing import Iterable


class Egress:
    """Entries are (name, port), the name in lower case. `*.` stands for exactly one label, as in a certificate."""

    def __init__(self, entries: "Iterable[tuple[str, int]]") -> None:
        self._ports: "dict[str, set[int]]" = {}
        for name, port in entries:
            self._ports.setdefault(name, set()).add(port)

    def ports_of(self, name: str) -> "list[int]":
        """Empty if it is not on the list."""
        label, _dot, parent = name.partition(".")
        star = self._ports.get(f"*.{parent}", set()) if label and parent else set()
        return sorted(self._ports.get(name, set()) | star)
