"""The background loop: shared by threads, closed only when nobody waits for it, started again when needed."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from graphkit import Event, GraphServer, new_flow
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


def test_a_job_goes_on_after_it_has_closed_its_own_loop() -> None:
    loop = LoopThread()
    threads: list[threading.Thread] = []

    async def close(how: Callable[[], Any]) -> str:
        threads.append(threading.current_thread())
        waiting = how()
        await asyncio.sleep(0.01)
        if waiting is not None:
            await waiting
        return "closed"

    assert loop.wait(close(loop.close)) == "closed"
    assert loop.wait(close(lambda: asyncio.to_thread(loop.close))) == "closed"
    assert loop.wait(close(lambda: by_join(loop.close))) == "closed"
    loop.close()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_others_end_as_well_after_a_job_has_closed_the_loop() -> None:
    loop = LoopThread()
    begun, closed = threading.Event(), threading.Event()

    async def other() -> str:
        begun.set()
        while not closed.is_set():
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        return "ended"

    async def close() -> None:
        loop.close()
        closed.set()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(loop.wait, other())
        assert begun.wait(60)
        loop.wait(close())
        assert waiting.result(60) == "ended"


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


# ---- a thread that the loop waits for ------------------------------------------------------------------------------


def by_join(call: Callable[[], Any]) -> Any:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    thread.join()
    return answers[0]


def by_pool(call: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def by_context(call: Callable[[], Any]) -> Any:
    return contextvars.Context().run(call)


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at once what keeps the loop."""
    monkeypatch.setattr("graphkit.runtime.loop.GRACE_S", 0.01)


@pytest.mark.parametrize("in_thread", [by_join, by_pool, by_context])
@pytest.mark.usefixtures("no_grace")
def test_a_thread_that_the_loop_waits_for_gets_its_answer(in_thread: Any) -> None:
    loop = LoopThread()

    async def outer(depth: int) -> int:
        await asyncio.sleep(0)
        return in_thread(lambda: loop.wait(outer(depth - 1))) + 1 if depth else 0

    assert loop.wait(outer(2)) == 2
    loop.close()


@pytest.mark.usefixtures("no_grace")
def test_a_loop_that_is_busy_by_itself_does_its_jobs_in_turn() -> None:
    loop = LoopThread()
    begun, done = threading.Event(), [False]

    async def busy() -> None:
        begun.set()
        while not done[0]:
            pass

    async def own_loop() -> Any:
        return asyncio.get_running_loop()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(loop.wait, busy())
        assert begun.wait(60)
        second = pool.submit(loop.wait, own_loop())
        early = futures.wait([second], 0.2).done
        done[0] = True
        assert not early
        assert second.result(60) is loop._loop
        first.result(60)
    loop.close()


@pytest.mark.parametrize("in_thread", [by_join, by_pool, by_context])
@pytest.mark.parametrize("call", ["run", "test"])
@pytest.mark.usefixtures("no_grace")
def test_a_step_may_ask_its_own_server_from_a_thread(in_thread: Any, call: str) -> None:
    servers: list[GraphServer] = []

    def ask_again(body: int) -> Any:
        if body == 0:
            return "the end"
        server = servers[0]
        ask = {"run": lambda: server.run(Event(body - 1), get_body=True), "test": lambda: server.test(body=body - 1)}
        return [body, in_thread(ask[call])]

    async def later(body: Any) -> Any:
        await asyncio.sleep(0)
        return body

    graph = new_flow()
    graph.to(later).to(ask_again, "again")
    servers.append(graph.to_mock_server())
    assert servers[0].test(body=2) == [2, [1, "the end"]]
    assert servers[0].run(Event(1), get_body=True) == [1, "the end"]
    servers[0].wait_for_completion()
