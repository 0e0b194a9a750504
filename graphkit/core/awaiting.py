"""Values that may have to be awaited: one test for it, and one way to go on afterwards."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

#: Types of everyday bodies. None of them is awaitable, so one set look-up settles most values.
PLAIN_TYPES: frozenset[type] = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset}
)


def is_awaitable(value: Any) -> bool:
    """Return whether ``value`` must be awaited to get a result."""
    return type(value) not in PLAIN_TYPES and inspect.isawaitable(value)


def then(value: Any, go_on: Callable[[Any], T]) -> T | Awaitable[T]:
    """Return ``go_on(value)``, or an awaitable of it when ``value`` must be awaited first.

    So code that calls user functions is written once, for plain and for async ones.

    >>> then(2, lambda x: x + 1)
    3
    """
    if type(value) not in PLAIN_TYPES and inspect.isawaitable(value):
        return _then(value, go_on)
    return go_on(value)


async def _then(value: Awaitable[Any], go_on: Callable[[Any], Any]) -> Any:
    result = go_on(await value)
    # go_on may itself have called an async function
    return await result if is_awaitable(result) else result
