"""What the worker is to be told of one session: events in order, output put together and cut at its limit.

Events are as session/kernel.ts has them. Text of other processes comes as bytes that may end in the middle of a
character, and is decoded stream by stream.
"""
import base64
import codecs
import json
from dataclasses import dataclass

# Which form of a bundle a console shows: the first that it has.
_MEDIA = ("image/svg+xml", "image/png", "image/jpeg", "image/gif")
_BEFORE_PLAIN = ("text/markdown", "text/latex")
# Of text that is told at once, with a packet more.
_ITEM_CHARACTERS_MAX = 1 << 17


@dataclass(frozen=True)
class Caps:
    text_bytes: int
    """Of one run."""
    display_bytes: int
    """Of one thing displayed."""
    displays_bytes: int
    """Of all that one run displays."""


class Console:
    def __init__(self, caps: Caps) -> None:
        self.events: "list[dict]" = []
        self._caps = caps
        self._decoders: "dict[str, codecs.IncrementalDecoder]" = {}
        self.begin()

    def begin(self) -> None:
        """A run begins."""
        self._text_left = self._caps.text_bytes
        self._displays_left = self._caps.displays_bytes
        self._is_cut = False
        self._decoders.clear()

    def write(self, stream: str, data: bytes) -> None:
        """UTF-8; what is none becomes U+FFFD."""
        if not data:
            return
        if self._text_left <= 0:
            self._cut()
            return
        if len(data) > self._text_left:
            data = data[: self._text_left]
            self._text_left = 0
            self._cut()
        else:
            self._text_left -= len(data)
        decoder = self._decoders.get(stream)
        if decoder is None:
            decoder = self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
        text = decoder.decode(data)
        if text:
            self._put(stream, text)

    def display(self, bundle: "dict[str, str]", execution: bool) -> None:
        size = len(json_of(bundle))
        if size > min(self._caps.display_bytes, self._displays_left):
            self._put("stderr", f"[what is displayed here has {size} bytes, more than the limit]\n")
            return
        self._displays_left -= size
        kind, data = console_form(bundle)
        self._put(kind, data)
        self.tell({"kind": "display", "bundle": bundle, "execution": execution})

    def tell(self, event: dict) -> None:
        self.events.append(event)

    def take(self) -> "list[dict]":
        events, self.events = self.events, []
        return events

    def _put(self, kind: str, data: "str | list[str]") -> None:
        event = self._output()
        items = event["items"]
        if kind in ("stdout", "stderr") and items and items[-1][0] == kind and len(items[-1][1]) < _ITEM_CHARACTERS_MAX:
            items[-1][1] += data
        else:
            items.append([kind, data])

    def _cut(self) -> None:
        if not self._is_cut:
            self._is_cut = True
            self._output()["cut"] = True

    def _output(self) -> dict:
        """The event that output goes to: the last one, if it is of that kind and has room."""
        last = self.events[-1] if self.events else None
        if last is None or last["kind"] != "output" or (last["items"] and len(last["items"][-1][1]) >= _ITEM_CHARACTERS_MAX):
            self.events.append({"kind": "output", "items": [], "cut": False})
        return self.events[-1]


def json_of(value: object) -> bytes:
    """As short as it can be. Half a character becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def console_form(bundle: "dict[str, str]") -> "tuple[str, str | list[str]]":
    """A console item: of what was displayed, the form that a console shows."""
    for mime in _MEDIA:
        if mime in bundle:
            return "media", [mime, bundle[mime] if mime == "image/svg+xml" else f"data:{mime};base64,{bundle[mime]}"]
    if "text/html" in bundle:
        return "html", bundle["text/html"]
    for mime in _BEFORE_PLAIN:
        if mime in bundle:
            return "media", [mime, bundle[mime]]
    if "text/plain" in bundle or not bundle:
        return "stdout", bundle.get("text/plain", "") + "\n"
    [(mime, data), *_] = bundle.items()
    if mime.startswith("text/"):
        return "media", [mime, data]
    return "media", [mime, f"data:{mime};base64,{base64.b64encode(data.encode('utf-8', 'replace')).decode()}"]
