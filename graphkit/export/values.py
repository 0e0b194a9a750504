"""Live values as Python expressions: plain data, small arrays, and objects that have a name somewhere."""

from __future__ import annotations

import ast
import datetime as dt
import functools
import math
import sys
import types
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import msgspec

#: Larger data belongs in a file.
MOST_ITEMS = 1_000
_WIDTH = 110
_SCALARS = (type(None), bool, int, float, complex, str, bytes)


class Inexpressible(ValueError):
    """A value cannot be written as code; the text says why."""


class Expression(msgspec.Struct, frozen=True):
    """A value as code.

    Attributes
    ----------
    text
        The code.
    names
        Names of the user's namespace that it reads.
    modules
        Modules that it reads, which must be imported by their whole names.
    """

    text: str
    names: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()


def is_plain(value: Any, depth: int = 0) -> bool:
    """Return whether a value is plain data that can be written down: numbers, texts, small containers of them.

    >>> is_plain({"a": [1, 2.5]}), is_plain([object()])
    (True, False)
    """
    if isinstance(value, _SCALARS) or _is_numpy_scalar(value):
        return True
    if depth > 20 or not _is_container(value) or len(value) > MOST_ITEMS:
        return False
    if isinstance(value, dict):
        return all(is_plain(key, depth + 1) and is_plain(item, depth + 1) for key, item in value.items())
    return all(is_plain(item, depth + 1) for item in value)


def is_large(value: Any, depth: int = 0) -> bool:
    """Return whether a value is a table or a large array, or a collection that has one.

    >>> is_large(1), is_large({"a": [1, 2]})
    (False, False)
    """
    if isinstance(value, (dict, list, tuple)):
        items = list(value.values()) if isinstance(value, dict) else list(value)
        return len(items) > MOST_ITEMS or (depth < 3 and any(is_large(item, depth + 1) for item in items))
    shape = getattr(value, "shape", None)
    if hasattr(value, "columns"):
        return True
    return isinstance(shape, tuple) and all(isinstance(size, int) for size in shape) and math.prod(shape) > MOST_ITEMS


def expression_of(value: Any, home: Mapping[str, Any]) -> Expression:
    """Return a value as code that a module with the definitions of ``home`` can run.

    Raises
    ------
    Inexpressible
        If it can only be stored, such as a trained model.

    Examples
    --------
    >>> expression_of({"rate": 0.5, "labels": ("a", "b")}, {}).text
    "{'rate': 0.5, 'labels': ('a', 'b')}"
    >>> expression_of(functools.partial(round, ndigits=2), {}).text
    'functools.partial(round, ndigits=2)'
    """
    return _Writer(home).write(value, 0)


def assignment(name: str, value: Any, written: Expression, source: str = "") -> str:
    """Return a statement that gives a name its value, with the user's own statement as a comment.

    Examples
    --------
    >>> assignment("RATE", 0.5, Expression("0.5"), "RATE = rate_of(table)")
    'RATE = 0.5  # RATE = rate_of(table)'
    """
    text = f"{name} = {written.text}"
    if len(text) > _WIDTH and _is_container(value) and value:
        text = f"{name} = {_over_lines(written.text)}"
    if not source or "\n" in source:
        return text
    short = "\n" not in text and len(text) + len(source) < _WIDTH
    return f"{text}  # {source}" if short else f"# {source}\n{text}"


def _over_lines(text: str) -> str:
    """Return a container with a line for each of its items."""
    node = ast.parse(text, mode="eval").body
    if isinstance(node, ast.Dict):
        items = [
            f"{ast.get_source_segment(text, key)}: {ast.get_source_segment(text, item)}"
            for key, item in zip(node.keys, node.values, strict=True)
            if key is not None
        ]
    elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        items = [ast.get_source_segment(text, item) or "" for item in node.elts]
    else:
        return text
    return "\n".join([text[0], *(f"    {item}," for item in items), text[-1]])


class _Writer:
    def __init__(self, home: Mapping[str, Any]) -> None:
        self._home = home

    def write(self, value: Any, depth: int) -> Expression:
        if depth > 20:
            raise Inexpressible("it is nested too deeply")
        if value is None or value is ... or isinstance(value, _SCALARS) or _is_numpy_scalar(value):
            return _scalar(value)
        if _is_container(value):
            return self._container(value, depth)
        if isinstance(value, functools.partial):
            keywords = {key: self.write(item, depth + 1) for key, item in value.keywords.items()}
            parts = [self.write(item, depth + 1) for item in (value.func, *value.args)]
            texts = [part.text for part in parts] + [f"{key}={part.text}" for key, part in keywords.items()]
            return _all(f"functools.partial({', '.join(texts)})", [*parts, *keywords.values()], "functools")
        if isinstance(value, types.MethodType):
            owner = self.write(value.__self__, depth + 1)
            return _all(f"{owner.text}.{value.__func__.__name__}", [owner])
        if isinstance(value, (dt.datetime, dt.date, dt.time, dt.timedelta)) and getattr(value, "tzinfo", None) is None:
            return Expression(repr(value), modules=frozenset({"datetime"}))
        if isinstance(value, PurePath):
            return Expression(f"pathlib.{type(value).__name__}({str(value)!r})", modules=frozenset({"pathlib"}))
        if type(value).__module__ == "numpy" and hasattr(value, "tolist") and hasattr(value, "dtype"):
            return _array(value)
        if type(value).__name__ == "Series" and type(value).__module__.partition(".")[0] == "pandas":
            return _series(value)
        return self._named(value, depth)

    def _container(self, value: Any, depth: int) -> Expression:
        if len(value) > MOST_ITEMS:
            raise Inexpressible(f"it has {len(value)} items, more than {MOST_ITEMS}; keep it in a file")
        if isinstance(value, dict):
            pairs = [(self.write(key, depth + 1), self.write(item, depth + 1)) for key, item in value.items()]
            text = "{" + ", ".join(f"{key.text}: {item.text}" for key, item in pairs) + "}"
            return _all(text, [part for pair in pairs for part in pair])
        if isinstance(value, (set, frozenset)):
            value_in_order = sorted(value, key=repr)  # the order of a set differs from run to run
        else:
            value_in_order = list(value)
        parts = [self.write(item, depth + 1) for item in value_in_order]
        inner = ", ".join(part.text for part in parts)
        if isinstance(value, tuple):
            text = f"({inner},)" if len(parts) == 1 else f"({inner})"
        elif isinstance(value, list):
            text = f"[{inner}]"
        elif isinstance(value, frozenset):
            text = f"frozenset({{{inner}}})" if parts else "frozenset()"
        else:
            text = f"{{{inner}}}" if parts else "set()"
        return _all(text, parts)

    def _named(self, value: Any, depth: int) -> Expression:
        """Return the name that a value has in the user's namespace, or in a module that can be imported."""
        name = getattr(value, "__name__", None)
        if isinstance(name, str) and self._home.get(name) is value:
            return Expression(name, frozenset({name}))
        if isinstance(value, types.ModuleType):
            return Expression(value.__name__, modules=frozenset({value.__name__}))
        for key, other in self._home.items():
            if other is value and not key.startswith("_"):
                return Expression(key, frozenset({key}))
        found = imported_from(value)
        if found is not None:
            module, attribute = found
            if module == "builtins":
                return Expression(attribute)
            return Expression(f"{module}.{attribute}", modules=frozenset({module}))
        # of a method of C, what it is bound to ("a".upper) or else its class (str.upper)
        owner = getattr(value, "__self__", getattr(value, "__objclass__", None))
        if owner is not None and isinstance(name, str) and not isinstance(value, type):
            written = self.write(owner, depth + 1)
            return _all(f"{written.text}.{name}", [written])
        raise Inexpressible(f"a value of type {type(value).__name__} has no name and no form as code")


def imported_from(value: Any) -> tuple[str, str] | None:
    """Return the module and the name by which a function or class can be imported, if there is one."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__" or "<" in name:
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return (module, name) if found is value else None


def _is_container(value: Any) -> bool:
    """Return whether a value is a plain container, or the list of lines that a notebook's ``!command`` gives."""
    if type(value).__name__ == "SList" and type(value).__module__.startswith("IPython."):
        return True
    return type(value) in (list, tuple, set, frozenset, dict)


def _is_numpy_scalar(value: Any) -> bool:
    return (
        type(value).__module__ == "numpy"
        and getattr(value, "ndim", None) == 0
        and hasattr(value, "item")
        and (getattr(getattr(value, "dtype", None), "kind", "O") in "biufcSU" and type(value).__name__ != "ndarray")
    )


def _scalar(value: Any) -> Expression:
    if _is_numpy_scalar(value):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return Expression(f"float({str(value)!r})")
    if isinstance(value, bool) or value is None or value is ...:
        return Expression(repr(value) if value is not ... else "...")
    for base in (int, float, complex, str, bytes):
        if isinstance(value, base):
            if type(value) is not base and type(value).__module__ != "numpy":
                break  # an enum, say, which is more than its value
            return Expression(base.__repr__(value))
    found = imported_from(type(value))
    raise Inexpressible(f"a value of type {found[1] if found else type(value).__name__} has no form as code")


def _array(value: Any) -> Expression:
    if value.size > MOST_ITEMS:
        raise Inexpressible(f"an array of {value.size} numbers is too large for code; keep it in a file")
    if value.dtype.kind not in "biufcSU":
        raise Inexpressible(f"an array of dtype {value.dtype} has no form as code")
    if value.dtype.kind in "fc" and not all(map(_is_finite, value.ravel().tolist())):
        raise Inexpressible("an array with NaN or infinity has no form as code")
    rows = value.tolist()
    text = f"numpy.array({rows!r}, dtype={value.dtype.str!r})"
    if 0 in value.shape:
        text += f".reshape({tuple(map(int, value.shape))!r})"
    return Expression(text, modules=frozenset({"numpy"}))


def _series(value: Any) -> Expression:
    index = value.index.tolist()
    if len(index) > MOST_ITEMS or value.index.nlevels > 1:
        raise Inexpressible(f"a series of {len(index)} values is too large for code; keep it in a file")
    if getattr(value.dtype, "kind", "O") not in "biuf" or not is_plain(index) or not is_plain(value.name):
        raise Inexpressible(f"a series of dtype {value.dtype} has no form as code")
    numbers = value.tolist()
    if not all(map(_is_finite, numbers)):
        raise Inexpressible("a series with NaN or infinity has no form as code")
    name = "" if value.name is None else f", name={value.name!r}"
    text = f"pandas.Series({numbers!r}, index={index!r}{name}, dtype={str(value.dtype)!r})"
    return Expression(text, modules=frozenset({"pandas"}))


def is_small_data(value: Any) -> bool:
    """Return whether a value is plain data, or an array or series that is small enough to be written down.

    >>> is_small_data([1, 2]), is_small_data(object())
    (True, False)
    """
    if is_plain(value):
        return True
    if type(value).__module__.partition(".")[0] not in ("numpy", "pandas") or isinstance(value, type):
        return False
    try:
        expression_of(value, {})
    except Inexpressible:
        return False
    return True


def _is_finite(number: complex) -> bool:
    return math.isfinite(number.real) and math.isfinite(number.imag)


def _all(text: str, parts: list[Expression], module: str | None = None) -> Expression:
    names = frozenset().union(*(part.names for part in parts)) if parts else frozenset()
    modules = frozenset().union(*(part.modules for part in parts)) if parts else frozenset()
    return Expression(text, names, modules | ({module} if module else set()))
