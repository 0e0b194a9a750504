"""``load_mode``: models are loaded when they are bound, or in the background while the server answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graphkit import (
    Event,
    GraphError,
    GraphServer,
    ModelRouter,
    StepError,
    V2ModelServer,
    create_graph_server,
    new_flow,
)


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


# ---- a model that is added again ------------------------------------------------------------------------------------


class Stored(V2ModelServer):
    """A model that says how often each file was loaded."""

    loads: list[str]

    def load(self) -> None:
        file, _ = self.get_model(".txt")
        self.loads.append(self.name)
        self.model = Path(file).read_text()

    def predict(self, request: Any) -> Any:
        return [self.model]


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Return a folder with the files of two models."""
    Stored.loads = []
    (tmp_path / "folder").mkdir()
    for file in ("one.txt", "folder/two.txt"):
        (tmp_path / file).write_text("old")
    return tmp_path


def add_stored(server: GraphServer, folder: Path) -> None:
    server.add_model("one", class_name=Stored, model_path=str(folder / "one.txt"))
    server.add_model("two", class_name=Stored, model_path=str(folder / "folder"))


def answers(server: GraphServer) -> list[Any]:
    return [server.test(f"{model}/infer", {"inputs": [1]})["outputs"] for model in ("one", "two")]


@pytest.mark.parametrize("load_mode", ["sync", "async"])
def test_a_load_that_failed_is_tried_again_by_a_test_once_its_files_have_changed(
    tmp_path: Path, load_mode: str
) -> None:
    tries: list[str] = []

    class Reads(Quick):
        def load(self) -> None:
            tries.append(self.name)
            file, _ = self.get_model()
            self.model = Path(file).read_text()

    server = create_graph_server(load_mode=load_mode)
    server.add_model("reads", class_name=Reads, model_path=str(tmp_path / "model.txt"))
    deadline = time.monotonic() + 60
    while "there is no model at" not in str(server.test("reads/infer", {"inputs": [1]}, silent=True).body):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert server.test("reads/infer", {"inputs": [1]}, silent=True).status_code == 503
    assert tries == ["reads"]
    (tmp_path / "model.txt").write_text("here")
    assert answers_when_ready(server, "reads") == [1]
    assert tries == ["reads", "reads"]


@pytest.mark.parametrize("load_mode", ["sync", "async"])
def test_a_load_that_failed_is_tried_again_when_the_model_is_added_again(
    load_mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = create_graph_server(load_mode=load_mode)
    server.add_model("fails", class_name=Fails)
    deadline = time.monotonic() + 60
    while "no such file" not in str(server.test("fails/infer", {"inputs": [1]}, silent=True).body):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    monkeypatch.setattr(Fails, "load", lambda self: None)
    server.add_model("quick", class_name=Quick)
    assert server.test("fails/infer", {"inputs": [1]}, silent=True).status_code == 503  # it was not added again
    server.add_model("fails", class_name=Fails)
    assert answers_when_ready(server, "fails") == [1]


def test_a_step_that_is_added_again_with_its_own_handle_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = new_flow()
    router = graph.to("*", name="router")
    route = router.add_route("fails", class_name=Fails)
    server = graph.to_mock_server()
    assert server.test("fails/infer", {"inputs": [1]}, silent=True).status_code == 503
    monkeypatch.setattr(Fails, "load", lambda self: None)
    router.add_route("fails", route)
    assert server.test("fails/infer", {"inputs": [1]})["outputs"] == [1]


@pytest.mark.parametrize("changed", ["one.txt", "folder/two.txt"])
def test_a_model_whose_file_has_changed_is_loaded_again_when_it_is_added_again(stored: Path, changed: str) -> None:
    server = create_graph_server()
    add_stored(server, stored)
    assert answers(server) == [["old"], ["old"]]
    (stored / changed).write_text("the new one")
    assert answers(server) == [["old"], ["old"]]
    add_stored(server, stored)
    again = Path(changed).stem
    assert answers(server) == [["the new one" if model == again else "old"] for model in ("one", "two")]
    assert Stored.loads == ["one", "two", again]


def test_a_loaded_model_that_nothing_touched_is_not_loaded_again_when_it_is_added_again(stored: Path) -> None:
    server = create_graph_server()
    for _ in range(3):
        add_stored(server, stored)
        assert answers(server) == [["old"], ["old"]]
    assert Stored.loads == ["one", "two"]


def test_a_model_that_was_given_is_made_once(stored: Path) -> None:
    server = create_graph_server()
    model = server.add_model("one", class_name=Stored, model="given", model_path="s3://no/driver")
    assert server.test("one/infer", {"inputs": [1]})["outputs"] == ["given"]
    made = model.async_object
    again = server.add_model("one", class_name=Stored, model="given", model_path="s3://no/driver")
    assert server.test("one/infer", {"inputs": [1]})["outputs"] == ["given"]
    assert again.async_object is made


# ---- a class that leaves out its base class ------------------------------------------------------------------------


class Forgets(V2ModelServer):
    def __init__(self, context: Any = None, name: Any = None) -> None:
        self.scale = 2

    def predict(self, request: Any) -> Any:
        return [self.scale]


def test_a_model_whose_constructor_calls_no_super_costs_that_model_alone() -> None:
    server = create_graph_server()
    server.add_model("forgets", class_name=Forgets)
    server.add_model("quick", class_name=Quick)
    assert server.test("quick/infer", {"inputs": [1]})["outputs"] == [1]
    with pytest.raises(StepError, match=r"'Forgets' has an __init__ that .*: call super\(\).__init__\(") as caught:
        server.test("forgets/infer", {"inputs": [1]})
    assert (caught.value.status, caught.value.step) == (503, "forgets")
    with pytest.raises(StepError, match=r"call super\(\).__init__") as ready:
        server.test("forgets/ready", method="GET")
    assert ready.value.status == 408


def test_a_router_whose_constructor_calls_no_super_is_told_when_the_graph_is_bound() -> None:
    class ForgetsToo(ModelRouter):
        def __init__(self, **kwargs: Any) -> None:
            self.routes = kwargs["routes"]

    server = GraphServer()
    server.set_topology("router", ForgetsToo)
    server.add_model("quick", class_name=Quick)
    with pytest.raises(GraphError, match=r"'ForgetsToo' has an __init__ that .*: call super\(\).__init__\("):
        server.init()
