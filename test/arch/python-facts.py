"""Reads file names from stdin, one per line, and prints what each imports and where it prints bare.

Bare means: to stdout, because no `file=` says otherwise.
"""

import ast
import json
import sys


def facts(path):
    with open(path, encoding="utf-8") as source:
        nodes = list(ast.walk(ast.parse(source.read(), path)))
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0]
    return {
        "imports": sorted({module.split(".")[0] for module in modules}),
        "bare_prints": [node.lineno for node in nodes if is_bare_print(node)],
    }


def is_bare_print(node):
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"):
        return False
    return not any(keyword.arg == "file" for keyword in node.keywords)


if __name__ == "__main__":
    answer = {path: facts(path) for path in sys.stdin.read().split("\n") if path}
    json.dump({"stdlib": sorted(getattr(sys, "stdlib_module_names", ())), "files": answer}, sys.stdout)
