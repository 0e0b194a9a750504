"""Where a server looks names up: in what it is given, else where its caller stands, kept by reference."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest

from graphkit import GraphError, GraphServer, StepError, V2ModelServer, create_graph_server, new_flow


def module_level(x: Any) -> Any:
    return f"module {x}"


class ModuleLevelModel(V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return request["inputs"]


def flow_of(name: str, engine: str = "async") -> Any:
    flow = new_flow(engine=engine)
    flow.to(name="step", handler=name).respond()
    return flow


def cell(code: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """Run code as a notebook does: in a namespace of its own."""
    exec(code, namespace)
    return namespace


def test_left_out_it_is_the_globals_of_the_caller(engine: str) -> None:
    assert flow_of("module_level", engine).to_mock_server().test(body=1) == "module 1"


def test_models_are_found_there_too() -> None:
    server = create_graph_server()
    server.add_model("m", class_name="ModuleLevelModel")
    assert server.test("m/infer", {"inputs": [1]})["outputs"] == [1]


def test_locals_of_the_caller_are_none_of_it() -> None:
    def local(x: Any) -> Any:
        return x

    with pytest.raises(StepError, match="'local' is not defined"):
        flow_of("local").to_mock_server().test(body=local(1))


@pytest.mark.parametrize(
    "namespace",
    [
        {"f": str.upper},
        types.SimpleNamespace,
        [{}, {"f": str.upper}],
        ({"f": str.upper}, {"f": str.lower}),
        types.MappingProxyType({"f": str.upper}),
    ],
    ids=["dict", "module", "list", "the first wins", "mapping"],
)
def test_it_may_be_given_as_a_dict_a_module_or_a_list(namespace: Any) -> None:
    if namespace is types.SimpleNamespace:
        namespace = types.ModuleType("some_module")
        namespace.f = str.upper
    assert flow_of("f").to_mock_server(namespace=namespace).test(body="x") == "X"
    server = GraphServer(flow_of("f"))
    server.init(namespace=namespace)
    assert server.test(body="x") == "X"


@pytest.mark.parametrize("namespace", ["module_level", 5])
def test_anything_else_is_refused(namespace: Any) -> None:
    with pytest.raises(GraphError, match="a namespace is a dict, a module or a list of them, found"):
        GraphServer(flow_of("f")).init(namespace=namespace)


def test_what_is_given_hides_the_callers(engine: str) -> None:
    with pytest.raises(StepError, match="'module_level' is not defined"):
        flow_of("module_level", engine).to_mock_server(namespace={}).test(body=1)


def test_what_was_given_outlives_an_init_without_one() -> None:
    server = flow_of("f").to_mock_server(namespace={"f": str.upper})
    server.init()
    assert server.test(body="x") == "X"
    server.init_states()
    server.init_object()
    assert server.test(body="x") == "X"


def test_another_one_may_be_given_later() -> None:
    server = flow_of("f").to_mock_server(namespace={"f": str.upper})
    assert server.test(body="x") == "X"
    server.init(namespace={"f": str.title})
    assert server.test(body="xy") == "Xy"
    server.init_object({"f": str.swapcase})
    assert server.test(body="Xy") == "xY"


@pytest.mark.parametrize(
    "first",
    ["graph.to_mock_server()", "server.init()", "server.test(body=1)", "server.run(Event(1))", "server.init_states()"],
)
def test_it_is_that_of_whoever_comes_first(first: str) -> None:
    graph = flow_of("f")
    code = f"from graphkit import Event\ndef f(x): return 'cell'\nmade = {first}"
    server = GraphServer(graph)
    namespace = cell(code, {"server": server, "graph": graph})
    if isinstance(namespace["made"], GraphServer):
        server = namespace["made"]
    assert server.test(body=1) == "cell"


def test_a_server_that_was_made_elsewhere_looks_where_it_is_used() -> None:
    helpers = cell(
        "from graphkit import create_graph_server\n"
        "def make():\n"
        "    server = create_graph_server()\n"
        "    server.set_topology('flow').to(name='step', handler='f').respond()\n"
        "    return server\n",
        {},
    )
    notebook = cell("def f(x): return 'notebook'\nanswer = make().test(body=1)", {"make": helpers["make"]})
    assert notebook["answer"] == "notebook"


def test_it_is_kept_by_reference(engine: str) -> None:
    namespace: dict[str, Any] = {}
    server = flow_of("late", engine).to_mock_server(namespace=namespace)
    with pytest.raises(StepError, match="'late' is not defined"):
        server.test(body=1)
    namespace["late"] = lambda x: x + 1
    assert server.test(body=1) == 2


def test_a_missing_name_is_told_with_the_nearest() -> None:
    with pytest.raises(
        StepError, match=r"step 'step': handler: 'module_lvel' is not defined.*did you mean 'module_level'"
    ):
        flow_of("module_lvel").to_mock_server().test(body=1)


def test_then_comes_the_step_library_and_then_any_importable_path(engine: str) -> None:
    graph = new_flow(engine=engine)
    graph.to("Map", "map", _fn="(event + 1)").to(name="path", handler="math.sqrt").to("fractions.Fraction").respond()
    assert graph.to_mock_server(namespace={}).test(body=8) == 3


def test_the_namespace_hides_the_step_library(engine: str) -> None:
    graph = new_flow(engine=engine)
    graph.to("Map", "map").respond()
    assert graph.to_mock_server(namespace={"Map": lambda x: "own"}).test(body=1) == "own"


def test_functions_of_the_namespace_may_be_called_in_expressions(serve: Callable[..., GraphServer]) -> None:
    assert serve("(module_level(event['a']) + '!')", namespace=globals()).test(body={"a": 1}) == "module 1!"


def test_init_without_a_graph_is_a_clear_error() -> None:
    with pytest.raises(GraphError, match="the graph has no steps"):
        GraphServer().init()
