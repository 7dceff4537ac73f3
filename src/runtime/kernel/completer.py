"""What could be meant at a place in a cell: names, attributes, modules, arguments, and keys of what is there already.

The objects of the namespace are looked at, so that what they are, and not what they seem to be, decides. Attributes are
read, which may run code of theirs; nothing is called.
"""
import builtins
import importlib
import keyword
import os
import re
import sys
from importlib import machinery

_COMPLETIONS_MAX = 1_000
# What is further from the cursor does not count: searching takes the square of it, and process 1 may have to.
_LOOKED_BACK_MAX = 4_000
_PATH = r"[^\W\d]\w*(?:\s*\.\s*[^\W\d]\w*)*"
_FROM_IMPORT = re.compile(rf"^\s*from\s+({_PATH})\s+import\s+(?:.*[\s,(])?(\w*)$")
_IMPORT = re.compile(r"^\s*(?:import\s+(?:.*,\s*)?|from\s+)([\w.]*)$")
_KEY = re.compile(rf"({_PATH})\s*\[\s*([\"'])([^\"'\]]*)$")
_CHAIN = re.compile(rf"({_PATH})\s*\.\s*(\w*)$")
_NAME = re.compile(r"(\w*)$")
_CALL = re.compile(rf"({_PATH})\s*$")
_MAGIC = "__"


def complete(code: str, cursor: int, names: dict) -> dict:
    """{"completions", "start", "end"}: what may stand between those two places of the code. All are counted in characters."""
    cursor = max(0, min(cursor, len(code)))
    before = code[max(0, cursor - _LOOKED_BACK_MAX) : cursor]
    line = before[before.rfind("\n") + 1 :]
    word, found = _found(line, before, names)
    # Those that begin with an underscore come last, as what nobody meant.
    found = sorted(set(found), key=lambda one: (one.startswith("__"), one.startswith("_"), one))
    return {"completions": found[:_COMPLETIONS_MAX], "start": cursor - len(word), "end": cursor}


def _found(line: str, before: str, names: dict) -> "tuple[str, list[str]]":
    match = _FROM_IMPORT.match(line)
    if match:
        module, word = match[1], match[2]
        return word, [name for name in _of_module(module) if name.startswith(word)]
    match = _IMPORT.match(line)
    if match:
        parent, _dot, word = match[1].rpartition(".")
        return word, [name for name in _modules(parent) if name.startswith(word)]
    match = _KEY.search(line)
    if match:
        return match[3], _keys(_value(match[1], names), match[2], match[3])
    match = _CHAIN.search(line)
    if match:
        return match[2], [name for name in _attributes(_value(match[1], names)) if _fits(name, match[2])]
    word = _NAME.search(line)[1]
    if word[:1].isdigit() or line[: len(line) - len(word)].endswith("."):
        return word, []
    found = [name for name in (*keyword.kwlist, *names, *dir(builtins)) if isinstance(name, str) and _fits(name, word)]
    return word, [*found, *(f"{name}=" for name in _arguments(before[: len(before) - len(word)], names) if name.startswith(word))]


def _fits(name: str, word: str) -> bool:
    return name.startswith(word) and (word.startswith("_") or not name.startswith(_MAGIC))


class _Nothing:
    pass


def _value(path: str, names: dict) -> object:
    first, *rest = [part.strip() for part in path.split(".")]
    value = names.get(first, getattr(builtins, first, _Nothing))
    for part in rest:
        try:
            value = getattr(value, part)
        except Exception:  # it is not there, or a property that fails
            return _Nothing
    return value


def _attributes(value: object) -> "list[str]":
    if value is _Nothing:
        return []
    found = [name for name in dir(value) if isinstance(name, str)]
    if isinstance(value, type(sys)):
        found += _modules(value.__name__)
    return found


def _keys(value: object, quote: str, word: str) -> "list[str]":
    keys = getattr(value, "keys", None)
    try:
        found = list(keys()) if callable(keys) and value is not _Nothing else []
    except Exception:  # of a class that only has something of that name
        return []
    texts = [key for key in found[:_COMPLETIONS_MAX] if isinstance(key, str)]
    return [key for key in texts if key.startswith(word) and quote not in key and "\n" not in key]


def _arguments(before: str, names: dict) -> "list[str]":
    """Of the function whose call the place is in."""
    depth = 0
    for index in range(len(before) - 1, -1, -1):
        character = before[index]
        if character in ")]}":
            depth += 1
        elif character in "([{":
            if depth == 0:
                match = _CALL.search(before[:index]) if character == "(" else None
                return [] if match is None else _parameters(_value(match[1], names))
            depth -= 1
        elif character == "\n" and depth == 0 and not before[:index].rstrip().endswith((",", "(")):
            return []
    return []


def _parameters(function: object) -> "list[str]":
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]


def _of_module(name: str) -> "list[str]":
    """What could be imported from it; it is imported for that only if it has been already."""
    module = sys.modules.get(name)
    return [*_modules(name), *([] if module is None else _attributes(module))]


def _modules(parent: str) -> "list[str]":
    """Names of modules, of a package or of all."""
    if parent:
        module = sys.modules.get(parent)
        places = list(getattr(module, "__path__", [])) if module is not None else _places_of(parent)
        # Not all are files: os.path is none.
        found = [name[len(parent) + 1 :] for name in list(sys.modules) if name.rpartition(".")[0] == parent]
    else:
        places = sys.path
        found = list(sys.builtin_module_names)
    for place in places:
        found += _modules_in(place or ".")
    return found


def _places_of(package: str) -> "list[str]":
    """Where its modules lie, without importing it: of the outermost only."""
    if "." in package:
        return []
    spec = machinery.PathFinder.find_spec(package)
    return list(spec.submodule_search_locations or []) if spec is not None else []


def _modules_in(place: str) -> "list[str]":
    try:
        entries = os.listdir(place)
    except OSError:  # there is none, or it is an archive
        return []
    suffixes = sorted(importlib.machinery.all_suffixes(), key=len, reverse=True)
    found = []
    for entry in entries:
        name = next((entry[: -len(suffix)] for suffix in suffixes if entry.endswith(suffix)), entry)
        if name.isidentifier() and name != "__init__" and (name != entry or _is_package(place, entry)):
            found.append(name)
    return found


def _is_package(place: str, entry: str) -> bool:
    return entry != "__pycache__" and os.path.isfile(os.path.join(place, entry, "__init__.py"))
