"""Names within the bounds of an app: what may be named is decided before anything is imported."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Mapping
from typing import Any

from graphkit.core.trust import Trust
from graphkit.runtime.resolve import BUILTINS, Unresolved, resolve
from graphkit.steps.catalog import is_catalogued


def resolve_trusted(name: str, namespace: Mapping[str, Any], trust: Trust | None) -> Any:
    """Return what a name or dotted path means, if it may be named.

    Raises
    ------
    Unresolved
        If it means nothing, or may not be named; the text says how to allow it.
    """
    if trust is None:
        return resolve(name, namespace)
    path = _checked(name, namespace, trust)
    value = resolve(name, namespace)
    if path is not None and not trust.names_exactly(path):
        _check_way(path, name, namespace, trust)
        if not trust.is_own(path):
            _refuse(trust.reason_of_value(value), path, name, trust)
    return value


def check_expression(text: str, namespace: Mapping[str, Any], trust: Trust | None) -> str | None:
    """Return why an expression may not run, for a name in it; ``None`` if it may."""
    if trust is None:
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return None  # the expression's own parser says it better
    for part in ast.walk(tree):
        if isinstance(part, ast.Name) and part.id != "event" and part.id in namespace:
            try:
                resolve_trusted(part.id, namespace, trust)
            except Unresolved as exc:
                return str(exc.args[0])
    return None


def _checked(name: str, namespace: Mapping[str, Any], trust: Trust) -> str | None:
    """Return the whole path that a name stands for; ``None`` for what graphkit itself offers."""
    first, _, rest = name.partition(".")
    if first in namespace:
        module, value = namespace.get("__name__"), namespace[first]
        if isinstance(value, types.ModuleType) and trust.is_own(value.__name__):
            path = f"{value.__name__}.{rest}" if rest else value.__name__
        else:
            path = f"{module}.{name}" if isinstance(module, str) and module in trust.modules else name
    elif name.startswith("$") or is_catalogued(name) or name in BUILTINS or not rest:
        return None  # one that means nothing is told by the look-up
    else:
        path = name
    reason = trust.reason(path)
    if reason is not None:
        advice = "" if trust.is_private(path) else f"; {trust.advice(trust.followed(path))}"
        raise Unresolved(f"{name!r} may not be named by this app: {reason}{advice}")
    return trust.followed(path)


def _check_way(path: str, name: str, namespace: Mapping[str, Any], trust: Trust) -> None:
    """Refuse a path that goes through a module which is neither own nor allowed: ``package.os.system``."""
    first, *rest = name.split(".")
    found: Any = namespace[first] if first in namespace else sys.modules.get(first)
    way = [found] if trust.is_own(path) else []
    for part in rest[:-1]:
        found = getattr(found, part, None)
        way.append(found)
    for found in way:
        if isinstance(found, types.ModuleType):
            _refuse(trust.reason_of_value(found), path, name, trust)


def _refuse(reason: str | None, path: str, name: str, trust: Trust) -> None:
    if reason is not None:
        raise Unresolved(f"{name!r} may not be named by this app: {reason}; {trust.advice(path)}")
