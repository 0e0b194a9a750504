"""Routes side by side: in threads, in processes, one by one; closed with the server, and usable again."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from graphkit import Event, GraphContext, GraphServer, StepError, new_router
from graphkit.core.errors import GraphError
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.pools import RoutePools
from graphkit.runtime.recipes import ElsewhereError
from graphkit.spec.steps import Task


def route(name: str, call: Callable[[Any], Any]) -> BoundStep:
    step = BoundStep(name, name, Task(name=name), None, "")
    step.call = call
    return step


def routes(**calls: Callable[[Any], Any]) -> dict[str, BoundStep]:
    return {name: route(name, call) for name, call in calls.items()}


@pytest.fixture
def pools() -> Iterator[RoutePools]:
    pools = RoutePools(GraphContext())
    yield pools
    pools.close()


@pytest.mark.parametrize("executor", ["array", "thread"])
def test_every_route_gets_a_copy_of_its_own(pools: RoutePools, executor: str) -> None:
    def add(body: list[int]) -> list[int]:
        body.append(len(body))
        return body

    event = Event([7])
    results = pools.map(executor, routes(a=add, b=add, c=add), event)
    assert {key: result.body for key, result in results.items()} == {"a": [7, 1], "b": [7, 1], "c": [7, 1]}
    assert event.body == [7]
    assert {result.id for result in results.values()} == {event.id}


@pytest.mark.parametrize("executor", ["array", "thread"])
def test_what_a_route_raises_stands_in_its_place_and_names_it(pools: RoutePools, executor: str) -> None:
    def fail(body: Any) -> Any:
        raise ValueError("no")

    results = pools.map(executor, routes(a=str, b=fail), Event(1))
    assert list(results) == ["a", "b"]
    assert results["a"].body == "1"
    assert isinstance(results["b"], StepError)
    assert (results["b"].message, results["b"].step) == ("step 'b' failed: ValueError: no", "b")


def test_threads_run_routes_at_the_same_time(pools: RoutePools) -> None:
    meet = threading.Barrier(3, timeout=10)
    results = pools.map("thread", routes(**{key: lambda _: meet.wait() for key in "abc"}), Event())
    assert sorted(result.body for result in results.values()) == [0, 1, 2]


@pytest.mark.parametrize("executor", ["array", "thread"])
def test_routes_that_await_run_at_the_same_time_on_the_loop(pools: RoutePools, executor: str) -> None:
    arrived: list[int] = []

    async def meet(body: int) -> int:
        arrived.append(body)
        while len(arrived) < 2:
            await asyncio.sleep(0)
        return body + 1

    async def fail(body: int) -> int:
        raise ValueError("no")

    waiting = pools.map(executor, routes(a=meet, b=meet, c=fail, d=str), Event(1))
    results = asyncio.run(_finish(waiting))
    assert list(results) == ["a", "b", "c", "d"]
    assert [results[key].body for key in "abd"] == [2, 2, "1"]
    assert results["c"].step == "c"


async def _finish(waiting: Any) -> Any:
    return await waiting


def test_an_unknown_executor_is_named_with_the_nearest(pools: RoutePools) -> None:
    with pytest.raises(GraphError, match="'threat' is not known, did you mean 'thread'"):
        pools.map("threat", routes(a=str), Event())


def test_a_router_among_the_routes_does_not_block_the_pool(pools: RoutePools) -> None:
    def nest(depth: int) -> Callable[[Any], Any]:
        def ask(body: Any) -> Any:
            inner = routes(**{key: nest(depth - 1) if depth else str for key in "abcd"})
            return sum(int(result.body) for result in pools.map("thread", inner, Event(body)).values())

        return ask

    assert pools.map("thread", routes(a=nest(1), b=nest(1)), Event(1))["a"].body == 16


def test_many_callers_share_a_pool_that_grows_and_closes_meanwhile(pools: RoutePools) -> None:
    def ask(number: int) -> int:
        if number % 20 == 19:
            pools.close()
        keys = [str(key) for key in range(2 + number % 5)]
        results = pools.map("thread", routes(**dict.fromkeys(keys, lambda body: body + 1)), Event(number))
        return sum(result.body for result in results.values()) - len(keys) * (number + 1)

    with ThreadPoolExecutor(8) as callers:
        assert list(callers.map(ask, range(300))) == [0] * 300


def test_closed_threads_end_and_the_pool_can_be_used_again(pools: RoutePools) -> None:
    before = set(threading.enumerate())  # others may end meanwhile
    pools.map("thread", routes(a=str, b=str, c=str), Event(1))
    assert set(threading.enumerate()) - before
    pools.close()
    assert set(threading.enumerate()) - before == set()
    assert pools.map("thread", routes(a=str, b=str), Event(1))["b"].body == "1"


# ---- processes: each test starts workers, so there are few --------------------------------------------------------


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    """Return the namespace of a notebook whose cells define a model, an async one and a failing one."""
    cells = {"__name__": "__main__"}
    exec(
        "import os, asyncio\n"
        "class Scaled:\n"
        "    def __init__(self, by, context=None, name=None):\n"
        "        self.by, self.context, self.name = by, context, name\n"
        "    def do(self, body):\n"
        "        return {self.name: body['x'] * self.by, self.name + ' pid': os.getpid()}\n"
        "class Asked(Scaled):\n"
        "    def do(self, body):\n"
        "        rate, secret = self.context.get_param('rate'), self.context.get_secret('key')\n"
        "        return {'asked': [rate, secret]}\n"
        "class Failing(Scaled):\n"
        "    def do(self, body):\n"
        "        if body['x'] == 8:\n"
        "            raise Unsendable(8, 'one that its arguments do not make again')\n"
        "        if body['x'] == 9:\n"
        "            raise NoSuch('no', 9)\n"
        "        raise ValueError('no ' + str(body['x']))\n"
        "class NoSuch(Exception):\n"
        "    pass\n"
        "class Unsendable(Exception):\n"
        "    def __init__(self, number, why):\n"
        "        super().__init__(number)\n"
        "async def waited(body):\n"
        "    await asyncio.sleep(0)\n"
        "    return {'waited': body['x']}\n",
        cells,
    )
    return cells


@pytest.mark.slow
def test_processes_run_what_a_notebook_defines_twice_and_after_closing(notebook: dict[str, Any]) -> None:
    router = new_router("ParallelRun", executor_type="process")
    router.add_route("a", class_name=notebook["Scaled"], by=2)
    router.add_route("b", class_name="Scaled", by=3)
    router.add_route("c", class_name="Asked", by=0)
    router.add_route("d", handler="waited")
    router.add_route("e", handler="({'e': event['x'] + 1})")
    server = GraphServer(
        router,
        parameters={"rate": 5},
        secret_sources=[{"kind": "inline", "source": {"key": "k-3-y"}}],
    )
    server.init(namespace=notebook)
    for _ in range(2):
        answer = server.test(body={"x": 7})
        pids = {answer.pop("a pid"), answer.pop("b pid")}
        # the run record hides the secret; the caller gets what the model said
        assert answer == {"a": 14, "b": 21, "asked": [5, "k-3-y"], "waited": 7, "e": 8}
        assert os.getpid() not in pids
    server.wait_for_completion()
    assert server.test(body={"x": 1})["a"] == 2
    server.wait_for_completion()


@pytest.mark.slow
def test_errors_of_workers_name_their_step(notebook: dict[str, Any]) -> None:
    router = new_router("ParallelRun", executor_type="process")
    router.add_route("good", class_name="Scaled", by=1)
    router.add_route("bad", class_name="Failing", by=1)
    server = GraphServer(router)
    server.init(namespace=notebook)
    with pytest.raises(StepError, match="step 'bad' failed: ValueError: no 7") as caught:
        server.test(body={"x": 7})
    assert caught.value.step == "bad"
    assert repr(caught.value.__cause__) == "ValueError('no 7')"
    with pytest.raises(StepError, match="step 'bad' failed: NoSuch") as caught:
        server.test(body={"x": 9})
    cause = caught.value.__cause__
    assert isinstance(cause, notebook["NoSuch"])
    assert cause.args == ("no", 9)
    assert isinstance(cause.__cause__, ElsewhereError)
    assert "NoSuch: ('no', 9)" in str(cause.__cause__)
    with pytest.raises(StepError, match="step 'bad' failed: Unsendable: 8") as caught:
        server.test(body={"x": 8})
    assert isinstance(caught.value.__cause__, ElsewhereError)
    del router["bad"]
    lock = threading.Lock()
    router.add_route("locked", class_name="Scaled", by=lock)
    with pytest.raises(StepError, match="step 'locked' cannot run in another process: TypeError: cannot pickle"):
        server.test(body={"x": 7})
    del router["locked"]
    assert server.test(body={"x": 7})["good"] == 7
    server.wait_for_completion()
