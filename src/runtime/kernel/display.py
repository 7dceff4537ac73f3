"""What is displayed: values as bundles of MIME types, by what they say of themselves, and figures of matplotlib.

A value is asked for `_repr_mimebundle_`, then for `_repr_html_` and its kind; whatever it answers, or raises, is its own
affair: what can not be made is left out. Data that are no text are base64.
"""
import base64
import builtins
import importlib.util
import io
import json
import sys
from typing import Iterator

from . import errors, packets
from .console import Caps

_METHODS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_latex_": "text/latex",
    "_repr_json_": "application/json",
    "_repr_javascript_": "application/javascript",
}
_PYPLOT = "matplotlib.pyplot"
_FIGURE_FORMATS = {"png": "image/png", "svg": "image/svg+xml", "jpg": "image/jpeg", "jpeg": "image/jpeg", "pdf": "application/pdf"}
_PLAIN_CHARACTERS_MAX = 1 << 20


class Displays:
    def __init__(self, link, caps: Caps, names: dict) -> None:
        """`names`: the namespace of the cells."""
        self._link = link
        self._bytes_max = caps.display_bytes
        self._names = names
        if _PYPLOT in sys.modules:
            self._adopt_pyplot(sys.modules[_PYPLOT])
        else:
            sys.meta_path.insert(0, _PyplotFinder(self._adopt_pyplot))

    def display(self, *values: object, **_options: object) -> None:
        """display(value, ...): each as well as it can be."""
        for value in values:
            self._show(value, execution=False)

    def show_value(self, value: object) -> None:
        """sys.displayhook: the value of a cell."""
        if value is None:
            return
        builtins._ = None
        self._show(value, execution=True)
        builtins._ = value

    def show_figures(self) -> None:
        """All figures that there are, which then are no more: at the end of a cell, and as pyplot.show()."""
        pyplot = sys.modules.get(_PYPLOT)
        if pyplot is None or not hasattr(pyplot, "get_fignums"):  # it is still being imported
            return
        numbers = pyplot.get_fignums()
        try:
            for number in numbers:
                self._send(dict(_figure_bundle(pyplot.figure(number))), execution=False)
        finally:
            if numbers:
                pyplot.close("all")

    def _show(self, value: object, execution: bool) -> None:
        self._send(bundle_of(value), execution)

    def _send(self, bundle: "dict[str, str]", execution: bool) -> None:
        if not bundle:
            return
        # Else the plain text would be lost with what is too large.
        for mime in [mime for mime, data in bundle.items() if len(data) > self._bytes_max]:
            size = len(bundle.pop(mime))
            bundle.setdefault("text/plain", f"[{mime} of {size} bytes, more than the limit of {self._bytes_max}]")
        self._link.tell(packets.DISPLAY, {"bundle": bundle, "execution": execution})

    def _adopt_pyplot(self, pyplot) -> None:
        # A function, not a method: pyplot writes its backend's signature to it.
        def show(*_arguments: object, **_options: object) -> None:
            self.show_figures()

        pyplot.show = show


class _PyplotFinder:
    """Tells when pyplot has been imported; it finds nothing else, and itself no more than once."""

    def __init__(self, on_imported) -> None:
        self._on_imported = on_imported

    def find_spec(self, name: str, path: object = None, target: object = None):
        if name != _PYPLOT:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module) -> None:
                execute(module)
                self._on_imported(module)

            spec.loader.exec_module = exec_module
        return spec


def bundle_of(value: object) -> "dict[str, str]":
    """Never fails: what a value does when it is asked is shown in place of it."""
    bundle: "dict[str, str]" = {}
    kind = type(value)
    if not isinstance(value, type):
        for mime, data in _said(value, kind):
            text = _text_of(mime, data)
            if text is not None:
                bundle[mime] = text
    if "text/plain" not in bundle:
        bundle["text/plain"] = _plain(value)
    return bundle


def _said(value: object, kind: type) -> "Iterator[tuple[str, object]]":
    if kind.__name__ == "Figure" and kind.__module__.startswith("matplotlib."):
        yield from _figure_bundle(value)
        _close(value)
        return
    bundled = _ask(value, "_repr_mimebundle_", include=None, exclude=None)
    if isinstance(bundled, tuple) and bundled:
        bundled = bundled[0]
    if isinstance(bundled, dict):
        yield from bundled.items()
        return
    for method, mime in _METHODS.items():
        data = _ask(value, method)
        if isinstance(data, tuple) and data:  # with metadata
            data = data[0]
        if data is not None:
            yield mime, data


def _ask(value: object, method: str, **options: object) -> object:
    # Of the class: a Mock, or a proxy, has every attribute.
    function = getattr(type(value), method, None)
    if not callable(function):
        return None
    try:
        return function(value, **options)
    except Exception as error:
        # It has this form, and can not make it: whoever looks at a DataFrame should know why there is no table.
        sys.stderr.write(f"[{type(value).__name__}.{method} failed: {type(error).__name__}: {error}]\n")
        return None


def _text_of(mime: object, data: object) -> "str | None":
    if not isinstance(mime, str) or data is None:
        return None
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data).decode("utf-8", "replace") if _is_text(mime) else base64.b64encode(data).decode()
    if isinstance(data, str):
        return data.encode("utf-8", "replace").decode()
    try:
        return json.dumps(data)
    except (TypeError, ValueError, RecursionError):
        return None


def _is_text(mime: str) -> bool:
    return mime.startswith("text/") or mime in ("image/svg+xml", "application/json", "application/javascript")


def _plain(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__}: its repr failed: {errors.describe(error)['message']}>"
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) > _PLAIN_CHARACTERS_MAX:
        text = f"{text[:_PLAIN_CHARACTERS_MAX]}… ({len(text)} characters)"
    return text


def _figure_bundle(figure) -> "Iterator[tuple[str, str]]":
    """As png, and in the format of rcParams["savefig.format"] if that is another."""
    wanted = str(sys.modules["matplotlib"].rcParams["savefig.format"])
    for name in dict.fromkeys(("png", wanted)):
        mime = _FIGURE_FORMATS.get(name)
        if mime is None:
            continue
        file = io.BytesIO()
        figure.savefig(file, format=name, bbox_inches="tight")
        yield mime, _text_of(mime, file.getvalue())
    yield "text/plain", repr(figure)


def _close(figure: object) -> None:
    """It has been shown, and is not to be once more at the end of the cell."""
    pyplot = sys.modules.get(_PYPLOT)
    if pyplot is not None:
        pyplot.close(figure)
