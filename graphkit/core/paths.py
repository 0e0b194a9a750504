"""Paths into bodies, such as ``"a.b"`` or ``"rows.0.x"``, compiled once into plain functions.

A getter selects what a step receives; a setter says where its result goes. A setter copies the body only along
its own path: what the path does not touch is shared, and the caller's body is never mutated.

>>> body = {"a": {"b": 1}, "c": [1, 2]}
>>> getter("a.b")(body)
1
>>> new = setter("a.x")(body, 5)
>>> new
{'a': {'b': 1, 'x': 5}, 'c': [1, 2]}
>>> new["c"] is body["c"], body
(True, {'a': {'b': 1}, 'c': [1, 2]})
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from graphkit.core.errors import BadRequest, GraphError, choices, nearest

_INDEX = re.compile("-?[0-9]{1,18}")


def split(path: str) -> tuple[str, ...]:
    """Return the parts of a path.

    Raises
    ------
    GraphError
        If the path is not a text, or has an empty part.
    """
    if not isinstance(path, str) or not path or not all(parts := path.split(".")):
        raise GraphError(f"{path!r} is not a path: write names joined by dots, such as 'data.rows'")
    return tuple(parts)


def getter(path: str) -> Callable[[Any], Any]:
    """Return a function that selects ``path`` from a body.

    The function raises :class:`~graphkit.core.errors.BadRequest` when the body has no such place.
    """
    parts = split(path)
    if len(parts) == 1:
        (key,) = parts

        def get_one(body: Any) -> Any:
            if type(body) is dict and key in body:
                return body[key]
            return _get(body, parts, path)

        return get_one
    return lambda body: _get(body, parts, path)


def setter(path: str) -> Callable[[Any, Any], Any]:
    """Return a function ``(body, value) -> new body`` that puts ``value`` at ``path``.

    Missing levels are made; ``None`` counts as an empty body. The function raises
    :class:`~graphkit.core.errors.BadRequest` where something else than a mapping or list stands in the way.
    """
    parts = split(path)
    if len(parts) == 1:
        (key,) = parts

        def set_one(body: Any, value: Any) -> Any:
            if type(body) is dict:
                return {**body, key: value}
            return _set(body, parts, value, path)

        return set_one
    return lambda body, value: _set(body, parts, value, path)


def _get(body: Any, parts: tuple[str, ...], path: str) -> Any:
    for part in parts:
        if isinstance(body, Mapping):
            if part not in body:
                raise BadRequest(
                    f"the body has no {path!r}: {part!r} is missing, there is {choices(body)}{nearest(part, body)}"
                )
            body = body[part]
        elif isinstance(body, (list, tuple)):
            body = body[_index(body, part, path)]
        else:
            raise BadRequest(f"the body has no {path!r}: {part!r} is looked up in {_named(body)}, not in a dict")
    return body


def _set(body: Any, parts: tuple[str, ...], value: Any, path: str) -> Any:
    key, rest = parts[0], parts[1:]
    if body is None:
        body = {}
    if isinstance(body, list):
        index = _index(body, key, path)
        new_list = body.copy()
        new_list[index] = _set(body[index], rest, value, path) if rest else value
        return new_list
    if not isinstance(body, Mapping):
        raise BadRequest(f"a result cannot be put at {path!r}: {key!r} would stand in {_named(body)}, not in a dict")
    new: Any = copy.copy(body) if isinstance(body, MutableMapping) else dict(body)
    new[key] = _set(body.get(key), rest, value, path) if rest else value
    return new


def _index(items: Any, part: str, path: str) -> int:
    index = int(part) if _INDEX.fullmatch(part) else len(items)
    if not -len(items) <= index < len(items):
        raise BadRequest(f"the body has no {path!r}: {part!r} is no index of a list of {len(items)}")
    return index


def _named(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
