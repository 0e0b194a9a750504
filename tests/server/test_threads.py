"""One server and many threads: the first calls bind once, and each caller gets its own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from graphkit import Event, StepError, V2ModelServer, create_graph_server

MANY = 16


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Make every call in a thread of its own, all at the same moment; return what they returned, in order."""
    barrier = threading.Barrier(len(calls))

    def wait_and_call(call: Callable[[], Any]) -> Any:
        barrier.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(wait_and_call, calls))


class Slow:
    """A step whose constructor takes its time, so that callers meet in it."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        threading.Event().wait(0.02)

    def do(self, x: int) -> int:
        return x + 1


@pytest.mark.parametrize("how", ["test", "run"])
def test_the_first_calls_bind_once(graph: Any, how: str) -> None:
    Slow.made = 0
    graph.to(Slow, "slow").respond()
    server = graph.to_mock_server()
    calls: dict[str, Callable[[int], Any]] = {
        "test": lambda n: server.test(body=n),
        "run": lambda n: server.run(Event(n), get_body=True),
    }
    answers = at_once([lambda n=n: calls[how](n) for n in range(MANY)])  # type: ignore[misc]  # a lambda's default
    assert answers == list(range(1, MANY + 1))
    assert Slow.made == 1


def test_answers_are_not_mixed(graph: Any) -> None:
    async def later(x: int) -> int:
        await asyncio.sleep(0.0005 * (x % 3))
        return x

    graph.to(name="later", handler=later).to(name="last", handler="({'n': event})").respond()
    server = graph.to_mock_server(parameters={"keep_runs": 1000})

    def ask(start: int) -> list[Any]:
        return [server.test(body=start + n, event_id=str(start + n)) for n in range(20)]

    answers = at_once([lambda n=n: ask(100 * n) for n in range(8)])  # type: ignore[misc]
    assert answers == [[{"n": 100 * n + i} for i in range(20)] for n in range(8)]
    assert len(server.runs) == 160
    assert all(run.answer == {"n": int(run.id)} for run in server.runs)
    server.wait_for_completion()


def test_errors_are_not_mixed(graph: Any) -> None:
    def odd(x: int) -> int:
        if x % 2:
            raise ValueError(f"odd {x}")
        return x

    graph.to(name="odd", handler=odd).respond()
    server = graph.to_mock_server()

    def ask(n: int) -> Any:
        try:
            return server.test(body=n)
        except StepError as exc:
            return str(exc.__cause__)

    answers = at_once([lambda n=n: ask(n) for n in range(MANY)])  # type: ignore[misc]
    assert answers == [f"odd {n}" if n % 2 else n for n in range(MANY)]


def test_a_server_answers_while_its_graph_grows() -> None:
    class Model(V2ModelServer):
        def load(self) -> None: ...

        def predict(self, request: Any) -> Any:
            return request["inputs"]

    server = create_graph_server()
    server.add_model("m", class_name=Model)

    def ask() -> set[Any]:
        return {str(server.test("m/infer", {"inputs": [n]})["outputs"]) for n in range(50)}

    def grow() -> set[Any]:
        for n in range(20):
            server.add_model(f"m{n}", class_name=Model)
            server.test(f"m{n}/infer", {"inputs": [n]})
        return set()

    answers = at_once([ask, ask, ask, grow])
    assert answers[0] == answers[1] == answers[2] == {str([n]) for n in range(50)}
    assert len(server.test("/v2/models/", method="GET")["models"]) == 21


def test_a_server_comes_to_rest_while_others_ask(graph: Any) -> None:
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    graph.to(name="later", handler=later).respond()
    server = graph.to_mock_server()

    def ask() -> list[Any]:
        return [server.run(Event(n), get_body=True) for n in range(50)]

    def rest() -> list[Any]:
        for _ in range(20):
            server.wait_for_completion()
        return []

    answers = at_once([ask, ask, rest])
    assert answers == [list(range(1, 51)), list(range(1, 51)), []]
    server.wait_for_completion()
