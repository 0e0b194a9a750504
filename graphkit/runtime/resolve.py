"""From names to objects: the user's namespace first, then the step library, then importable dotted paths."""

from __future__ import annotations

import ast
import builtins
import importlib
import types
from collections.abc import Iterable, Mapping
from typing import Any

from graphkit.core.errors import GraphError, choices, nearest
from graphkit.core.held import PLACEHOLDER
from graphkit.steps.catalog import CATALOG, PREFIXES

#: Built-ins that make sense as a step of their own; anything else must be imported by its path.
BUILTINS = frozenset(
    "abs all any bool bytes dict enumerate float int len list max min reversed round set sorted str sum "  # noqa: SIM905
    "tuple".split()
)


class Unresolved(LookupError):
    """A name means nothing; the text says where it was looked up and what comes close."""


def as_namespace(namespace: Any) -> Mapping[str, Any]:
    """Return a namespace as one mapping: a dict as it is, a module's globals, or several of them in turn."""
    if namespace is None:
        return {}
    if isinstance(namespace, Mapping):
        return namespace
    if isinstance(namespace, types.ModuleType):
        return vars(namespace)
    if isinstance(namespace, Iterable) and not isinstance(namespace, str):
        from collections import ChainMap

        return ChainMap(*(dict_like for dict_like in map(as_namespace, namespace)))  # type: ignore[arg-type]
    raise GraphError(f"a namespace is a dict, a module or a list of them, found {type(namespace).__name__}")


def resolve(name: str, namespace: Mapping[str, Any]) -> Any:
    """Return what a name or dotted path means.

    Raises
    ------
    Unresolved
        If it means nothing.
    """
    if name.startswith(PLACEHOLDER):
        raise Unresolved(
            f"{name.removeprefix(PLACEHOLDER)!r} was an object that a saved spec cannot hold; give it to the step again"
        )
    if not all(part.isidentifier() for part in name.lstrip("$").split(".")) and _is_code(name):
        raise Unresolved(f'{name!r} is no name; an expression stands in round brackets: "({name})"')
    first, _, rest = name.partition(".")
    if first in namespace:
        value = namespace[first]
        if rest and getattr(value, "__name__", "") == "graphkit" and (found := library(name)) is not None:
            return found  # "mlrun.serving.X" after "import graphkit as mlrun"
        return _attributes(value, rest, name) if rest else value
    found = library(name)
    if found is not None:
        return found
    if rest:
        return _imported(name)
    if name in BUILTINS:
        return getattr(builtins, name)
    known = [*(key for key in namespace if isinstance(key, str) and not key.startswith("_")), *CATALOG]
    raise Unresolved(f"{name!r} is not defined: neither in your namespace nor in graphkit{nearest(name, known)}")


def _is_code(text: str) -> bool:
    try:
        compile(text, "<name>", "eval", ast.PyCF_ONLY_AST)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def library(name: str) -> Any:
    """Return what a name means in the step library, else ``None``."""
    for prefix in ("", *PREFIXES):
        if name.startswith(prefix) and (target := CATALOG.get(name[len(prefix) :])):
            module, _, attribute = target.partition(":")
            return getattr(importlib.import_module(module), attribute)
    return None


def is_builtin_step(name: str) -> bool:
    """Return whether a name is that of a built-in that makes sense as a step.

    >>> is_builtin_step("len"), is_builtin_step("open")
    (True, False)
    """
    return name in BUILTINS


def _imported(path: str) -> Any:
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:cut])
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as exc:
            if exc.name is not None and module_name.startswith(exc.name):
                continue
            raise Unresolved(f"{path!r} cannot be imported: {exc}") from exc
        except Exception as exc:
            raise Unresolved(f"{path!r} cannot be imported: {type(exc).__name__}: {exc}") from exc
        return _attributes(module, ".".join(parts[cut:]), path)
    raise Unresolved(f"{path!r} cannot be imported: there is no module {parts[0]!r}")


def _attributes(value: Any, rest: str, name: str) -> Any:
    for part in rest.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            owner = getattr(value, "__name__", type(value).__name__)
            near = nearest(part, [key for key in dir(value) if not key.startswith("_")])
            raise Unresolved(f"{name!r} is not defined: {owner!r} has no {part!r}{near}") from None
    return value


def methods_of(cls: type) -> str:
    """Return the public methods of a class as a list for a message."""
    return choices([key for key in dir(cls) if not key.startswith("_") and callable(getattr(cls, key, None))])
