"""Serves a WSGI app (Flask, Django, …): one event, one request."""
import io
import sys
from typing import Any, Callable, Iterator

from .http_event import HttpEvent, head_of
from .streams import Streamed

# An answer of a length that it has announced, up to this, is sent in one piece.
_WHOLE_BYTES_MAX = 1_048_576


def serve(app: "Callable[..., Any]") -> "Callable[[Any, Any], Streamed]":
    return lambda event, _context: _answer(app, HttpEvent(event))


def _answer(app: "Callable[..., Any]", request: HttpEvent) -> Streamed:
    begun: "list[tuple[str, list[tuple[str, str]]]]" = []
    written: "list[bytes]" = []

    def start_response(status: str, headers: "list[tuple[str, str]]", exc_info: Any = None) -> "Callable[[bytes], None]":
        if exc_info is None and begun:
            raise AssertionError("start_response was called twice")
        begun[:] = [(status, list(headers))]
        return written.append

    answered = app(_environ(request), start_response)
    parts = _parts(answered, written)
    first = next(parts, b"")
    if not begun:
        raise AssertionError("the app did not call start_response")
    [(status, headers)] = begun
    head = head_of(int(status[:3]), headers)
    length = head["headers"].get("content-length", "")
    if isinstance(length, str) and length.isdigit() and int(length) <= _WHOLE_BYTES_MAX:
        return Streamed(head, iter((b"".join((first, *parts)),)), whole=True)
    return Streamed(head, _chain(first, parts))


def _parts(answered: Any, written: "list[bytes]") -> Iterator[bytes]:
    try:
        for part in answered:
            if written:
                part = b"".join((*written, part))
                written.clear()
            if part:
                yield part
        if written:
            yield b"".join(written)
    finally:
        if hasattr(answered, "close"):
            answered.close()


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _environ(request: HttpEvent) -> "dict[str, Any]":
    host, port = request.server
    environ: "dict[str, Any]" = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": request.prefix,
        # Bytes as characters, as the standard has it.
        "PATH_INFO": request.path.decode("latin-1"),
        "QUERY_STRING": request.query,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": request.protocol,
        "REMOTE_ADDR": request.client,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        if key == "CONTENT_TYPE":
            environ[key] = value
        elif key != "CONTENT_LENGTH":
            environ[f"HTTP_{key}"] = value
    return environ
