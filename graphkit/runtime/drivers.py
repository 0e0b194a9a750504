"""The two ways to drive the machine: without any event loop, or on one."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any


def drive(coro: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never suspends to its end, and return its result.

    Nothing in it touches an event loop, so that it runs anywhere, also inside a loop that is running.
    """
    try:
        coro.send(None)
    except StopIteration as done:
        return done.value
    coro.close()
    raise RuntimeError("a program that should not await anything has suspended")


async def gather(coros: list[Any]) -> list[Any]:
    """Run coroutines side by side on the running loop; exceptions are returned, not raised.

    All of them have ended when this returns, so that no branch outlives its request.
    """
    import asyncio

    return await asyncio.gather(*coros, return_exceptions=True)
