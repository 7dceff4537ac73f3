"""Typed errors as callers see them: {"errorType", "errorMessage", "stackTrace", "requestId"}."""
import json
import traceback

# Bound now: a handler may replace it.
_dumps = json.dumps

_OWN_FILES = "/runtime/"
# A message can hold a whole data frame; who wants it in full prints it.
_MESSAGE_CHARACTERS_MAX = 32_768
_STACK_ENTRIES_MAX = 100
_STACK_ENTRY_CHARACTERS_MAX = 2_048


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
    kind, stack = _kind_and_stack(error)
    failure = {"errorType": kind, "errorMessage": text_of(error), "stackTrace": stack, "requestId": request_id}
    return _dumps(failure).encode("utf-8", "backslashreplace")


def log_text(error: BaseException) -> str:
    """As AWS's runtime writes it."""
    kind, stack = _kind_and_stack(error)
    trace = f"Traceback (most recent call last):\n{''.join(stack)}" if stack else ""
    return f"[ERROR] {kind}: {text_of(error)}\n{trace}"


def _kind_and_stack(error: BaseException) -> "tuple[str, list[str]]":
    if isinstance(error, HandlerFailure):
        kind, stack = error.kind, error.stack
    else:
        kind, stack = type(error).__name__, stack_of(error)
    return kind, [_cut(entry, _STACK_ENTRY_CHARACTERS_MAX) for entry in stack[-_STACK_ENTRIES_MAX:]]


def text_of(error: BaseException) -> str:
    """An exception's message, cut to a bearable length. A stranger's __str__ may do anything at all."""
    try:
        return _cut(str(error), _MESSAGE_CHARACTERS_MAX)
    except BaseException as secondary:
        return f"<the message could not be made: {type(secondary).__name__}>"


def _cut(text: str, characters_max: int) -> str:
    return text if len(text) <= characters_max else f"{text[:characters_max]}… ({len(text)} characters)"
