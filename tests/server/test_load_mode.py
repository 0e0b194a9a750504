"""``load_mode``: models are loaded when they are bound, or in the background while the server answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from graphkit import Event, GraphError, GraphServer, StepError, V2ModelServer, create_graph_server


class Slow(V2ModelServer):
    """A model whose load waits until it may go on."""

    gate: threading.Event
    loaded_in: list[str]

    def load(self) -> None:
        self.loaded_in.append(threading.current_thread().name)
        assert self.gate.wait(60)

    def predict(self, request: Any) -> Any:
        return request["inputs"]


class Fails(V2ModelServer):
    def load(self) -> None:
        raise OSError("no such file")

    def predict(self, request: Any) -> Any:
        return request["inputs"]


class Quick(V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return request["inputs"]


@pytest.fixture(autouse=True)
def gate() -> Iterator[threading.Event]:
    """Return the gate that the slow models wait for; it is open in the end."""
    Slow.gate, Slow.loaded_in = threading.Event(), []
    yield Slow.gate
    Slow.gate.set()


def answers_when_ready(server: GraphServer, model: str) -> Any:
    deadline = time.monotonic() + 60
    while server.test(f"{model}/ready", method="GET", silent=True).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return server.test(f"{model}/infer", {"inputs": [1]})["outputs"]


def test_sync_loads_at_bind(gate: threading.Event) -> None:
    gate.set()
    server = create_graph_server(load_mode="sync")
    server.add_model("slow", class_name=Slow)
    assert Slow.loaded_in == []
    server.init()
    assert Slow.loaded_in == [threading.current_thread().name]
    assert server.test("slow/infer", {"inputs": [1]})["outputs"] == [1]


def test_sync_is_what_is_left_out() -> None:
    assert create_graph_server().load_mode == "sync"


def test_async_answers_before_the_model_is_there(gate: threading.Event) -> None:
    server = create_graph_server(load_mode="async")
    server.add_model("slow", class_name=Slow)
    server.add_model("quick", class_name=Quick)
    server.init()
    with pytest.raises(StepError) as ready:
        server.test("slow/ready", method="GET")
    assert ready.value.status == 408
    with pytest.raises(StepError, match="slow") as infer:
        server.test("slow/infer", {"inputs": [1]})
    assert (infer.value.status, infer.value.step) == (503, "slow")
    assert server.run(Event({"inputs": [1]}, path="slow/infer", method="POST")).status_code == 503
    assert answers_when_ready(server, "quick") == [1]
    gate.set()
    assert answers_when_ready(server, "slow") == [1]
    assert Slow.loaded_in == ["load-slow"]


@pytest.mark.parametrize("load_mode", ["sync", "async"])
def test_a_load_that_fails_costs_that_model_alone(load_mode: str) -> None:
    server = create_graph_server(load_mode=load_mode)
    server.add_model("fails", class_name=Fails)
    server.add_model("quick", class_name=Quick)
    assert answers_when_ready(server, "quick") == [1]
    deadline = time.monotonic() + 60
    while "no such file" not in str(server.test("fails/infer", {"inputs": [1]}, silent=True).body):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    with pytest.raises(StepError, match="no such file") as infer:
        server.test("fails/infer", {"inputs": [1]})
    assert infer.value.status == 503
    with pytest.raises(StepError) as ready:
        server.test("fails/ready", method="GET")
    assert ready.value.status == 408
    assert answers_when_ready(server, "quick") == [1]


def test_init_loads_again_what_had_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    server = create_graph_server()
    server.add_model("fails", class_name=Fails)
    assert server.test("fails/infer", {"inputs": [1]}, silent=True).status_code == 503
    monkeypatch.setattr(Fails, "load", lambda self: None)
    server.init()
    assert server.test("fails/infer", {"inputs": [1]})["outputs"] == [1]


def test_a_loaded_model_is_not_loaded_again_when_the_graph_grows(gate: threading.Event) -> None:
    gate.set()
    server = create_graph_server()
    server.add_model("slow", class_name=Slow)
    server.test("slow/infer", {"inputs": [1]})
    server.add_model("quick", class_name=Quick)
    server.test("quick/infer", {"inputs": [1]})
    server.wait_for_completion()
    server.test("slow/infer", {"inputs": [1]})
    assert len(Slow.loaded_in) == 1


@pytest.mark.parametrize("load_mode", ["lazy", "", 1])
def test_other_modes_are_refused(load_mode: Any) -> None:
    if load_mode == "":
        assert GraphServer(load_mode=None).load_mode == "sync"
    with pytest.raises(GraphError, match="load_mode is 'sync' or 'async', found"):
        GraphServer(load_mode=load_mode)
