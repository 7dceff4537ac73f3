"""Answers that come bit by bit: what generators yield, and what apps answer over HTTP.

One has a head, `{"statusCode", "headers", "cookies"}` (without the first where nobody said it), and parts, which are bytes. A caller that can take them as they come
gets them so; any other gets them together, as one object in the form in which AWS's Function URLs are answered.
"""
import types
from typing import Any, Iterator

from . import frames, values
from .failures import HandlerFailure

# Of one part. What is larger is cut into several, so that none is long in coming.
PART_BYTES_MAX = 65_536
_END = object()


class Streamed:
    def __init__(self, head: dict, parts: "Iterator[bytes]", whole: bool = False) -> None:
        """`whole`: there is one part, and it is there already."""
        self.head = head
        self.parts = parts
        self.whole = whole


_KINDS = (types.GeneratorType, types.AsyncGeneratorType, Streamed)


def is_streamed(result: object) -> bool:
    return type(result) in _KINDS


def streamed(result: Any) -> Streamed:
    """To be called where the handler's code may run, as it does in here."""
    if type(result) is Streamed:
        return result
    items = result if type(result) is types.GeneratorType else _awaited(result)
    first = next(items, _END)
    if isinstance(first, dict) and "statusCode" in first:
        head = {name: first[name] for name in ("statusCode", "headers", "cookies") if name in first}
        begun = [first["body"]] if first.get("body") else []
    else:
        head = {"headers": {"content-type": _type_of(first)}}
        begun = [] if first is _END else [first]
    return Streamed(head, _bytes_of(begun, items))


def collected(answer: Streamed, bytes_max: int) -> dict:
    """All of it, for a caller that takes no parts."""
    body = bytearray()
    for part in answer.parts:
        body += part
        if len(body) > bytes_max:
            message = f"Response payload size exceeded maximum allowed payload size ({bytes_max} bytes)."
            raise HandlerFailure("Function.ResponseSizeTooLarge", message)
    try:
        return {"statusCode": 200, **answer.head, "body": body.decode(), "isBase64Encoded": False}
    except UnicodeDecodeError:
        import base64

        return {"statusCode": 200, **answer.head, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def send(answer: Streamed, channel: frames.Channel) -> bytes:
    """Everything but the end of it, which is returned."""
    head = values.encode(answer.head)
    body = b"".join(answer.parts) if answer.whole else b""
    if answer.whole and len(body) <= PART_BYTES_MAX:
        channel.hold(frames.HEAD, head)
        return body
    channel.write(frames.HEAD, b"", head)
    for part in (body,) if answer.whole else answer.parts:
        for start in range(0, len(part), PART_BYTES_MAX):
            channel.write(frames.PART, b"", part[start : start + PART_BYTES_MAX])
    return b""


def _awaited(items: types.AsyncGeneratorType) -> Iterator[Any]:
    import asyncio

    loop = asyncio.new_event_loop()
    try:
        while True:
            try:
                yield loop.run_until_complete(items.__anext__())
            except StopAsyncIteration:
                return
    finally:
        loop.run_until_complete(items.aclose())
        loop.close()


def _type_of(first: object) -> str:
    if isinstance(first, str):
        return "text/plain; charset=utf-8"
    if isinstance(first, (bytes, bytearray, memoryview)):
        return "application/octet-stream"
    return "application/x-ndjson"


def _bytes_of(begun: list, items: Iterator[Any]) -> Iterator[bytes]:
    for source in (begun, items):
        for item in source:
            if isinstance(item, str):
                yield item.encode("utf-8", "backslashreplace")
            elif isinstance(item, (bytes, bytearray, memoryview)):
                yield bytes(item)
            else:
                yield values.encode(item) + b"\n"
