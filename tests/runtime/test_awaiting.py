"""Whatever returns an awaitable is awaited: in every engine, driver and kind of step, also inside a running loop."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from graphkit import Event, GraphServer, StepError, new_router
from graphkit.runtime.bytecode import returns_plain
from graphkit.runtime.drivers import drive


async def later(x: Any) -> Any:
    await asyncio.sleep(0)
    return x + 1


def promise(x: Any) -> Any:
    return later(x)


def add(x: Any, y: Any) -> Any:
    return x + y


async def add_later(x: Any, y: Any) -> Any:
    await asyncio.sleep(0)
    return x + y


class CallsLater:
    async def __call__(self, x: Any) -> Any:
        await asyncio.sleep(0)
        return x + 1


class DoesLater:
    async def do(self, x: Any) -> Any:
        await asyncio.sleep(0)
        return x + 1

    async def other(self, x: Any) -> Any:
        await asyncio.sleep(0)
        return x + 1

    def promised(self, x: Any) -> Any:
        return later(x)


class DoesEventLater:
    async def do_event(self, event: Event) -> Event:
        await asyncio.sleep(0)
        event.body += 1
        return event


async def pass_on(x: Any) -> Any:
    await asyncio.sleep(0)
    return x


class Awaitable:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self):  # type: ignore[no-untyped-def]
        return later(self.value).__await__()


def in_future(x: Any) -> Any:
    future = asyncio.get_running_loop().create_future()
    future.set_result(x + 1)
    return future


STEPS: dict[str, dict[str, Any]] = {
    "coroutine function": {"handler": later},
    "function that returns a coroutine": {"handler": promise},
    "lambda": {"handler": lambda x: later(x)},
    "partial": {"handler": functools.partial(add_later, y=1)},
    "partial of a partial": {"handler": functools.partial(functools.partial(add_later), y=1)},
    "callable object": {"handler": CallsLater()},
    "object that is awaitable": {"handler": lambda x: Awaitable(x)},
    "method of an object": {"handler": DoesLater().other},
    "class with do": {"class_name": DoesLater},
    "class with a handler": {"class_name": DoesLater, "handler": "other"},
    "class with a promising handler": {"class_name": DoesLater, "handler": "promised"},
    "class with do_event": {"class_name": DoesEventLater},
    "class with __call__": {"class_name": CallsLater},
    "full_event": {"handler": lambda event: later(event.body), "full_event": True},
    "expression": {"handler": "(promise(event))"},
    "library": {"class_name": "Map", "fn": later},
    "paths": {"handler": later, "input_path": "a.b", "result_path": "c"},
    "promising paths": {"handler": promise, "input_path": "a.b", "result_path": "c"},
}


@pytest.mark.parametrize("kind", STEPS)
def test_it_is_awaited(new_graph: Any, ask: Any, kind: str) -> None:
    graph = new_graph()
    graph.add_step(name="step", **STEPS[kind])
    server = graph.to_mock_server(namespace=globals())
    if "paths" in kind:
        assert ask(server, {"a": {"b": 1}}) == {"a": {"b": 1}, "c": 2}
    else:
        assert ask(server, 1) == 2


@pytest.mark.parametrize("kind", STEPS)
def test_a_step_alone_awaits_too(new_graph: Any, kind: str) -> None:
    graph = new_graph()
    step = graph.add_step(name="step", **STEPS[kind])
    if "paths" in kind:
        assert step.run(Event({"a": {"b": 1}})).body == {"a": {"b": 1}, "c": 2}
    else:
        assert step.run(Event(1)).body == 2


@pytest.mark.parametrize("kind", [kind for kind in STEPS if "paths" not in kind and kind != "full_event"])
def test_a_route_is_awaited(ask: Any, kind: str) -> None:
    router = new_router()
    router.add_route("step", **STEPS[kind])
    server = GraphServer(router)
    server.init(namespace=globals())
    assert ask(server, 1, path="/step/infer") == 2


def test_a_future_of_the_running_loop_is_awaited(engine: str, new_graph: Any) -> None:
    graph = new_graph()
    graph.to(name="first", handler=later).to(in_future)
    server = graph.to_mock_server(namespace=globals())
    assert server.test(body=1) == 3
    assert asyncio.run(_run_async(server, 1)) == 3


async def _run_async(server: GraphServer, body: Any) -> Any:
    return await server.run_async(Event(body), get_body=True)


def test_the_callers_loop_runs_the_steps_of_run_async(new_graph: Any) -> None:
    loops = []

    async def note(x: Any) -> Any:
        loops.append(asyncio.get_running_loop())
        return x

    graph = new_graph()
    graph.to(note)
    server = graph.to_mock_server()

    async def main() -> bool:
        await server.run_async(Event(1))
        return loops == [asyncio.get_running_loop()]

    assert asyncio.run(main())


def test_test_and_run_work_inside_a_running_loop(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(later).to(promise)
    server = graph.to_mock_server(namespace=globals())

    async def main() -> list[Any]:
        return [
            server.test(body=1),
            server.run(Event(1), get_body=True),
            await server.run_async(Event(1), get_body=True),
        ]

    assert asyncio.run(main()) == [3, 3, 3]


def test_many_requests_on_one_loop_run_side_by_side(new_graph: Any) -> None:
    arrived: list[int] = []

    async def meet(x: int) -> int:
        arrived.append(x)
        for _ in range(1000):
            if len(arrived) >= 5:
                return x
            await asyncio.sleep(0)
        raise TimeoutError("nobody else came")

    graph = new_graph()
    graph.to(meet).to(name="inc", handler="(event + 1)")
    server = graph.to_mock_server()
    server.init_object()

    async def main() -> list[int]:
        return await asyncio.gather(*(server.run_async(Event(number), get_body=True) for number in range(5)))

    assert asyncio.run(main()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("awaits", [False, True])
def test_a_step_may_test_the_server_that_it_is_in(new_graph: Any, ask: Any, awaits: bool) -> None:
    def count_down(x: int) -> Any:
        return 0 if x == 0 else 1 + server.test(body=x - 1)

    async def count_down_later(x: int) -> Any:
        await asyncio.sleep(0)
        return 0 if x == 0 else 1 + server.test(body=x - 1)

    graph = new_graph()
    graph.to(count_down_later if awaits else count_down, name="count")
    server = graph.to_mock_server()
    assert ask(server, 3) == 3
    # the innermost run ended first
    inner = [record.answer for record in server.runs][:3]
    assert inner == [0, 1, 2]


def test_a_route_in_a_thread_may_test_the_server_that_it_is_in(new_graph: Any, ask: Any) -> None:
    def count_down(body: dict[str, int]) -> Any:
        return {"x": 0 if body["x"] == 0 else 1 + server.test(body={"x": body["x"] - 1})["x"]}

    graph = new_graph()
    router = graph.to(pass_on).to("*ParallelRun", "all")
    router.add_route("a", handler=lambda body: {"a": 1})
    router.add_route("b", handler=count_down)
    server = graph.to_mock_server()
    assert ask(server, {"x": 2}) == {"a": 1, "x": 2}


def test_a_step_may_await_the_server_that_it_is_in(new_graph: Any, ask: Any) -> None:
    async def count_down(x: int) -> Any:
        return 0 if x == 0 else 1 + await server.run_async(Event(x - 1), get_body=True)

    graph = new_graph()
    graph.to(count_down)
    server = graph.to_mock_server()
    assert ask(server, 3) == 3


def test_cancelling_a_request_ends_its_steps(new_graph: Any) -> None:
    ended = []

    def hang(name: str) -> Callable[[Any], Any]:
        async def wait(x: Any) -> Any:
            try:
                await asyncio.sleep(1000)
            finally:
                ended.append(name)

        return wait

    graph = new_graph()
    graph.to(name="a", handler=hang("a"))
    graph.to(name="b", handler=hang("b"))
    server = graph.to_mock_server()

    async def main() -> None:
        task = asyncio.ensure_future(server.run_async(Event(1)))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert sorted(ended) == ["a", "b"]


def test_a_graph_that_awaits_nothing_starts_no_thread_and_no_loop(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(name="inc", handler=lambda x: x + 1).to(name="text", handler=str)
    server = graph.to_mock_server()
    before = set(threading.enumerate())
    assert server.test(body=1) == "2"
    assert server.run(Event(1), get_body=True) == "2"
    assert set(threading.enumerate()) <= before  # threads of other tests may end meanwhile


def test_an_async_generator_is_a_body_and_not_awaited(new_graph: Any, ask: Any) -> None:
    async def stream(x: int) -> Any:
        yield x

    async def collect(items: Any) -> list[int]:
        return [item async for item in items]

    graph = new_graph()
    graph.to(stream).to(collect)
    assert ask(graph.to_mock_server(), 1) == [1]


def test_a_program_that_should_not_suspend_says_so() -> None:
    with pytest.raises(RuntimeError, match="should not await anything has suspended"):
        drive(asyncio.sleep(0))


def test_a_failure_after_awaiting_names_the_step(new_graph: Any, ask: Any) -> None:
    async def fail(x: Any) -> Any:
        await asyncio.sleep(0)
        raise ValueError("late")

    for step in (fail, lambda x: fail(x)):
        graph = new_graph()
        graph.to(name="first", handler=later).to(step, name="bad").to(name="last", handler=later)
        with pytest.raises(StepError, match="step 'bad' failed: ValueError: late"):
            ask(graph.to_mock_server(), 1)


# ---- functions that can be seen to return no awaitable ------------------------------------------------------------


class Odd:
    """Its operators return awaitables."""

    def __add__(self, other: Any) -> Any:
        return later(other)

    def __getitem__(self, key: Any) -> Any:
        return later(key)


@pytest.mark.parametrize(
    ("function", "plain"),
    [
        (lambda x: x + 1, True),
        (lambda x: x if x > 1 else -x, True),
        (lambda x: [x, 2], True),
        (lambda x: {"a": x}, True),
        (lambda x: json.dumps(x), False),
        (lambda x: x.real, False),
        (lambda x: x["a"], False),
        (later, False),
        (str, False),
        (functools.partial(add, y=1), False),
    ],
)
def test_what_can_be_seen_to_return_a_plain_value(function: Any, plain: bool) -> None:
    assert returns_plain(function) is plain


def test_a_closure_is_not_seen_through() -> None:
    given = later

    def closure(x: Any) -> Any:
        return given

    assert not returns_plain(closure)


def test_a_default_argument_is_no_plain_value() -> None:
    def give(x: Any, kept: Any = None) -> Any:
        return kept

    give.__defaults__ = (Awaitable(1),)
    assert not returns_plain(give)


def test_the_ways_agree_on_operators_that_return_awaitables(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(name="odd", handler=lambda x: Odd()).to(name="plus", handler=lambda odd: odd + 1)
    graph["plus"].to(name="use", handler=str)
    assert ask(graph.to_mock_server(), 1) == "2"
