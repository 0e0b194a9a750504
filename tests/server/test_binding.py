"""When a server constructs and looks up what its graph names: by itself, and again only where something changed."""

from __future__ import annotations

import logging
import types
from types import SimpleNamespace
from typing import Any

import pytest

from graphkit import (
    Event,
    GraphContext,
    GraphError,
    GraphServer,
    StepError,
    V2ModelServer,
    create_graph_server,
    new_flow,
)

CELL = """
class Step:
    made = []

    def __init__(self, version={version}):
        self.version = version
        self.made.append(version)

    def do(self, x):
        return [x, self.version]


def function(x):
    return [x, {version}]
"""


@pytest.fixture
def notebook() -> dict[str, Any]:
    """Return a namespace in which a cell was run."""
    namespace: dict[str, Any] = {}
    run_cell(namespace, 1)
    return namespace


def run_cell(namespace: dict[str, Any], version: int) -> None:
    exec(CELL.format(version=version), namespace)


class Made:
    """Names in the order in which steps were constructed; no list, of which a constructor gets a copy."""

    def __init__(self) -> None:
        self.names: list[str | None] = []


class Counts:
    """A step that counts how often it was constructed and called."""

    def __init__(self, made: Made, name: str | None = None) -> None:
        made.names.append(name)
        self.calls = 0

    def do(self, x: Any) -> int:
        self.calls += 1
        return self.calls


# ---- by itself ----------------------------------------------------------------------------------------------------


def test_nobody_must_call_init(graph: Any, notebook: dict[str, Any]) -> None:
    graph.to("Step").respond()
    server = graph.to_mock_server(namespace=notebook)
    assert notebook["Step"].made == []
    assert server.test(body=1) == [1, 1]
    assert server.run(Event(2), get_body=True) == [2, 1]
    assert notebook["Step"].made == [1]


def test_init_binds_at_once(graph: Any, notebook: dict[str, Any]) -> None:
    graph.to("Step").respond()
    server = graph.to_mock_server(namespace=notebook)
    server.init()
    assert notebook["Step"].made == [1]
    assert graph["Step"].async_object.version == 1
    assert server.test(body=1) == [1, 1]
    assert notebook["Step"].made == [1]


def test_init_is_init_states_and_then_init_object(graph: Any, notebook: dict[str, Any]) -> None:
    graph.to("Step").respond()
    server = GraphServer(graph)
    server.init_states(None, notebook)
    assert isinstance(server.context, GraphContext)
    assert notebook["Step"].made == []
    context = server.context
    server.init_object(notebook)
    assert notebook["Step"].made == [1]
    assert server.context is context
    assert server.test(body=1) == [1, 1]


def test_init_object_alone_makes_the_context_too(graph: Any, notebook: dict[str, Any]) -> None:
    graph.to("Step").respond()
    server = GraphServer(graph)
    server.init_object(notebook)
    assert server.context.root is graph
    assert server.test(body=1) == [1, 1]


def test_init_constructs_anew(graph: Any) -> None:
    made = Made()
    graph.to(Counts, "counts", made=made).respond()
    server = graph.to_mock_server()
    server.test(body=1)
    server.test(body=1)
    server.init()
    assert server.test(body=1) == 1
    assert made.names == ["counts", "counts"]


def test_init_gives_its_arguments_to_the_context(graph: Any) -> None:
    logger = logging.getLogger("mine")
    cache = object()
    graph.to(name="step", handler="(event)").respond()
    server = GraphServer(graph)
    server.init_states(None, {}, resource_cache=cache, logger=logger, is_mock=True)
    assert (server.context.logger, server.context.resource_cache, server.context.is_mock) == (logger, cache, True)
    nuclio = SimpleNamespace(logger=logger, Response=dict, worker_id=3)
    server.init(nuclio, {})
    assert (server.context.logger, server.context.Response, server.context.worker_id) == (logger, dict, 3)


def test_a_context_of_ones_own_is_taken(graph: Any) -> None:
    class Mine(GraphContext):
        pass

    context = Mine()
    graph.to(name="step", handler=lambda x, context: context).respond()
    server = GraphServer(graph, parameters={"rate": 5})
    server.init(context)
    assert server.test(body=1) is context
    assert (context.server, context.root, context.get_param("rate")) == (server, graph, 5)


def test_only_a_mock_server_says_so(graph: Any) -> None:
    graph.to(name="step", handler=lambda x, context: context.is_mock).respond()
    assert graph.to_mock_server().test() is True
    assert GraphServer(graph).test() is False
    mock = graph.to_mock_server()
    mock.init()
    assert mock.test() is True


# ---- again, after a change ----------------------------------------------------------------------------------------


def test_steps_that_were_added_later_are_bound(graph: Any) -> None:
    made = Made()
    first = graph.to(Counts, "first", made=made)
    server = graph.to_mock_server()
    server.init()
    assert server.test(body=0) == 1
    first.to(Counts, "second", made=made)
    assert server.run(Event(0), get_body=True) == 1
    assert made.names == ["first", "second"]
    assert graph["first"].async_object.calls == 2


def test_routes_that_were_added_later_are_bound() -> None:
    loads: list[str] = []

    class Model(V2ModelServer):
        def load(self) -> None:
            loads.append(self.name)

        def predict(self, request: Any) -> Any:
            return request["inputs"]

    server = create_graph_server()
    server.add_model("a", class_name=Model)
    assert server.test("a/infer", {"inputs": [1]})["model_name"] == "a"
    server.add_model("b", class_name=Model)
    assert server.test("b/infer", {"inputs": [1]})["model_name"] == "b"
    assert server.test("a/infer", {"inputs": [1]})["model_name"] == "a"
    assert loads == ["a", "b"]
    del server.graph["a"]
    with pytest.raises(StepError, match="no model 'a'") as caught:
        server.test("a/infer", {"inputs": [1]})
    assert caught.value.status == 404


@pytest.mark.parametrize("field", ["class_name", "handler"])
def test_test_sees_a_cell_that_was_run_again(graph: Any, notebook: dict[str, Any], field: str) -> None:
    graph.to(name="step", **{field: "Step" if field == "class_name" else "function"}).respond()
    server = graph.to_mock_server(namespace=notebook)
    assert server.test(body=0) == [0, 1]
    run_cell(notebook, 2)
    assert server.test(body=0) == [0, 2]
    run_cell(notebook, 3)
    assert server.test(body=0) == [0, 3]


@pytest.mark.parametrize("then", ["test", "init"])
def test_run_sees_it_after_the_next_test_or_init(graph: Any, notebook: dict[str, Any], then: str) -> None:
    graph.to("Step").respond()
    server = graph.to_mock_server(namespace=notebook)
    assert server.run(Event(0), get_body=True) == [0, 1]
    run_cell(notebook, 2)
    assert server.run(Event(0), get_body=True) == [0, 1]
    if then == "test":
        server.test(body=0)
    else:
        server.init()
    assert server.run(Event(0), get_body=True) == [0, 2]


def test_only_the_steps_concerned_are_bound_again(graph: Any, notebook: dict[str, Any]) -> None:
    made = Made()
    graph.to(Counts, "before", made=made).to("Step").to(Counts, "after", made=made).respond()
    server = graph.to_mock_server(namespace=notebook)
    server.test(body=0)
    run_cell(notebook, 2)
    assert server.test(body=0) == 2
    assert made.names == ["before", "after"]
    assert notebook["Step"].made == [2]


def test_a_function_given_as_an_object_is_followed_by_its_name(engine: str) -> None:
    namespace: dict[str, Any] = {"engine": engine}
    run_cell(namespace, 1)
    exec(
        "from graphkit import new_flow\n"
        "graph = new_flow(engine=engine)\n"
        "graph.to(function).respond()\n"
        "server = graph.to_mock_server()\n",
        namespace,
    )
    assert namespace["server"].test(body=0) == [0, 1]
    run_cell(namespace, 2)
    assert namespace["server"].test(body=0) == [0, 2]


def test_changed_arguments_construct_anew(graph: Any, notebook: dict[str, Any]) -> None:
    step = graph.to("Step", version=5).respond()
    server = graph.to_mock_server(namespace=notebook)
    assert server.test(body=0) == [0, 5]
    step.class_args["version"] = 6
    assert server.run(Event(0), get_body=True) == [0, 6]


def test_a_change_that_breaks_the_graph_is_told_and_mended(graph: Any, notebook: dict[str, Any]) -> None:
    graph.to("Step").respond()
    server = graph.to_mock_server(namespace=notebook)
    assert server.test(body=0) == [0, 1]
    kept = notebook.pop("Step")
    for _ in range(2):
        with pytest.raises(StepError, match="'Step' is not defined"):
            server.test(body=0)
    notebook["Step"] = kept
    assert server.test(body=0) == [0, 1]
    assert kept.made == [1]


def test_two_servers_over_one_graph_bind_each_for_itself(graph: Any, notebook: dict[str, Any]) -> None:
    other: dict[str, Any] = {}
    run_cell(other, 9)
    step = graph.to("Step").respond()
    first, second = graph.to_mock_server(namespace=notebook), graph.to_mock_server(namespace=other)
    assert (first.test(body=0), second.test(body=0), first.test(body=0)) == ([0, 1], [0, 9], [0, 1])
    assert step.async_object is second.graph["Step"].async_object
    assert step.async_object.version == 9
    step.to(name="more", handler="(event + ['more'])")
    step.responder = False
    assert (first.test(body=0), second.test(body=0)) == ([0, 1, "more"], [0, 9, "more"])
    assert (notebook["Step"].made, other["Step"].made) == ([1], [9])


def test_binding_changes_no_spec(graph: Any, notebook: dict[str, Any]) -> None:
    graph.to("Step").respond()
    before = graph.to_dict()
    server = graph.to_mock_server(namespace=notebook)
    spec = server.to_dict()
    server.init()
    server.test(body=0)
    assert (graph.to_dict(), server.to_dict()) == (before, spec)


def test_no_constructor_can_change_the_graph(graph: Any) -> None:
    class Greedy:
        def __init__(self, options: dict[str, Any]) -> None:
            options["more"] = options["list"].append(2)

        def do(self, x: Any) -> Any:
            return x

    graph.to(Greedy, "greedy", options={"list": [1]}).respond()
    before = graph.to_dict()
    graph.to_mock_server().test(body=0)
    assert graph.to_dict() == before


# ---- problems -----------------------------------------------------------------------------------------------------


class Typed:
    def __init__(self, size: int) -> None: ...

    def do(self, x: Any) -> Any:
        return x


def test_all_that_is_wrong_with_names_and_arguments_is_told_at_once(graph: Any) -> None:
    graph.to("Unknwn", "one").to(name="two", handler="nothing").to(Typed, "three", sise=1).to(
        name="four", handler="(event +)"
    ).to("*", "models")
    server = graph.to_mock_server(namespace={"Unknown": Typed})
    with pytest.raises(GraphError) as caught:
        server.init()
    told = "\n".join(caught.value.problems)
    assert "step 'one': class_name: 'Unknwn' is not defined" in told
    assert "did you mean 'Unknown'?" in told
    assert "step 'two': handler: 'nothing' is not defined" in told
    assert "step 'three': the class 'Typed' takes no argument 'sise', did you mean 'size'?" in told
    assert "step 'three': the class 'Typed' needs the argument 'size'" in told
    assert "step 'four'" in told
    assert "the router has no routes" in told
    with pytest.raises(StepError) as tested:
        server.test(body=1)
    assert all(problem in str(tested.value) for problem in caught.value.problems)


def test_all_that_is_wrong_with_the_structure_is_told_at_once(graph: Any) -> None:
    for name, after in {"a": "c", "b": "a", "c": "b", "lost": "nowhere"}.items():
        graph.add_step(name=name, handler="(event)").after = [after]
    with pytest.raises(GraphError) as caught:
        GraphServer(graph).init()
    told = "\n".join(caught.value.problems)
    assert "step 'lost': after names 'nowhere', which is no step of the flow" in told
    assert "a -> b -> c -> a" in told


def test_all_constructors_that_fail_are_told_at_once(graph: Any) -> None:
    class Fails:
        def __init__(self, why: str) -> None:
            raise OSError(why)

        def do(self, x: Any) -> Any: ...

    graph.to(Fails, "one", why="no disk").to(Fails, "two", why="no net")
    with pytest.raises(GraphError) as caught:
        graph.to_mock_server().init()
    assert caught.value.problems == (
        "step 'one' could not be made: OSError: no disk",
        "step 'two' could not be made: OSError: no net",
    )
    assert isinstance(caught.value.__cause__, OSError)


def test_what_could_be_made_is_kept_while_the_rest_is_mended(graph: Any) -> None:
    made = Made()

    class Fails:
        broken = True

        def __init__(self) -> None:
            if self.broken:
                raise OSError

        def do(self, x: Any) -> Any:
            return x

    graph.to(Counts, "fine", made=made).to(Fails, "fails").respond()
    server = graph.to_mock_server()
    for _ in range(2):
        with pytest.raises(StepError, match="could not be made"):
            server.test(body=1)
    Fails.broken = False
    assert server.test(body=1) == 1
    assert made.names == ["fine"]


def test_an_empty_graph_says_how_to_fill_it(engine: str) -> None:
    servers = [create_graph_server(), GraphServer(), new_flow(engine=engine).to_mock_server()]
    for server in servers:
        with pytest.raises(StepError, match="the graph has no steps: add some with") as caught:
            server.test(body=1)
        assert caught.value.status == 500


def test_modules_that_were_loaded_again_count(graph: Any) -> None:
    tools = types.ModuleType("tools")
    exec("def f(x): return 1", vars(tools))
    graph.to(name="step", handler="tools.f").respond()
    server = graph.to_mock_server(namespace={"tools": tools})
    assert server.test(body=0) == 1
    exec("def f(x): return 2", vars(tools))
    assert server.test(body=0) == 2
