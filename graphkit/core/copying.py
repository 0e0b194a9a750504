"""Copies of bodies for the branches of a fan-out: no branch sees what another does to the body.

Immutable scalars, arrays and DataFrames are shared; they are read-only by convention.
"""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import fractions
import uuid
from typing import Any

from msgspec import to_builtins

#: Types whose values are never copied.
SHARED_TYPES: frozenset[type] = frozenset(
    {
        type(None),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        type(...),
        range,
        dt.date,
        dt.datetime,
        dt.time,
        dt.timedelta,
        dt.timezone,
        decimal.Decimal,
        fractions.Fraction,
        uuid.UUID,
        type,
        type(len),
        type(lambda: None),
    }
)
#: Packages whose objects are large, and shared rather than copied.
_SHARED_PACKAGES = frozenset({"numpy", "pandas", "polars", "pyarrow", "scipy", "torch", "jax", "jaxlib", "tensorflow"})


_TOO_DEEP = "the body cannot be copied for a branch: it is nested too deeply"
_SCALARS: frozenset[type] = frozenset({type(None), bool, int, float, str})
_CONTAINERS: frozenset[type] = frozenset({dict, list, tuple, set})
_TEXT: frozenset[type] = frozenset({str})


def branch_copy(body: Any) -> Any:
    """Return a body for another branch.

    Raises
    ------
    TypeError
        If something in the body cannot be copied.
    """
    kind = type(body)
    if kind in SHARED_TYPES:
        return body
    try:
        return _copy(body, {})
    except RecursionError:
        raise TypeError(_TOO_DEEP) from None


def plain_copy(body: Any) -> Any:
    """Return a body with its lists, dicts, tuples and sets copied, as decoding it would make them; objects are shared.

    Examples
    --------
    >>> body = {"rows": [1]}
    >>> plain_copy(body) == body, plain_copy(body)["rows"] is body["rows"]
    (True, False)
    """
    if type(body) not in _CONTAINERS:
        return body
    try:
        return to_builtins(body) if _is_json(body) else _plain_copy(body, {})
    except RecursionError:
        return body  # whatever nests so deeply, no decoder made it


def branch_copies(body: Any, count: int) -> list[Any]:
    """Return a body for each of several branches: the first gets the body itself, the others copies."""
    return [body, *copies(body, count - 1)]


def copies(body: Any, count: int) -> list[Any]:
    """Return several copies of a body.

    Raises
    ------
    TypeError
        If something in the body cannot be copied.

    Examples
    --------
    >>> first, second = copies({"rows": [[1, 2]]}, 2)
    >>> first == second, first["rows"] is second["rows"]
    (True, False)
    """
    if type(body) in SHARED_TYPES:
        return [body] * count
    if count > 1 and _is_json(body):
        # msgspec copies plain containers many times faster than any code in Python could
        try:
            return [to_builtins(body) for _ in range(count)]
        except RecursionError:
            raise TypeError(_TOO_DEEP) from None
    return [branch_copy(body) for _ in range(count)]


def _plain_copy(value: Any, memo: dict[int, Any]) -> Any:
    kind = type(value)
    if kind not in _CONTAINERS:
        return value
    if id(value) in memo:
        return memo[id(value)]
    new: Any = value
    if kind is dict:
        new = memo[id(value)] = {}
        new.update((key, _plain_copy(item, memo)) for key, item in value.items())
    elif kind is list:
        new = memo[id(value)] = []
        new.extend(_plain_copy(item, memo) for item in value)
    elif kind is set:
        new = set(value)
    else:
        items = [_plain_copy(item, memo) for item in value]
        if any(mine is not its for mine, its in zip(items, value, strict=True)):
            new = tuple(items)
        memo[id(value)] = new
    return new


def _is_json(body: Any) -> bool:
    """Return whether a body is nothing but dicts with text keys, lists and scalars, each standing in one place."""
    seen: set[int] = set()
    todo = [body]
    while todo:
        value = todo.pop()
        kind = type(value)
        if kind is list:
            items = value
        elif kind is dict:
            if not _TEXT.issuperset(map(type, value)):
                return False
            items = value.values()
        else:
            return False
        if id(value) in seen:
            return False
        seen.add(id(value))
        if not _SCALARS.issuperset(map(type, items)):
            todo += [item for item in items if type(item) not in _SCALARS]
    return True


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    kind = type(value)
    if kind in SHARED_TYPES:
        return value
    known = memo.get(id(value))
    if known is not None:
        return known
    if kind is dict:
        new: Any = {}
        memo[id(value)] = new
        for key, item in value.items():
            new[key] = item if type(item) in SHARED_TYPES else _copy(item, memo)
        return new
    if kind is list:
        new = []
        memo[id(value)] = new
        new.extend([item if type(item) in SHARED_TYPES else _copy(item, memo) for item in value])
        return new
    if kind is tuple:
        return tuple(_copy(item, memo) for item in value)
    if kind is set:
        return {_copy(item, memo) for item in value}
    if kind.__module__.partition(".")[0] in _SHARED_PACKAGES:
        return value
    try:
        return copy.deepcopy(value, memo)
    except RecursionError:
        raise
    except Exception as exc:
        raise TypeError(
            f"the body holds a {kind.__qualname__}, which cannot be copied for a branch: {type(exc).__name__}: {exc}"
        ) from exc
