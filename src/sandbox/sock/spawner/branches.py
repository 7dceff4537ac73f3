"""The zygotes that the worker has asked for, with packages or a lambda's code: made and retired by its own numbers."""
from typing import Iterator, Protocol

from . import words
from .branch import Branch
from .grown import Grown
from .house import House
from .ids import LOADERS_MAX, LoaderIds
from .loader import Loader
from .zygotes import Zygote


class Observer(Protocol):
    def zygote_said(self, zygote: Zygote, word: words.Word) -> None: ...
    def branch_ready(self, branch: Grown, report: dict) -> None: ...
    def branch_ended(self, branch: Grown) -> None: ...
    def branch_not_grown(self, key: int, reason: str) -> None: ...


class Branches:
    def __init__(self, house: House, observer: Observer, numbers: "Iterator[int]") -> None:
        """`numbers`: for zygotes, of all kinds."""
        self._house = house
        self._observer = observer
        self._numbers = numbers
        self._by_number: "dict[int, Grown]" = {}
        # Each loader has ids of its own, which takes a range.
        self._loader_parts = list(range(LOADERS_MAX if house.ids.change_ids else 0))

    @property
    def all_gone(self) -> bool:
        return not self._by_number

    def find(self, key: int) -> "Grown | None":
        return next((branch for branch in self._by_number.values() if branch.key == key), None)

    def grow(self, root: "Zygote | None", request: dict) -> None:
        """`root` is forked from if the request names no parent."""
        key = request["branch"]
        parent = root if request["parent"] is None else self.find(request["parent"])
        if parent is None or not parent.is_ready or parent.is_doomed:
            self._observer.branch_not_grown(key, "its parent is not there")
            return
        number = next(self._numbers)
        try:
            branch = Branch(self._house, number, parent, request, self._hear, self._doomed, self._ended)
        except OSError as error:
            self._observer.branch_not_grown(key, str(error))
            return
        self._by_number[number] = branch

    def load(self, request: dict) -> None:
        """Starts one that imports a lambda's code."""
        key = request["branch"]
        if not self._loader_parts:
            self._observer.branch_not_grown(key, "there are no ids for another one")
            return
        part, number = self._loader_parts.pop(), next(self._numbers)

        def ended(loader: Loader) -> None:
            self._loader_parts.append(part)
            self._ended(loader)

        try:
            loader = Loader(self._house, number, LoaderIds(self._house.ids, part), request, self._hear, self._doomed, ended)
        except OSError as error:
            self._loader_parts.append(part)
            self._observer.branch_not_grown(key, str(error))
            return
        self._by_number[number] = loader

    def stop(self) -> None:
        """Ends all that are not ended with others."""
        for zygote in self._by_number.values():
            if isinstance(zygote, Loader):
                zygote.kill()

    def retire(self, key: int) -> None:
        branch = self.find(key)
        if branch is not None:
            branch.retire()

    def hear_parent(self, zygote: Zygote, word: words.Word) -> bool:
        """False if the word is about none that is known. Raises ValueError if it can not be true."""
        branch = self._by_number.get(word.zygote)
        if not isinstance(branch, Branch):
            return False
        if branch.parent is not zygote:
            raise ValueError(f"it said {word.kind!r} of another zygote's child")
        branch.hear_parent(word)
        return True

    def parent_gone(self, zygote: Zygote) -> None:
        for branch in list(self._by_number.values()):
            if isinstance(branch, Branch) and branch.parent is zygote:
                branch.parent_gone()

    def end_retired(self) -> None:
        """To be called when a sandbox, or a zygote, has gone."""
        for branch in list(self._by_number.values()):
            branch.end_if_unused()

    def pss_bytes(self) -> "dict[int, int]":
        return {branch.key: branch.pss_bytes() for branch in self._by_number.values() if branch.is_ready}

    def _hear(self, branch: Zygote, word: words.Word) -> None:
        if word.kind == "ready":
            self._observer.branch_ready(branch, word.report)
        else:
            self._observer.zygote_said(branch, word)

    def _doomed(self, branch: Zygote) -> None:
        """The worker hears of it when it has gone."""

    def _ended(self, branch: Grown) -> None:
        del self._by_number[branch.number]
        self.parent_gone(branch)
        self._observer.branch_ended(branch)
