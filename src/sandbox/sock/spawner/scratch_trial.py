"""For `admin doctor`: makes an image as each sandbox gets one for its scratch, and prints what came of it.

Nothing of it outlives this process. Prints {"images": null}, or why scratch is memory here.
"""
import json
import os
import sys
import tempfile

from . import images

_MB = 16


def main() -> None:
    json.dump({"images": _try()}, sys.stdout)


def _try() -> "str | None":
    if os.geteuid() != 0:
        return "only root may use loop devices"
    try:
        with tempfile.TemporaryDirectory(prefix="isla-doctor-") as path:
            directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                images.Images(directory, _MB, _MB).make().discard()
            finally:
                os.close(directory)
    except OSError as error:
        return ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)
    return None
