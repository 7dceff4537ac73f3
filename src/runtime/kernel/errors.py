"""What a cell raised, in words: as the interpreter would print it, without this runtime's own frames."""
import os
import sys
import traceback

_OWN_DIR = os.path.dirname(__file__) + os.sep
_TEXT_CHARACTERS_MAX = 200_000
_MESSAGE_CHARACTERS_MAX = 32_768


class Quitter:
    def __repr__(self) -> str:
        return "exit() ends the cell; the session goes on"

    def __call__(self, code: object = None) -> None:
        raise SystemExit(code)


def describe(error: BaseException) -> dict:
    """name, message, traceback (lines), and text, as it is printed."""
    name = type(error).__name__
    try:
        message = str(error)[:_MESSAGE_CHARACTERS_MAX]
    except BaseException as secondary:  # a stranger's __str__ may do anything at all
        message = f"<the message could not be made: {type(secondary).__name__}>"
    if isinstance(error, SystemExit):
        text = f"SystemExit: {message or '0'}. The session goes on.\n"
    else:
        text = _format(error, name, message)
    if len(text) > _TEXT_CHARACTERS_MAX:
        half = _TEXT_CHARACTERS_MAX // 2
        text = f"{text[:half]}\n[... {len(text) - 2 * half} characters ...]\n{text[-half:]}"
    return {"name": name, "message": message, "traceback": text.splitlines(), "text": text}


def exit_code(error: "BaseException | None") -> int:
    """An exception is no failure of the session; a cell that ends itself may say a status."""
    if not isinstance(error, SystemExit) or error.code is None:
        return 0
    return error.code & 0xFF if isinstance(error.code, int) else 1


def remember(error: BaseException) -> None:
    """Where `pdb.pm()` looks for it."""
    if not isinstance(error, (KeyboardInterrupt, SystemExit)):
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__


def _format(error: BaseException, name: str, message: str) -> str:
    first = error.__traceback__
    while first is not None and _is_own(first):
        first = first.tb_next
    error.__traceback__ = first
    try:
        return "".join(traceback.format_exception(type(error), error, first))
    except BaseException as secondary:  # as above
        return f"{name}: {message} (the traceback could not be made: {type(secondary).__name__})\n"


def _is_own(frame) -> bool:
    """Of this runtime, or of the event loop that it has run: what comes before the first line of a cell."""
    file = frame.tb_frame.f_code.co_filename
    return file.startswith(_OWN_DIR) or "/asyncio/" in file
