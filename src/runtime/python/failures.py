"""Typed errors as callers see them: {"errorType", "errorMessage", "stackTrace", "requestId"}."""
import json
import traceback

_OWN_FILES = "/runtime/"


class HandlerFailure(Exception):
    """A failure that has a name of its own rather than that of a Python exception."""

    def __init__(self, kind: str, message: str, stack: "list[str] | None" = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.stack = stack or []


def stack_of(error: BaseException) -> "list[str]":
    """The traceback without this runtime's frames at its head."""
    frames = traceback.extract_tb(error.__traceback__)
    while frames and frames[0].filename.startswith(_OWN_FILES):
        frames = frames[1:]
    return traceback.format_list(frames)


def body_of(error: BaseException, request_id: str) -> bytes:
    if isinstance(error, HandlerFailure):
        kind, stack = error.kind, error.stack
    else:
        kind, stack = type(error).__name__, stack_of(error)
    try:
        message = str(error)
    except Exception as secondary:  # a handler's exception may break even in its own __str__
        message = f"<the message could not be made: {type(secondary).__name__}>"
    failure = {"errorType": kind, "errorMessage": message, "stackTrace": stack, "requestId": request_id}
    return json.dumps(failure, default=str).encode("utf-8", "backslashreplace")
