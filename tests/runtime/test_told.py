"""Listeners of a graph are told what a recorded run does, as it does it; no run is changed by it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from graphkit import FlowStep, StepError, V2ModelServer
from graphkit.runtime.records import Recorder
from graphkit.runtime.told import ToldRecorder, recorder_of


class Listener:
    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.servers: list[Any] = []

    def run_started(self, server: Any, run_id: str, path: str, method: str) -> None:
        self.servers.append(server)
        self.told.append(("run", run_id, path, method))

    def step_started(self, server: Any, run_id: str, step_path: str, kind: str) -> None:
        self.told.append(("start", run_id, step_path, kind))

    def step_ended(self, server: Any, run_id: str, record: Any) -> None:
        self.told.append(("end", run_id, record.name, record.output, record.error))

    def run_ended(self, server: Any, record: Any) -> None:
        self.servers.append(server)
        self.told.append(("done", record.id, record.status, record is server.last_run))

    def steps(self) -> list[tuple[Any, ...]]:
        return [(what, rest[0]) for what, _, *rest in self.told if what in ("start", "end")]


def inc(x: Any) -> Any:
    return x + 1


async def inc_later(x: Any) -> Any:
    await asyncio.sleep(0)
    return x + 1


def fail(x: Any) -> Any:
    raise ValueError("no")


@pytest.fixture
def listener() -> Listener:
    return Listener()


def test_a_run_is_told_step_by_step(new_graph: Any, listener: Listener) -> None:
    graph = new_graph()
    graph.to(inc).to(inc_later)
    server = graph.to_mock_server(namespace=globals())
    graph.watch.add(listener)
    assert server.test("/p", 1, event_id="e") == 3
    assert listener.told == [
        ("run", "e", "/p", "POST"),
        ("start", "e", "inc", "task"),
        ("end", "e", "inc", 2, None),
        ("start", "e", "inc_later", "task"),
        ("end", "e", "inc_later", 3, None),
        ("done", "e", 200, True),
    ]
    assert all(told is server for told in listener.servers)


def test_a_failed_step_is_told_once_with_its_error(new_graph: Any, listener: Listener) -> None:
    graph = new_graph()
    graph.to(inc).to(fail).to(name="never", handler="(event)")
    server = graph.to_mock_server(namespace=globals())
    graph.watch.add(listener)
    with pytest.raises(StepError):
        server.test(body=1, event_id="e")
    assert listener.told[-2:] == [("end", "e", "fail", None, "ValueError: no"), ("done", "e", 500, True)]
    assert listener.steps() == [("start", "inc"), ("end", "inc"), ("start", "fail"), ("end", "fail")]


def test_routes_and_nested_flows_are_told_by_path(new_graph: Any, listener: Listener) -> None:
    class Model(V2ModelServer):
        def load(self) -> None: ...

        def predict(self, request: Any) -> Any:
            return request["inputs"]

    graph = new_graph()
    inner = graph.to(FlowStep("inner"))
    inner.to(name="same", handler="(event)")
    graph.add_step("*", name="models", after="inner").add_route("m", class_name=Model)
    server = graph.to_mock_server(namespace=globals())
    graph.watch.add(listener)
    server.test("/v2/models/m/infer", {"inputs": [1]})
    names = ["inner", "inner/same", "inner/same", "inner", "models", "models/m", "models/m", "models"]
    assert [name for _, name in listener.steps()] == names


def test_a_graph_that_cannot_be_bound_is_told_as_a_run_that_failed(new_graph: Any, listener: Listener) -> None:
    graph = new_graph()
    graph.to("NoSuchClass")
    server = graph.to_mock_server(namespace={})
    graph.watch.add(listener)
    with pytest.raises(StepError):
        server.test(body=1, event_id="e")
    assert listener.told == [("run", "e", "/", "POST"), ("done", "e", 500, True)]


def test_run_is_not_told(new_graph: Any, listener: Listener) -> None:
    from graphkit import Event

    graph = new_graph()
    graph.to(inc)
    server = graph.to_mock_server(namespace=globals())
    graph.watch.add(listener)
    assert server.run(Event(1), get_body=True) == 2
    assert listener.told == []


def test_a_listener_that_fails_changes_no_run(new_graph: Any) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise AttributeError(name) if name.startswith("__") else RuntimeError(name)

    class Raising(Listener):
        def step_started(self, *args: Any) -> None:
            raise RuntimeError("listener")

        run_started = step_ended = run_ended = step_started

    graph = new_graph()
    graph.to(inc)
    server = graph.to_mock_server(namespace=globals())
    raising, broken = Raising(), Broken()
    graph.watch.add(raising)
    graph.watch.add(broken)
    assert server.test(body=1) == 2
    assert [step.name for step in server.last_run.steps] == ["inc"]


def test_who_listens_sees_the_same_record_as_who_does_not(new_graph: Any, listener: Listener) -> None:
    graph = new_graph()
    graph.to(inc).to(fail).error_handler(name="catch", handler="(event)")
    server = graph.to_mock_server(namespace=globals())
    plain = [server.test(body=1), *((s.name, s.input, s.output, s.error) for s in server.last_run.steps)]
    graph.watch.add(listener)
    told = [server.test(body=1), *((s.name, s.input, s.output, s.error) for s in server.last_run.steps)]
    assert told == plain


def test_without_a_listener_the_plain_recorder_is_used(new_graph: Any, listener: Listener) -> None:
    from graphkit import Event

    graph = new_graph()
    graph.to(inc)
    server = graph.to_mock_server(namespace=globals())
    assert type(recorder_of(Event(1), None, server)) is Recorder
    graph.watch.add(listener)
    assert type(recorder_of(Event(1), None, server)) is ToldRecorder


def test_a_step_whose_input_path_finds_nothing_is_the_one_that_failed(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(name="first", handler="(event)").to(name="second", handler="(event)", input_path="a.b")
    server = graph.to_mock_server(namespace=globals())
    with pytest.raises(StepError, match="second"):
        server.test(body={"x": 1})
    first, second = server.last_run.steps
    assert (first.error, second.name) == (None, "second")
    assert "the body has no 'a.b'" in second.error
