from __future__ import annotations

from typing import Any

import graphkit
from graphkit.build.freeze import freeze
from graphkit.build.picture import topology_of
from graphkit.runtime.freshness import not_fresh


class Model:
    def __init__(self, by: int = 1) -> None:
        self.by = by

    def do(self, body: int) -> int:
        return body * self.by


def of(graph: Any, namespace: dict[str, Any]) -> dict[str, str]:
    found = not_fresh(graph._bound, topology_of(graph), namespace, freeze(graph))
    return {path: str(mark) for path, mark in found.items()}


def made(namespace: dict[str, Any]) -> tuple[Any, Any]:
    graph = graphkit.new_flow()
    step = graph.to(name="clean", handler="clean").to("Model", name="scale", by=2)
    router = step.to("*ParallelRun", name="models")
    router.add_route("a", handler="clean")
    router.add_route("b", handler="(event)")
    graph.add_step(graphkit.FlowStep("inner"), name="inner", after="clean").to(name="x", handler="(event)")
    router.to(">>", name="jobs", path="memory://freshness").to(name="later", handler="(event)", function="worker")
    server = graph.to_mock_server(namespace=namespace)
    server.init()
    return graph, server


def namespace() -> dict[str, Any]:
    return {"clean": lambda body: body, "Model": Model}


def test_nothing_is_marked_that_is_as_it_was_bound() -> None:
    names = namespace()
    graph, _ = made(names)
    assert of(graph, names) == {}


def test_a_step_that_was_added_is_unbound() -> None:
    names = namespace()
    graph, _ = made(names)
    graph["later"].to(name="last", handler="(event)", function="worker")
    assert of(graph, names) == {"last": "unbound"}


def test_steps_of_a_name_that_means_something_else_are_stale() -> None:
    names = namespace()
    graph, server = made(names)
    names["clean"] = lambda body: body + 1
    assert of(graph, names) == {"clean": "stale", "models/a": "stale"}
    server.init_object()
    assert of(graph, names) == {}


def test_changed_arguments_and_lost_names_make_a_step_stale() -> None:
    names = namespace()
    graph, _ = made(names)
    graph["scale"].class_args["by"] = 3
    del names["clean"]
    assert of(graph, names) == {"clean": "stale", "scale": "stale", "models/a": "stale"}


def test_a_router_with_another_list_of_routes_is_stale() -> None:
    names = namespace()
    graph, _ = made(names)
    graph["models"].add_route("c", handler="(event)")
    assert of(graph, names) == {"models": "stale", "models/c": "unbound"}


def test_steps_that_run_elsewhere_are_not_marked() -> None:
    names = namespace()
    graph, server = made(names)
    server.set_current_function("")
    server.init_object()
    assert of(graph, names) == {}
