"""How far pip's downloads are, told as lines of its output: `Progress DONE of TOTAL`, in bytes, TOTAL 0 where nobody knows it.

pip has such lines itself from its version 24.1 on. The function that draws its bar is replaced: where there is none by that
name, nothing is told, and all else is the same.
"""
import importlib
import os
import re
import time
from typing import Any, Callable, Iterable, Iterator, Optional

LINE = re.compile(rb"Progress (\d+) of (\d+)")
_EVERY_S = 0.2


def tell() -> None:
    """For this process and for good."""
    try:
        module = importlib.import_module("pip._internal.network.download")
    except ImportError:
        return
    if hasattr(module, "get_download_progress_renderer"):
        module.get_download_progress_renderer = _renderer


def _renderer(*_args: Any, size: "Optional[int]" = None, **_kwargs: Any) -> "Callable[[Iterable[bytes]], Iterator[bytes]]":
    def counted(chunks: "Iterable[bytes]") -> "Iterator[bytes]":
        done, told_at = 0, float("-inf")
        for chunk in chunks:
            done += len(chunk)
            now = time.monotonic()
            if now - told_at >= _EVERY_S or done == size:
                told_at = now
                os.write(1, b"Progress %d of %d\n" % (done, size or 0))
            yield chunk

    return counted
