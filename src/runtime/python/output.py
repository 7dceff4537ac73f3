"""What a handler prints: two streams that never fail for being full, and a measure of what a call printed.

The streams are files that only grow. Where they ended when a call began and when it was answered tells the worker
which bytes are the call's, whoever wrote them: this interpreter, a program that it started, a library.
"""
import errno
import io
import os
import sys

# Bound now: a handler may replace it.
_lseek, _SEEK_END = os.lseek, os.SEEK_END
_NOTHING = (0, 0)


class _Output(io.FileIO):
    """stdout or stderr. What does not fit any more is dropped: a full log must not fail the handler's prints."""

    def write(self, data) -> "int | None":
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return len(data)


def open_streams() -> None:
    sys.stdout, sys.stderr = _open(1, "<stdout>"), _open(2, "<stderr>")


def _open(fd: int, name: str) -> io.TextIOWrapper:
    raw = _Output(fd, "w", closefd=False)
    raw.name = name
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True)


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # the handler may have closed or replaced it; its output is its own affair
            continue


def write_error(text: str) -> None:
    """Past sys.stderr, which the handler may have replaced."""
    try:
        os.write(2, text.encode("utf-8", "backslashreplace"))
    except OSError:
        return  # it is full, or closed: the caller is told all the same


class Meter:
    """Where the streams end at the begin and the end of calls. What loading the code printed is the first call's."""

    def __init__(self) -> None:
        self._told = _NOTHING
        self._begun = _NOTHING
        self._look = False

    def begin(self) -> "tuple[int, int] | None":
        """Where the streams end, if somebody has printed since the last answer."""
        if not self._look:
            return None
        self._begun = self._ends()
        return None if self._begun in (self._told, _NOTHING) else self._begun

    def printed(self, others: bool) -> bytes:
        """A member of the answer's meta: both ends at the call's begin, both now. Empty if nothing was printed.
        `others` says whether anybody can print from now on."""
        ends = self._ends()
        if ends == self._begun == self._told:
            self._look = others
            return b""
        begun, self._begun, self._told = self._begun, ends, ends
        # The worker empties the files now and then, when it has been told of something.
        self._look = True
        return b',"printed":[%d,%d,%d,%d]' % (*begun, *ends)

    def rest(self, alone: bool) -> None:
        """Between two calls: whether nobody can have printed since the answer."""
        self._look = self._look or not alone

    def _ends(self) -> "tuple[int, int]":
        try:
            return _lseek(1, 0, _SEEK_END), _lseek(2, 0, _SEEK_END)
        except OSError:
            return self._told  # the handler has closed them, or put something else in their place
