"""What a change replaced is closed once nothing runs in it any more, and never while it does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from graphkit import Event, GraphServer, RootFlowStep, V2ModelServer, create_graph_server, new_router
from graphkit.runtime.retire import CountedGraph


class Log:
    """What happened, and a gate that runs wait at; no list, of which a constructor gets a copy."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.begun, self.gate = threading.Event(), threading.Event()


class Holds:
    """A step with something to close."""

    def __init__(self, log: Log, mark: str) -> None:
        self.log, self.mark, self.open = log, mark, True

    def do(self, body: Any) -> Any:
        if body == "wait":
            self.log.begun.set()
            assert self.log.gate.wait(60)
        assert self.open
        return self.mark

    def close(self) -> None:
        self.open = False
        self.log.lines.append(f"closed {self.mark}")


class HoldsLater(Holds):
    """The same on an event loop."""

    async def do(self, body: Any) -> Any:  # type: ignore[override]
        if body == "wait":
            self.log.begun.set()
            while not self.log.gate.is_set():
                await asyncio.sleep(0.001)
        assert self.open
        self.loop = asyncio.get_running_loop()
        return self.mark

    async def close(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is getattr(self, "loop", asyncio.get_running_loop())
        Holds.close(self)


KINDS = [Holds, HoldsLater]


@pytest.fixture
def log() -> Iterator[Log]:
    """Return a log whose gate is open in the end."""
    made = Log()
    yield made
    made.gate.set()


def put(graph: RootFlowStep, cls: type, log: Log, mark: str) -> None:
    graph.to(cls, "step", log=log, mark=mark).respond()


def in_thread(call: Any) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    return thread, answers


@pytest.mark.parametrize("cls", KINDS)
@pytest.mark.parametrize("way", ["run", "test", "step"])
def test_a_replaced_object_is_closed_when_the_runs_in_it_have_ended(
    new_graph: Any, log: Log, cls: type, way: str
) -> None:
    graph = new_graph()
    put(graph, cls, log, "one")
    server = graph.to_mock_server(namespace={})
    assert server.test(body=1) == "one"
    first = graph["step"]
    calls = {
        "run": lambda: server.run(Event("wait"), get_body=True),
        "test": lambda: server.test(body="wait"),
        "step": lambda: first.run(Event("wait")).body,
    }
    thread, answers = in_thread(calls[way])
    assert log.begun.wait(60)
    put(graph, cls, log, "two")
    assert server.test(body=1) == "two"
    assert log.lines == []
    log.gate.set()
    thread.join(60)
    assert (answers, log.lines) == (["one"], ["closed one"])


class HoldsModel(V2ModelServer):
    """A model with something to close."""

    def load(self) -> None:
        self.open = True

    def predict(self, request: dict[str, Any]) -> list[Any]:
        log = self.get_param("log")
        log.begun.set()
        assert log.gate.wait(60)
        return [self.open]

    def close(self) -> None:
        self.open = False


def on_a_loop(server: GraphServer, event: Event) -> Any:
    return asyncio.run(server.run_async(event, get_body=True))


@pytest.mark.parametrize("run", [on_a_loop, lambda server, event: server.run(event, get_body=True)])
def test_a_replaced_model_is_closed_when_its_requests_are_answered(log: Log, run: Any) -> None:
    graph = new_router()
    graph.add_route("m", class_name=HoldsModel, log=log)
    server = create_graph_server(graph=graph)
    server.init(namespace={})
    thread, answers = in_thread(lambda: run(server, Event({"inputs": [1]}, path="/v2/models/m/infer")))
    assert log.begun.wait(60)
    before = graph["m"].async_object
    graph.add_route("m", class_name=HoldsModel, log=log, another=True)
    server.init(namespace={})
    assert before.open
    log.gate.set()
    thread.join(60)
    assert answers[0]["outputs"] == [True]
    assert not before.open


@pytest.mark.parametrize("cls", KINDS)
def test_what_nothing_runs_in_is_closed_at_once(new_graph: Any, log: Log, cls: type) -> None:
    graph = new_graph()
    put(graph, cls, log, "one")
    server = graph.to_mock_server(namespace={})
    assert server.test(body=1) == "one"
    put(graph, cls, log, "two")
    assert server.test(body=1) == "two"
    assert log.lines == ["closed one"]
    server.init()
    assert log.lines == ["closed one", "closed two"]


def test_an_object_of_a_later_version_waits_for_the_runs_of_earlier_ones_too(new_graph: Any, log: Log) -> None:
    graph = new_graph()
    graph.to(Holds, "kept", log=log, mark="kept").to(Holds, "step", log=log, mark="one").respond()
    server = graph.to_mock_server(namespace={})
    thread, answers = in_thread(lambda: server.run(Event("wait"), get_body=True))
    assert log.begun.wait(60)
    graph["step"].class_args["mark"] = "two"
    assert server.test(body=1) == "two"
    graph["kept"].class_args["mark"] = "new"
    assert server.test(body=1) == "two"
    assert log.lines == []
    log.gate.set()
    thread.join(60)
    assert (answers, sorted(log.lines)) == (["one"], ["closed kept", "closed one"])


def test_a_new_start_closes_when_the_runs_have_ended(new_graph: Any, log: Log) -> None:
    graph = new_graph()
    put(graph, Holds, log, "one")
    server = graph.to_mock_server(namespace={})
    thread, answers = in_thread(lambda: server.run(Event("wait"), get_body=True))
    assert log.begun.wait(60)
    server.init()
    assert log.lines == []
    log.gate.set()
    thread.join(60)
    assert (answers, log.lines) == (["one"], ["closed one"])


def test_a_run_that_comes_late_goes_to_the_new_version(new_graph: Any, log: Log) -> None:
    graph = new_graph()
    put(graph, Holds, log, "one")
    server = graph.to_mock_server(namespace={})
    server.test(body=1)
    late = server._bound  # a run has taken it, and not begun yet
    put(graph, Holds, log, "two")
    server.test(body=1)
    assert log.lines == ["closed one"]
    assert late.answer(Event(1)) == "two"
    assert asyncio.run(late.answer_async(Event(1))) == "two"


def test_on_the_callers_loop_the_last_run_closes_there(new_graph: Any, log: Log) -> None:
    graph = new_graph()
    put(graph, HoldsLater, log, "one")
    server = GraphServer(graph)
    server.init(namespace={})

    async def both() -> Any:
        waiting = asyncio.ensure_future(server.run_async(Event("wait"), get_body=True))
        while not log.begun.is_set():
            await asyncio.sleep(0.001)
        put(graph, HoldsLater, log, "two")
        answer = await server.run_async(Event(1), get_body=True)
        assert log.lines == []
        log.gate.set()
        return [answer, await waiting, log.lines]

    assert asyncio.run(both()) == ["two", "one", ["closed one"]]


def test_a_replay_from_the_middle_is_a_run_too(new_graph: Any, log: Log) -> None:
    graph = new_graph()
    graph.to("str", "first").to(Holds, "step", log=log, mark="one").respond()
    server = graph.to_mock_server(namespace={})
    log.gate.set()
    server.test(body="wait")
    log.gate.clear()
    log.begun.clear()
    thread, answers = in_thread(lambda: server.replay(start="step").answer)
    assert log.begun.wait(60)
    graph["step"].class_args["mark"] = "two"
    assert server.test(body="x") == "two"
    assert log.lines == []
    log.gate.set()
    thread.join(60)
    assert (answers, log.lines) == (["one"], ["closed one"])


class FailsToClose(HoldsLater):
    async def close(self) -> None:
        raise OSError("the other side is gone")


def test_what_cannot_be_closed_is_logged(new_graph: Any, log: Log, caplog: pytest.LogCaptureFixture) -> None:
    graph = new_graph()
    put(graph, FailsToClose, log, "one")
    server = graph.to_mock_server(namespace={})
    server.test(body=1)
    put(graph, Holds, log, "two")
    assert server.test(body=1) == "two"
    assert "step 'step' could not be closed: OSError: the other side is gone" in caplog.text


def test_a_graph_with_nothing_to_close_counts_nothing(new_graph: Any) -> None:
    graph = new_graph()
    graph.to("str", "step")
    server = graph.to_mock_server(namespace={})
    server.test(body=1)
    assert not isinstance(server._bound, CountedGraph)
