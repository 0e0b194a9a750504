"""The background loop: shared by threads, closed only when nobody waits for it, started again when needed."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from graphkit.runtime.loop import LoopThread


async def give(value: int, delay_s: float = 0) -> int:
    await asyncio.sleep(delay_s)
    return value


class Promise:
    """Awaitable, but no coroutine."""

    def __await__(self):  # type: ignore[no-untyped-def]
        return give(5).__await__()


def test_it_waits_for_coroutines_and_other_awaitables() -> None:
    loop = LoopThread()
    assert loop.wait(give(3)) == 3
    assert loop.wait(Promise()) == 5
    loop.close()


def test_an_exception_reaches_who_waits() -> None:
    async def fail() -> None:
        raise ValueError("no")

    loop = LoopThread()
    with pytest.raises(ValueError, match="no"):
        loop.wait(fail())
    loop.close()


def test_jobs_of_several_threads_run_side_by_side() -> None:
    loop = LoopThread()
    arrived: list[int] = []

    async def meet(number: int) -> int:
        arrived.append(number)
        while len(arrived) < 4:
            await asyncio.sleep(0)
        return number

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda number: loop.wait(meet(number)), range(4))) == [0, 1, 2, 3]
    loop.close()


def test_a_job_may_wait_for_another_on_the_same_loop() -> None:
    loop = LoopThread()

    async def outer() -> int:
        return loop.wait(give(1)) + 1

    assert loop.wait(outer()) == 2
    loop.close()


def test_closing_lets_end_what_others_wait_for() -> None:
    loop = LoopThread()
    started = threading.Event()

    async def slow() -> str:
        started.set()
        await asyncio.sleep(0.05)
        return "done"

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(loop.wait, slow())
        started.wait()
        loop.close()
        assert waiting.result() == "done"


def test_closing_ends_tasks_that_nobody_waits_for() -> None:
    loop = LoopThread()
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("cancelled")

    tasks: list[asyncio.Task[None]] = []

    async def start() -> None:
        tasks.append(asyncio.get_running_loop().create_task(forever()))
        await asyncio.sleep(0)

    loop.wait(start())
    loop.close()
    assert ended == ["cancelled"]


def test_it_can_be_used_again_after_closing() -> None:
    loop = LoopThread()
    loop.wait(give(1))
    loop.close()
    loop.close()
    assert loop.wait(give(2)) == 2
    loop.close()


def test_a_job_may_close_its_own_loop() -> None:
    loop = LoopThread()

    async def close() -> str:
        loop.close()
        return "closed"

    assert loop.wait(close()) == "closed"
    assert loop.wait(give(2)) == 2
    loop.close()


async def own_thread() -> threading.Thread:
    return threading.current_thread()


def test_no_thread_is_left_after_closing() -> None:
    loop = LoopThread()
    thread = loop.wait(own_thread())
    assert thread.is_alive()
    loop.close()
    assert not thread.is_alive()


def test_no_thread_is_left_by_a_loop_that_nobody_holds() -> None:
    loop = LoopThread()
    thread = loop.wait(own_thread())
    del loop
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
