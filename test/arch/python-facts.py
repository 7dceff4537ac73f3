"""Reads file names from stdin, one per line, and prints what each imports, where it prints bare, and what it takes for there.

Bare means: to stdout, because no `file=` says otherwise. Taken for there is a name of another of the files that has none
such: nothing compiles Python before it runs.
"""

import ast
import json
import os
import sys

# Under which names packages are found inside a sandbox.
INSIDE = {"isla_runtime": "python", "isla_zygote": "zygote", "isla_kernel": "kernel"}


def facts(path, trees):
    nodes = list(ast.walk(trees[path]))
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0]
    return {
        "imports": sorted({module.split(".")[0] for module in modules}),
        "bare_prints": [node.lineno for node in nodes if is_bare_print(node)],
        "missing": list(missing_names(path, nodes, trees)),
    }


def is_bare_print(node):
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"):
        return False
    return not any(keyword.arg == "file" for keyword in node.keywords)


def missing_names(path, nodes, trees):
    bound = {}
    for node in nodes:
        if not isinstance(node, ast.ImportFrom):
            continue
        place = place_of(path, node, trees)
        for alias in node.names if place else ():
            file = os.path.join(place, alias.name + ".py")
            if file in trees:
                bound[alias.asname or alias.name] = file
            elif place + ".py" in trees and alias.name not in top_names(trees[place + ".py"].body):
                yield f"{node.lineno}: {alias.name}"
    # A name that is something else somewhere in the file may be that.
    own = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound.keys() - own:
            if node.attr not in top_names(trees[bound[node.value.id]].body):
                yield f"{node.lineno}: {node.value.id}.{node.attr}"


def place_of(path, node, trees):
    """Path of the module or package that is imported from, without `.py`; None if it is none of the files'."""
    first, *rest = (node.module or "").split(".")
    if node.level == 0:
        name = INSIDE.get(first, first)
        found = {os.path.dirname(file) for file in trees if os.path.basename(os.path.dirname(file)) == name}
        return os.path.join(min(found), *rest) if found else None
    place = os.path.dirname(path)
    for _ in range(node.level - 1):
        place = os.path.dirname(place)
    return os.path.join(place, *(part for part in (first, *rest) if part))


def top_names(statements):
    names = set()
    for node in statements:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        else:
            for child in ast.iter_child_nodes(node):
                if not isinstance(child, (ast.stmt, ast.ExceptHandler)):
                    names |= {one.id for one in ast.walk(child) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
            for field in ("body", "orelse", "handlers", "finalbody"):
                names |= top_names(getattr(node, field, []))
    return names


def parsed(path):
    with open(path, encoding="utf-8") as source:
        return ast.parse(source.read(), path)


if __name__ == "__main__":
    trees = {path: parsed(path) for path in sys.stdin.read().split("\n") if path}
    answer = {path: facts(path, trees) for path in trees}
    json.dump({"stdlib": sorted(getattr(sys, "stdlib_module_names", ())), "files": answer}, sys.stdout)
