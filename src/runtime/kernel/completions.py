"""What a kernel says could be meant, as its answer: a stranger's word, which may be anything, and of any length."""
import json

from .session import Request

# Of an answer's 60,000.
_BYTES_MAX = 50_000


class Completing:
    """A request for completions, which is answered with as many as fit; with none where that makes no sense."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def answer(self, value: object = None, body: bytes = b"") -> None:
        said = value if isinstance(value, dict) else {}
        found, start, end = said.get("completions"), said.get("start"), said.get("end")
        if isinstance(found, list) and type(start) is int and type(end) is int:
            self._request.answer({"completions": _fitting(found), "start": start, "end": end})
        else:
            self.answer_none()

    def answer_none(self) -> None:
        cursor = self._request.meta["cursor"]
        self._request.answer({"completions": [], "start": cursor, "end": cursor})

    def refuse(self, code: str, message: str) -> None:
        self._request.refuse(code, message)


def _fitting(found: list) -> "list[str]":
    names, left = [], _BYTES_MAX
    for name in found:
        if isinstance(name, str):
            size = len(json.dumps(name)) + 2
            if size <= left:
                names.append(name)
                left -= size
    return names
