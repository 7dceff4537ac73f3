"""Keeps pip from running the code of source distributions.

`--only-binary` speaks of what an index offers. A wheel may also say that it needs `other @ https://…/other.tar.gz` or
`git+https://…`, and pip would fetch that, unpack it and execute its setup.py to learn what it needs.
"""
import importlib
from typing import NoReturn


def refuse() -> None:
    """For this process and for good. A pip that is built in another way is not used: SystemExit."""
    try:
        kind = importlib.import_module("pip._internal.distributions.sdist").SourceDistribution
        vcs = importlib.import_module("pip._internal.vcs").vcs
        replaced = [kind.prepare_distribution_metadata, *(backend.unpack for backend in vcs.backends)]
    except (ImportError, AttributeError) as error:
        raise SystemExit(f"ERROR: this pip cannot be kept from running what it fetches: {error}") from error
    if len(replaced) < 2:
        raise SystemExit("ERROR: this pip cannot be kept from running what it fetches: it knows no repositories")
    kind.prepare_distribution_metadata = _refuse_source
    for backend in vcs.backends:
        type(backend).unpack = _refuse_repository


def _refuse_source(self: object, *_args: object, **_kwargs: object) -> NoReturn:
    req = self.req  # type: ignore[attr-defined]
    wanting = getattr(req.comes_from, "name", None)
    for_whom = f", which {wanting} needs," if wanting else ""
    _fail(f"{req.link.filename}{for_whom} is a source distribution; only wheels are taken")


def _refuse_repository(_self: object, *_args: object, **_kwargs: object) -> NoReturn:
    _fail("a package needs another straight out of a repository; only wheels are taken")


def _fail(words: str) -> NoReturn:
    raise importlib.import_module("pip._internal.exceptions").InstallationError(words)
