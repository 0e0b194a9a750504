"""Bound steps whose plain calls run elsewhere, in threads, so that the event loop stays free for those that await."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from typing import Any

from graphkit.core.awaiting import PLAIN_TYPES, is_awaitable
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.flush import holds_back

#: Runs the call of a step with what it is given; an awaitable of the result.
Offload = Callable[[BoundStep, Callable[[Any], Any], Any], Awaitable[Any]]


def offloaded(steps: Mapping[str, BoundStep], offload: Offload) -> dict[str, BoundStep]:
    """Return the steps of a graph for a program on an event loop that must not be kept busy."""
    return {path: _elsewhere(step, offload) if _may_keep_busy(step) else step for path, step in steps.items()}


async def in_threads(step: BoundStep, call: Callable[[Any], Any], given: Any) -> Any:
    """Run a plain call in one of the running loop's threads."""
    import asyncio

    return await asyncio.to_thread(call, given)


def _may_keep_busy(step: BoundStep) -> bool:
    # joins and batches only keep what comes
    return not step.is_async and step.kind not in ("flow", "queue") and not holds_back(step.object)


def _elsewhere(step: BoundStep, offload: Offload) -> BoundStep:
    call = step.call

    async def run(given: Any) -> Any:
        result = await offload(step, call, given)
        if type(result) not in PLAIN_TYPES and is_awaitable(result):
            return await result  # such as of a router, one of whose models is async
        return result

    other = copy(step)
    other.call = run
    other.is_async = other.may_await = True
    other.shortcut = None
    return other
