"""``graph_initializer``: called with the server first, before anything is bound or an empty graph complained about."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from graphkit import Event, GraphError, GraphServer, StepError, create_graph_server


def build(server: GraphServer) -> None:
    server.set_topology("flow").to(name="double", handler="(event * 2)").respond()


@pytest.fixture
def module() -> Iterator[str]:
    """Return the name of an importable module that holds ``build``."""
    name = "module_of_an_initializer"
    made = types.ModuleType(name)
    made.build = build  # type: ignore[attr-defined]
    sys.modules[name] = made
    yield name
    del sys.modules[name]


@pytest.mark.parametrize("how", ["callable", "name", "dotted"])
@pytest.mark.parametrize("first", ["test", "run", "init", "init_states"])
def test_it_may_be_a_callable_a_name_or_a_dotted_path(how: str, first: str, module: str) -> None:
    given = {"callable": build, "name": "build", "dotted": f"{module}.build"}[how]
    server = GraphServer(graph_initializer=given)
    calls: dict[str, Callable[[], Any]] = {
        "test": lambda: server.test(body=1),
        "run": lambda: server.run(Event(1)),
        "init": server.init,
        "init_states": server.init_states,
    }
    calls[first]()
    assert list(server.graph) == ["double"]
    assert server.test(body=2) == 4


def test_a_name_is_looked_up_in_the_namespace_that_is_given() -> None:
    server = GraphServer(graph_initializer="start")
    server.init(namespace={"start": build})
    assert server.test(body=2) == 4


def test_it_gets_the_server_with_its_context_and_nothing_is_bound_yet() -> None:
    seen: list[Any] = []

    def look(server: GraphServer) -> None:
        seen.extend([server, server.context.get_param("rate"), server.graph["double"].async_object])
        server.graph["double"].class_args["extra"] = 1

    class Double:
        def __init__(self, extra: int = 0) -> None:
            self.extra = extra

        def do(self, x: int) -> int:
            return 2 * x + self.extra

    server = GraphServer(parameters={"rate": 5}, graph_initializer=look)
    server.set_topology("flow").to(Double, "double").respond()
    assert server.test(body=1) == 3
    assert seen == [server, 5, None]


def test_the_graph_that_it_makes_is_the_contexts_root() -> None:
    server = GraphServer(graph_initializer=build)
    server.init()
    assert server.context.root is server.graph


def test_it_is_called_once_however_often_the_server_gets_ready() -> None:
    calls: list[Any] = []

    def count(server: GraphServer) -> None:
        calls.append(server)
        build(server)

    server = create_graph_server(graph_initializer=count)
    server.test(body=1)
    server.graph["double"].responder = False
    server.graph["double"].to(name="more", handler="(event + 1)").respond()
    assert server.test(body=1) == 3
    server.init()
    assert server.test(body=1) == 3
    assert len(calls) == 1


def test_another_one_is_called_too() -> None:
    server = GraphServer(graph_initializer=build)
    server.init()

    def more(server: GraphServer) -> None:
        server.parameters["more"] = True

    server.graph_initializer = more
    server.init()
    assert server.context.get_param("more") is True
    assert server.test(body=2) == 4


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("biuld", "graph_initializer: 'biuld' is not defined.*did you mean 'build'"),
        ("no_such_module.build", "graph_initializer: 'no_such_module.build' cannot be imported"),
        ("__name__", "graph_initializer: '__name__' is no function but a value of type str"),
    ],
)
def test_one_that_cannot_be_found_is_told(given: str, told: str) -> None:
    server = GraphServer(graph_initializer=given)
    with pytest.raises(GraphError, match=told):
        server.init()
    with pytest.raises(StepError, match=told):
        server.test(body=1)


@pytest.mark.parametrize("given", [5, ["build"]])
def test_one_that_is_neither_is_told(given: Any) -> None:
    with pytest.raises(GraphError, match="graph_initializer is a function, its name or dotted path, found"):
        GraphServer(graph_initializer=given).init()


def test_one_that_fails_is_told_and_called_again() -> None:
    fails = [True, True, False]

    def start(server: GraphServer) -> None:
        if fails.pop(0):
            raise OSError("no net")
        build(server)

    server = GraphServer(graph_initializer=start)
    with pytest.raises(StepError, match="graph_initializer failed: OSError: no net") as caught:
        server.test(body=1)
    assert caught.value.status == 500
    assert isinstance(caught.value.__cause__, GraphError)
    assert isinstance(caught.value.__cause__.__cause__, OSError)
    assert server.run(Event(1)).status_code == 500
    assert server.test(body=2) == 4


def test_what_it_leaves_empty_is_complained_about() -> None:
    with pytest.raises(StepError, match="the graph has no steps"):
        GraphServer(graph_initializer=lambda server: None).test(body=1)
