"""What functions yield: told from other values, gathered into a list, or changed on its way, chunk by chunk."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from graphkit.core.awaiting import is_awaitable

#: Types of generators, plain and async.
STREAMS: frozenset[type] = frozenset({GeneratorType, AsyncGeneratorType})


def is_stream(value: Any) -> bool:
    """Return whether a value is a generator, plain or async.

    >>> is_stream(x for x in "ab"), is_stream(["a"])
    (True, False)
    """
    # a generator may also be a coroutine of the old kind
    return type(value) in STREAMS and not inspect.isawaitable(value)


def collected(stream: Any) -> Any:
    """Return what a generator yields as a list, or an awaitable of that where the generator is async.

    >>> collected(x for x in "ab")
    ['a', 'b']
    """
    return list(stream) if type(stream) is GeneratorType else _collected_later(stream)


async def gathered(value: Any) -> Any:
    """Return what a value comes to: awaited where it must be, and all that is yielded as a list."""
    while True:
        if is_awaitable(value):
            value = await value
        elif is_stream(value):
            value = collected(value)
        else:
            return value


async def _collected_later(stream: Any) -> list[Any]:
    try:
        return [chunk async for chunk in stream]
    finally:
        await stream.aclose()


def mapped(
    stream: Any,
    change: Callable[[Any], Any],
    failed: Callable[[Exception], BaseException] | None = None,
    ended: Callable[[BaseException | None], None] | None = None,
) -> Any:
    """Return a generator of the same kind, which yields ``change(chunk)`` for each chunk.

    It closes the one below it when it is closed itself, or fails.

    Parameters
    ----------
    stream
        The generator.
    change
        What is made of a chunk; of an async generator it may be awaitable.
    failed
        Returns what is raised instead of an exception.
    ended
        Is told of the end: ``None``, the exception, or the ``GeneratorExit`` of a caller that has enough.

    Examples
    --------
    >>> list(mapped((x for x in "ab"), str.upper))
    ['A', 'B']
    """
    return (_mapped if type(stream) is GeneratorType else _mapped_later)(stream, change, failed, ended)


def _mapped(stream: Any, change: Any, failed: Any, ended: Any) -> Iterator[Any]:
    why: BaseException | None = None
    try:
        for chunk in stream:
            yield change(chunk)
    except BaseException as exc:
        why = exc
        told = failed(exc) if failed is not None and isinstance(exc, Exception) else exc
        if told is exc:
            raise
        raise told from exc
    finally:
        stream.close()
        if ended is not None:
            ended(why)


async def _mapped_later(stream: Any, change: Any, failed: Any, ended: Any) -> AsyncIterator[Any]:
    why: BaseException | None = None
    try:
        async for chunk in stream:
            result = change(chunk)
            yield await result if is_awaitable(result) else result
    except BaseException as exc:
        why = exc
        told = failed(exc) if failed is not None and isinstance(exc, Exception) else exc
        if told is exc:
            raise
        raise told from exc
    finally:
        await stream.aclose()
        if ended is not None:
            ended(why)
