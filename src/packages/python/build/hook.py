"""Calls one hook of a build backend (PEP 517): argv[1] is {"hook", "backend", "paths", "arguments", "result"} as JSON.

`paths` are directories that hold a backend of the source's own. The hook's answer is written to the file `result`. One that a
backend may do without, and does, answers with no requirements.
"""
import importlib
import json
import sys


def main() -> None:
    event = json.loads(sys.argv[1])
    # The directory of this file is nothing that a build should import from.
    sys.path[0:1] = event["paths"]
    module, _colon, inside = event["backend"].partition(":")
    backend = importlib.import_module(module)
    for name in filter(None, inside.split(".")):
        backend = getattr(backend, name)
    call = getattr(backend, event["hook"], None)
    answer = [] if call is None else call(*event["arguments"])
    with open(event["result"], "w", encoding="utf-8") as file:
        json.dump(answer, file)


main()
