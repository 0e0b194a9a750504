"""Where a graph runs: quick ones on the loop, others in threads, and what hangs is given up."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from graphkit import Event, GraphServer, new_flow
from graphkit.server.http.deadline import Late, within
from graphkit.server.http.runner import QUICK_S, SLOW_S, Pace, Runner
from graphkit.server.http.threads import Threads
from graphkit.server.settings import Settings


def after(pace: Pace, *seconds: float) -> bool:
    for each in seconds:
        pace.note(each)
    return pace.is_quick


def test_runs_must_prove_to_be_quick_first() -> None:
    pace = Pace()
    assert not after(pace)
    assert not after(pace, *[0.0001] * 7)
    assert after(pace, 0.0001)


def test_what_is_always_slow_is_never_trusted() -> None:
    assert not after(Pace(), *[QUICK_S * 2] * 1000)


def test_one_quick_run_among_disturbed_ones_is_enough() -> None:
    assert after(Pace(), *[SLOW_S / 2] * 7, QUICK_S / 2)


def test_one_run_that_is_disturbed_costs_no_trust() -> None:
    assert after(Pace(), *[0.0001] * 8, SLOW_S / 10, *[0.0001] * 3)


def test_one_slow_run_costs_it_and_more_is_wanted_then() -> None:
    pace = Pace()
    assert not after(pace, *[0.0001] * 8, SLOW_S * 2)
    assert not after(pace, *[0.0001] * 31)
    assert after(pace, 0.0001)


def test_runs_that_become_slow_lose_trust() -> None:
    assert not after(Pace(), *[0.0001] * 8, *[QUICK_S * 4] * 20)


def where(body: Any) -> bool:
    """Return whether this runs in the main thread."""
    time.sleep(body)
    return threading.current_thread() is threading.main_thread()


def server() -> GraphServer:
    graph = new_flow()
    graph.to(where).respond()
    made: GraphServer = graph.to_mock_server(namespace=globals())
    made.init()
    return made


async def answers(settings: Settings, *bodies: float) -> list[bool]:
    runner = Runner(server(), settings)
    runner.start()
    try:
        return [await runner.run(Event(body, method="POST")) for body in bodies]
    finally:
        runner.close()


def test_quick_graphs_move_to_the_loop_and_slow_ones_back() -> None:
    found = asyncio.run(answers(Settings(), *[0] * 10, SLOW_S * 1.5, 0))
    assert found == [*[False] * 8, True, True, True, False]


@pytest.mark.parametrize(("run_in", "expected"), [("threads", False), ("loop", True)])
def test_the_settings_may_say_where(run_in: str, expected: bool) -> None:
    assert asyncio.run(answers(Settings(run_in=run_in), *[0] * 12)) == [expected] * 12


def test_jobs_that_were_given_up_leave_their_places_to_others() -> None:
    over = threading.Event()

    async def hang_and_go_on() -> list[int]:
        threads = Threads(2)
        for _ in range(2):
            with pytest.raises(Late):
                await within(0.05, threads.run(over.wait))
        found = [await within(5, threads.run(lambda number=number: number)) for number in range(5)]
        with pytest.raises(ValueError, match="no"):
            await threads.run(lambda: int("no"))
        over.set()
        threads.close()
        return found

    assert asyncio.run(hang_and_go_on()) == [0, 1, 2, 3, 4]


def test_jobs_whose_time_is_up_before_they_begin_never_begin() -> None:
    over = threading.Event()
    begun: list[int] = []

    async def crowd() -> None:
        threads = Threads(1)
        first = asyncio.ensure_future(threads.run(over.wait))
        await asyncio.sleep(0.05)
        with pytest.raises(Late):
            await within(0.05, threads.run(lambda: begun.append(1)))
        over.set()
        await first
        await threads.run(lambda: begun.append(2))
        threads.close()

    asyncio.run(crowd())
    assert begun == [2]


def test_threads_end_when_their_pool_is_closed() -> None:
    def alive() -> int:
        return sum(thread.name == "graphkit-request" for thread in threading.enumerate())

    before = alive()

    async def use() -> None:
        threads = Threads(4)
        await asyncio.gather(*(threads.run(lambda: time.sleep(0.02)) for _ in range(8)))
        assert before < alive() <= before + 4
        threads.close()

    asyncio.run(use())
    end = time.monotonic() + 5
    while alive() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert alive() <= before
