"""What the worker asks of a session's files: `file-write {path}` + bytes, `file-read {path}`, which is answered with a tar archive,
`file-list {path}`, answered with JSON, and `file-remove {path}`."""
import errno
import json
from typing import Callable

from .files import Files, PathRefused
from .session import Request, Session

_FULL = (errno.ENOSPC, errno.EDQUOT)
# By these a path shows that something has been renamed meanwhile.
_MISSING = (errno.ENOENT, errno.ENOTDIR)


def write(session: Session, request: Request) -> None:
    _answer(request, lambda: _files(session).write(request.meta["path"], request.body))


def read(session: Session, request: Request) -> None:
    bytes_max = session.runner.facts["response_bytes_max"]
    _answer(request, lambda: _files(session).read(request.meta["path"], bytes_max))


def list_directory(session: Session, request: Request) -> None:
    _answer(request, lambda: _listed(session, request.meta["path"]))


def remove(session: Session, request: Request) -> None:
    _answer(request, lambda: _files(session).remove(request.meta["path"]))


def _files(session: Session) -> Files:
    return Files(session.home)


def _listed(session: Session, path: str) -> bytes:
    listed = json.dumps(_files(session).list(path)).encode()
    if len(listed) > session.runner.facts["response_bytes_max"]:
        raise PathRefused("store-full", f"{path!r} has more entries than one answer may hold")
    return listed


def _answer(request: Request, act: "Callable[[], bytes | None]") -> None:
    try:
        body = act()
    except PathRefused as refused:
        request.refuse(refused.code, str(refused))
    except OSError as error:
        request.refuse(_code_of(error), f"{request.meta['path']!r}: {error.strerror or error}")
    else:
        request.answer(body=body or b"")


def _code_of(error: OSError) -> str:
    if error.errno in _FULL:
        return "store-full"
    return "file-missing" if error.errno in _MISSING else "path-invalid"
