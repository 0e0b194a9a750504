"""Time limits for what the running task awaits: a timer that costs next to nothing while nobody is late."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any


class Late(Exception):  # no error of ours: whoever set the limit answers
    """The time is up."""


async def within(seconds: float, awaitable: Awaitable[Any]) -> Any:
    """Return what an awaitable gives, within a time limit.

    It is awaited in the running task itself, which ``asyncio.wait_for`` before Python 3.12 does not do: a task of its
    own would cost as much as a small model. Where nothing must be awaited in the end, there is not even a timer.

    Parameters
    ----------
    seconds
        The limit; 0 is none.
    awaitable
        What is awaited. It is cancelled when the time is up.

    Raises
    ------
    Late
        When the time is up.
    """
    if not seconds:
        return await awaitable
    if isinstance(awaitable, Coroutine):
        try:
            waits_for = awaitable.send(None)
        except StopIteration as done:
            return done.value  # nothing had to be awaited
        awaitable = _going_on(awaitable, waits_for)
    task = asyncio.current_task()
    assert task is not None
    timer = _Timer(task)
    handle = asyncio.get_running_loop().call_later(seconds, timer.expire)
    try:
        return await awaitable
    except asyncio.CancelledError:
        if not timer.expired:
            raise
        if hasattr(task, "uncancel"):  # since Python 3.11 a task counts who wants it cancelled
            task.uncancel()
        raise Late from None
    finally:
        handle.cancel()


@types.coroutine
def _going_on(job: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that has been begun and waits for something."""
    try:
        while True:
            try:
                sent = yield waits_for
            except GeneratorExit:
                job.close()
                raise
            except BaseException as exc:  # such as a cancellation: it is the coroutine's to take
                waits_for = job.throw(exc)
            else:
                waits_for = job.send(sent)
    except StopIteration as done:
        return done.value


class _Timer:
    __slots__ = ("_task", "expired")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self.expired = False

    def expire(self) -> None:
        self.expired = True
        self._task.cancel()
