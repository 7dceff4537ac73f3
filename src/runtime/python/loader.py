"""Finds and loads a lambda's code: which file, which function, and with which arguments to call it."""
import os
import stat
import sys
import types
from typing import Any, Callable

from .failures import HandlerFailure, stack_of

CODE_DIR = "/handler"
# The first file that exists, with the functions that are looked for in it, of which the first counts.
_ANY = ("lambda_handler", "handler", "app", "application")
_ENTRIES = (("lambda_func", ("handler", "app")), ("f", ("f",)), ("lambda_function", _ANY), ("app", _ANY), ("main", _ANY))
_ASYNC_FUNCTION = 0x80

Handler = Callable[[Any, Any], Any]


def forget_listings(path: str) -> None:
    """Another directory is there now, which may have been made in the same instant as the one before."""
    for entry in list(sys.path_importer_cache):
        if entry == path or entry.startswith(f"{path}/"):
            del sys.path_importer_cache[entry]
    metadata = sys.modules.get("importlib.metadata")
    # Its own method for that can not be called in every version of Python, and there is nothing to forget in some.
    forget = getattr(getattr(getattr(metadata, "FastPath", None), "__new__", None), "cache_clear", None)
    if forget is not None:
        forget()


def load(code_dir: str, name: "str | None") -> Handler:
    """The lambda as one function of (event, context). `name` is `module.function` or `module:name`, if it has said so.
    Raises HandlerFailure with the name of what is wrong."""
    if name is not None:
        return _load_named(code_dir, name)
    for module_name, function_names in _ENTRIES:
        path = f"{code_dir}/{module_name}.py"
        source = _source_of(path)
        if source is not None:
            os.environ["_HANDLER"] = f"{module_name}.{function_names[0]}"
            module = _run_module(module_name, path, source)
            found = [name for name in function_names if callable(getattr(module, name, None))]
            function_name = found[0] if found else function_names[0]
            os.environ["_HANDLER"] = f"{module_name}.{function_name}"
            return _adapt(_function_of(module, module_name, function_name))
    wanted = " or ".join(f"{name}.py" for name, _functions in _ENTRIES)
    raise HandlerFailure("Runtime.ImportModuleError", f"Unable to find a handler: the lambda has no {wanted}")


def _load_named(code_dir: str, name: str) -> Handler:
    os.environ["_HANDLER"] = name
    module_path, separator, function_name = name.rpartition(":") if ":" in name else name.rpartition(".")
    module_name = module_path.replace("/", ".")
    if not separator or not module_name or not function_name:
        raise HandlerFailure("Runtime.MalformedHandlerName", f"Bad handler '{name}': it is to be module.function")
    if module_name.partition(".")[0] in sys.builtin_module_names:
        message = f"Cannot use built-in module {module_name} as a handler module"
        raise HandlerFailure("Runtime.BuiltInModuleConflict", message)
    path = f"{code_dir}/{module_name}.py"
    source = None if "." in module_name else _source_of(path)
    module = _import_module(module_name) if source is None else _run_module(module_name, path, source)
    return _adapt(_function_of(module, module_name, function_name))


def _source_of(path: str) -> "bytes | None":
    """None if there is no such file. A third of the system calls of open and read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return None
        return os.read(fd, status.st_size)
    finally:
        os.close(fd)


def _run_module(name: str, path: str, source: bytes) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    _naming_failures(name, lambda: exec(compile(source, path, "exec", dont_inherit=True), module.__dict__))
    return module


def _import_module(name: str) -> types.ModuleType:
    """One in a package, or a package itself."""
    _naming_failures(name, lambda: __import__(name))
    return sys.modules[name]


def _naming_failures(name: str, load_it: Callable[[], Any]) -> None:
    """What is raised while the module runs gets the name that AWS has for it."""
    try:
        load_it()
    except SyntaxError as error:
        stack = [f'  File "{error.filename}" Line {error.lineno}\n    {(error.text or "").strip()}\n']
        message = f"Syntax error in module '{name}': {error}"
        raise HandlerFailure("Runtime.UserCodeSyntaxError", message, stack) from error
    except ImportError as error:
        message = f"Unable to import module '{name}': {error}"
        raise HandlerFailure("Runtime.ImportModuleError", message, stack_of(error)) from error


def _function_of(module: types.ModuleType, module_name: str, function_name: str) -> Callable[..., Any]:
    function = getattr(module, function_name, None)
    if callable(function):
        return function
    raise HandlerFailure("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")


def _adapt(function: Callable[..., Any]) -> Handler:
    names, has_rest = _positional_names(function)
    if (len(names) == 3 or names[:3] == ["scope", "receive", "send"]) and _is_async(function):
        from . import asgi

        return asgi.serve(function)
    if len(names) == 2 and names[1] == "start_response":
        from . import wsgi

        return wsgi.serve(function)
    run = _awaiting(function) if _is_async(function) else function
    if len(names) >= 2 and names[0] == "conn":
        # OpenLambda's first handlers took a database connection, which has always been None without one.
        return lambda event, _context: run(None, event)
    if len(names) >= 2 or has_rest:
        return run
    return lambda event, _context: run(event)


def _positional_names(function: Callable[..., Any]) -> "tuple[list[str], bool]":
    if isinstance(function, types.FunctionType) and not hasattr(function, "__wrapped__"):
        code = function.__code__
        return list(code.co_varnames[: code.co_argcount]), bool(code.co_flags & 0x04)
    import inspect  # costs milliseconds, and plain functions do without it

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ["event"], False  # a builtin that does not tell: one argument is the common case
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return positional, any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _is_async(function: Callable[..., Any]) -> bool:
    code = getattr(function, "__code__", None) or getattr(getattr(function, "__call__", None), "__code__", None)
    return bool(code is not None and code.co_flags & _ASYNC_FUNCTION)


def _awaiting(function: Callable[..., Any]) -> Callable[..., Any]:
    import asyncio  # 80 ms that only asynchronous handlers pay

    return lambda *arguments: asyncio.run(function(*arguments))
