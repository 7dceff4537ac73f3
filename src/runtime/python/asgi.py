"""Serves an ASGI app (FastAPI, Starlette, Django, …): one event, one request, all on one event loop.

The app starts with the instance, by the protocol's lifespan, which an app need not know. The loop runs only while a
request does: what the app leaves behind goes on with the next one.
"""
import asyncio
from typing import Any, Callable, Iterator

from . import failures, output
from .failures import HandlerFailure
from .http_event import HttpEvent, head_of
from .streams import Streamed

_ENDED = None


def serve(app: "Callable[..., Any]") -> "Callable[[Any, Any], Streamed]":
    """Starts the app. Raises HandlerFailure if it says that it can not."""
    return _Server(app).answer


class _Server:
    def __init__(self, app: "Callable[..., Any]") -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._state: "dict[str, Any]" = {}
        self._loop.run_until_complete(self._start())

    async def _start(self) -> None:
        said: "asyncio.Queue[dict]" = asyncio.Queue()
        never = asyncio.Event()
        asked = [{"type": "lifespan.startup"}]

        async def receive() -> dict:
            if asked:
                return asked.pop()
            await never.wait()  # its end is the end of the process
            return {"type": "lifespan.shutdown"}

        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        # Kept, or it would be collected while it waits.
        self._lifespan = self._loop.create_task(_run(self._app(scope, receive, said.put)))
        started = self._loop.create_task(said.get())
        await asyncio.wait({self._lifespan, started}, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()  # an app that knows no lifespan has raised, or returned
            return
        message = started.result()
        if message["type"] == "lifespan.startup.failed":
            raise HandlerFailure("Runtime.AppNotStarted", f"The app could not start: {message.get('message', '')}")

    def answer(self, event: Any, _context: Any) -> Streamed:
        messages = self._messages(HttpEvent(event))
        start = next(messages, {"type": "nothing"})
        if start["type"] != "http.response.start":
            raise AssertionError(f"the app answered with {start['type']} and not with http.response.start")
        headers = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in start.get("headers", ())]
        head = head_of(start["status"], headers)
        first = next(messages, {"type": "http.response.body"})
        if not first.get("more_body"):
            for _message in messages:  # what the app does after its answer belongs to the call
                pass
            return Streamed(head, iter((bytes(first.get("body", b"")),)), whole=True)
        return Streamed(head, _bodies(first, messages))

    def _messages(self, request: HttpEvent) -> "Iterator[dict]":
        said: "asyncio.Queue[dict | None]" = asyncio.Queue(1)
        over = asyncio.Event()
        asked = [{"type": "http.request", "body": request.body, "more_body": False}]

        async def receive() -> dict:
            if asked:
                return asked.pop()
            await over.wait()
            return {"type": "http.disconnect"}

        async def run() -> None:
            try:
                await self._app(self._scope(request), receive, said.put)
            finally:
                await said.put(_ENDED)

        task = self._loop.create_task(run())
        while True:
            message = self._loop.run_until_complete(said.get())
            if message is _ENDED:
                break
            if message["type"] == "http.response.body" and not message.get("more_body"):
                over.set()
            yield message
        try:
            self._loop.run_until_complete(task)
        except Exception as error:
            if not over.is_set():
                raise
            # It has answered: some frameworks raise again what they have made an answer of, so that it is logged.
            output.write_error(failures.log_text(error))

    def _scope(self, request: HttpEvent) -> "dict[str, Any]":
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.protocol.partition("/")[2] or "1.1",
            "method": request.method,
            "scheme": request.scheme,
            # Whole, with the app's own place in front: frameworks take root_path away for their routes, and make redirects of it.
            "path": request.prefix + request.path.decode("utf-8", "surrogateescape"),
            "raw_path": (request.prefix + request.raw_path).encode("latin-1", "backslashreplace"),
            "query_string": request.query.encode("latin-1", "backslashreplace"),
            "root_path": request.prefix,
            "headers": [(name.encode("latin-1"), value.encode("latin-1", "backslashreplace")) for name, value in request.headers],
            "client": (request.client, 0),
            "server": request.server,
            "state": dict(self._state),
        }


async def _run(lifespan: Any) -> None:
    try:
        await lifespan
    except Exception:  # so says the protocol: it is an app that knows no lifespan
        return


def _bodies(first: dict, messages: "Iterator[dict]") -> Iterator[bytes]:
    yield bytes(first.get("body", b""))
    for message in messages:
        if message.get("body"):
            yield bytes(message["body"])
