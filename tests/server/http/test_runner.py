"""Where a graph runs: nothing that does not await keeps the event loop busy, and what hangs is given up."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from typing import Any

import pytest

from graphkit import Event, GraphServer, V2ModelServer, create_graph_server, new_flow
from graphkit.server.http.deadline import Late, within
from graphkit.server.http.lane import Lane
from graphkit.server.http.pace import QUICK_S, SLOW_S, Pace
from graphkit.server.http.runner import Runner
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


# ---- graphs that do not await ----------------------------------------------------------------------------------------


def where(body: Any) -> str:
    """Return in which thread this runs."""
    time.sleep(body)
    return threading.current_thread().name


def server(*steps: Any) -> GraphServer:
    graph = new_flow()
    last: Any = graph
    for step in steps:
        last = last.to(step)
    last.respond()
    made: GraphServer = graph.to_mock_server(namespace=globals())
    made.init()
    return made


async def answers(made: GraphServer, *bodies: Any) -> list[Any]:
    runner = Runner(made, Settings())
    try:
        return [await runner.run(Event(body, method="POST")) for body in bodies]
    finally:
        runner.close()


def test_quick_graphs_move_to_a_thread_of_their_own_and_slow_ones_back() -> None:
    found = asyncio.run(answers(server(where), *[0] * 10, SLOW_S * 1.5, 0))
    assert found == [*["graphkit-request"] * 8, *["graphkit-lane"] * 3, "graphkit-request"]


class Health:
    """Notes how long the loop was ever kept from looking at the clock."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def watch(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            self.longest_s = max(self.longest_s, time.monotonic() - before)


def sometimes_slow(body: Any) -> Any:
    """Take long if asked to, in C, where no signal would reach it."""
    if body == "slow":
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 4_000_000)
    return body


async def at_once(body: Any) -> Any:
    await asyncio.sleep(0)
    return body


@pytest.mark.parametrize("steps", [(sometimes_slow,), (at_once, sometimes_slow)], ids=["plain", "awaits"])
def test_a_slow_request_of_a_quick_graph_holds_up_neither_the_loop_nor_others(steps: Any) -> None:
    async def go() -> tuple[float, list[Any], bool]:
        runner, health = Runner(server(*steps), Settings(timeout_s=60)), Health()
        for _ in range(20):
            assert await runner.run(Event("quick", method="POST")) == "quick"
        watching = asyncio.ensure_future(health.watch())
        slow = asyncio.ensure_future(runner.run(Event("slow", method="POST")))
        await asyncio.sleep(0)
        quick = [await runner.run(Event(number, method="POST")) for number in range(20)]
        was_under_way = not slow.done()
        assert await slow == "slow"
        watching.cancel()
        runner.close()
        return health.longest_s, quick, was_under_way

    began = time.monotonic()
    longest_s, quick, was_under_way = asyncio.run(go())
    took_s = time.monotonic() - began
    assert quick == list(range(20))
    assert was_under_way
    assert longest_s < took_s / 3


@pytest.mark.parametrize("steps", [(sometimes_slow,), (at_once, sometimes_slow)], ids=["plain", "awaits"])
def test_time_is_up_when_it_is_up_whatever_the_step_does(steps: Any) -> None:
    async def go() -> None:
        runner = Runner(server(*steps), Settings(timeout_s=0.2))
        for _ in range(20):
            await runner.run(Event("quick", method="POST"))
        with pytest.raises(Late):
            await runner.run(Event("slow", method="POST"))
        assert await runner.run(Event("quick", method="POST")) == "quick"
        runner.close()

    asyncio.run(go())


# ---- graphs that await -----------------------------------------------------------------------------------------------


class Meeting(V2ModelServer):
    """Answers when as many requests as expected are in it at the same time."""

    def load(self) -> None:
        self.together = threading.Barrier(self.get_param("expected"), timeout=20)

    def predict(self, request: Any) -> Any:
        self.together.wait()
        return request["inputs"]


def test_plain_steps_of_a_graph_that_awaits_run_side_by_side() -> None:
    graph = new_flow()
    router = graph.to(at_once).to("*", name="models").respond()
    router.add_route("m", class_name=Meeting, expected=4)
    made = graph.to_mock_server()
    made.init()

    async def go() -> list[Any]:
        runner = Runner(made, Settings())
        events = [Event({"inputs": [n]}, path="/v2/models/m/infer", method="POST") for n in range(4)]
        found = await asyncio.gather(*map(runner.run, events))
        runner.close()
        return [answer["outputs"] for answer in found]

    assert asyncio.run(go()) == [[0], [1], [2], [3]]


class Gathering(V2ModelServer):
    """A model that shares calls."""

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return [len(request["inputs"])] * len(request["inputs"])


def test_a_model_that_shares_calls_does_so_beside_a_plain_one_that_hangs() -> None:
    made = create_graph_server()
    made.add_model("plain", class_name=Meeting, expected=2)
    made.add_model("shared", class_name=Gathering, max_batch_size=8, max_delay_ms=50)
    made.init()

    def infer(model: str, number: int) -> Event:
        return Event({"inputs": [number]}, path=f"/v2/models/{model}/infer", method="POST")

    async def go() -> tuple[list[Any], Any]:
        runner = Runner(made, Settings())
        first = asyncio.ensure_future(runner.run(infer("plain", 1)))
        shared = await asyncio.gather(*(runner.run(infer("shared", number)) for number in range(8)))
        assert not first.done()
        await runner.run(infer("plain", 2))
        last = await first
        runner.close()
        return [answer["outputs"] for answer in shared], last["outputs"]

    found, plain = asyncio.run(go())
    assert plain == [1]
    assert found == [[8]] * 8


def fails(body: Any) -> Any:
    raise ValueError(f"no {body}")


def test_a_plain_step_that_fails_beside_one_that_awaits_is_named() -> None:
    (found,) = asyncio.run(answers(server(at_once, fails), "way"))
    assert (found.status_code, "step 'fails'" in found.body, "ValueError: no way" in found.body) == (500, True, True)


def test_a_handler_takes_what_fails_beside_one_that_awaits() -> None:
    graph = new_flow()
    graph.to(at_once).to(fails).respond()
    graph.error_handler(name="sorry", handler="(event + ' after all')")
    made = graph.to_mock_server(namespace=globals())
    assert asyncio.run(answers(made, "way")) == ["way after all"]


# ---- the lane --------------------------------------------------------------------------------------------------------


def test_the_lane_runs_calls_in_their_order_in_one_thread() -> None:
    async def go() -> list[Any]:
        lane = Lane(2)
        found = await asyncio.gather(*(lane.run(lambda n=n: (n, threading.get_ident())) for n in range(100)))
        lane.close()
        return found

    found = asyncio.run(go())
    assert [number for number, _ in found] == list(range(100))
    assert len({thread for _, thread in found}) == 1


def test_those_behind_a_slow_call_go_on_in_another_thread_within_bounds() -> None:
    over = threading.Event()

    async def go() -> None:
        lane = Lane(2)
        slow = [lane.run(over.wait) for _ in range(3)]
        last = lane.run(lambda: "last")
        await asyncio.sleep(0.3)
        # two threads are left behind, and the third call keeps the one that waits for nobody
        assert not last.done()
        assert lane.waiting == 1
        over.set()
        assert await last == "last"
        await asyncio.gather(*slow)
        lane.close()

    asyncio.run(go())


def test_a_call_of_the_lane_that_is_cancelled_before_it_began_does_not_run() -> None:
    over, begun = threading.Event(), []

    async def go() -> None:
        lane = Lane(0)
        first = lane.run(over.wait)
        with pytest.raises(Late):
            await within(0.05, lane.run(lambda: begun.append(1)))
        over.set()
        await first
        await lane.run(lambda: begun.append(2))
        lane.close()

    asyncio.run(go())
    assert begun == [2]


def test_what_a_call_of_the_lane_raises_goes_to_whoever_waits() -> None:
    async def go() -> None:
        lane = Lane(1)
        with pytest.raises(ValueError, match="no"):
            await lane.run(lambda: int("no"))
        with pytest.raises(RuntimeError, match="StopIteration"):
            await lane.run(lambda: next(iter([])))
        lane.close()

    asyncio.run(go())


# ---- the pool --------------------------------------------------------------------------------------------------------


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
