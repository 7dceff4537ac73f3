"""An HTTP request as AWS's Function URLs put it into an event, payload version 2.0, read for those who serve apps."""
from typing import Any
from urllib.parse import unquote_to_bytes

from .failures import HandlerFailure


class HttpEvent:
    def __init__(self, event: Any) -> None:
        """Raises HandlerFailure if it is no request."""
        http = event.get("requestContext", {}).get("http") if isinstance(event, dict) else None
        if not isinstance(http, dict) or event.get("version") != "2.0":
            message = "The handler is an app for HTTP: call it at /fn/<name>/, or with the event of a Function URL (version 2.0)"
            raise HandlerFailure("Runtime.EventNotHttp", message)
        self.method: str = http["method"]
        self.raw_path: str = event.get("rawPath") or "/"
        self.query: str = event.get("rawQueryString") or ""
        self.protocol: str = http.get("protocol") or "HTTP/1.1"
        self.client: str = http.get("sourceIp") or ""
        self.headers: "list[tuple[str, str]]" = [(name.lower(), value) for name, value in (event.get("headers") or {}).items()]
        if event.get("cookies"):
            self.headers.append(("cookie", "; ".join(event["cookies"])))
        self.body = _body_of(event)

    def header(self, name: str, otherwise: str) -> str:
        return next((value for known, value in self.headers if known == name), otherwise)

    @property
    def path(self) -> bytes:
        """Decoded."""
        return unquote_to_bytes(self.raw_path)

    @property
    def prefix(self) -> str:
        """What the path had before it, which is the app's place and not its affair."""
        return self.header("x-forwarded-prefix", "").rstrip("/")

    @property
    def scheme(self) -> str:
        return self.header("x-forwarded-proto", "http")

    @property
    def server(self) -> "tuple[str, int]":
        host, _colon, port = self.header("host", "localhost").rpartition(":")
        if not host or not port.isdigit():
            host, port = self.header("host", "localhost"), self.header("x-forwarded-port", "")
        return host, int(port) if port.isdigit() else 443 if self.scheme == "https" else 80


def _body_of(event: dict) -> bytes:
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    import base64

    return base64.b64decode(body)


def head_of(status: int, headers: "list[tuple[str, str]]") -> dict:
    """What an answer begins with. Of a header that comes several times all values are kept."""
    named: "dict[str, Any]" = {}
    cookies: "list[str]" = []
    for name, value in headers:
        name = name.lower()
        if name == "set-cookie":
            cookies.append(value)
        elif name in named:
            before = named[name]
            named[name] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            named[name] = value
    return {"statusCode": status, "headers": named, "cookies": cookies}
