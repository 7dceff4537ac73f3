"""Working directories of sessions: below scratch, where /home/work, a link in the root, leads to the first one's."""
import os

FIRST = "/home/work"
_BELOW = "/host"


def make(number: int) -> str:
    """An empty one; the first is called by the name that everybody knows. Raises OSError."""
    path = f"{_BELOW}/work" if number == 0 else f"{_BELOW}/work-{number}"
    os.mkdir(path, 0o755)
    return FIRST if number == 0 else path


def environment(home: str, env: "dict[str, str]", path: "list[str]") -> "dict[str, str]":
    """All variables of a session's processes: those of its sandbox, and its own over them. `path`: of its packages."""
    same = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAMBDA_", "_"))}
    packages = {"PYTHONPATH": os.pathsep.join(path)} if path else {}
    return {**same, "HOME": home, "PWD": home, "SHELL": "/bin/sh", "TERM": "dumb", "MPLBACKEND": "Agg", **packages, **env}
