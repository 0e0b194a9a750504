"""The graph of a server: what may be its root, how it is replaced, and where models are added."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from graphkit import (
    Event,
    FlowStep,
    GraphError,
    GraphServer,
    ModelRouter,
    QueueStep,
    RootFlowStep,
    RouterStep,
    SpecError,
    TaskStep,
    V2ModelServer,
    create_graph_server,
    new_flow,
    new_router,
)


class Model(V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return [self.get_param("factor", 1) * x for x in request["inputs"]]


def parameters_of(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


# ---- signatures ---------------------------------------------------------------------------------------------------


def test_the_signatures_are_those_of_the_interface() -> None:
    assert parameters_of(create_graph_server) == [
        "parameters", "load_mode", "graph", "verbose", "current_function", "kwargs",
    ]  # fmt: skip
    assert parameters_of(GraphServer.__init__) == [
        "graph", "parameters", "load_mode", "function_uri", "verbose", "version", "functions", "graph_initializer",
        "error_stream", "track_models", "secret_sources",
    ]  # fmt: skip
    assert parameters_of(GraphServer.set_topology) == ["topology", "class_name", "engine", "exist_ok", "class_args"]
    assert parameters_of(GraphServer.add_model) == ["key", "model_path", "class_name", "router_step", "class_args"]
    assert parameters_of(GraphServer.test) == [
        "path", "body", "method", "content_type", "silent", "get_body", "headers", "event_id", "trigger", "offset",
        "time",
    ]  # fmt: skip
    assert parameters_of(GraphServer.init) == ["context", "namespace"]
    assert parameters_of(GraphServer.init_states) == ["context", "namespace", "resource_cache", "logger", "is_mock"]
    assert parameters_of(GraphServer.init_object) == ["namespace"]
    assert GraphServer.kind == "server"


def test_the_arguments_of_a_server_are_its_attributes() -> None:
    server = GraphServer(None, {"a": 1}, "async", "project/name", True, "v2", {"child": {"x": 1}}, None, None, True)
    assert (server.graph, server.parameters, server.load_mode) == (None, {"a": 1}, "async")
    assert (server.function_uri, server.verbose, server.version) == ("project/name", True, "v2")
    assert (server.functions, server.track_models) == ({"child": {"x": 1}}, True)
    assert GraphServer().version == "v2"


# ---- the root -----------------------------------------------------------------------------------------------------


def test_the_graph_may_be_a_root_or_a_router_and_is_taken_as_it_is(engine: str) -> None:
    for root in (new_flow(engine=engine), RouterStep(), new_router()):
        server = GraphServer(root)
        assert server.graph is root
    flow = new_flow(engine=engine)
    server = GraphServer(flow)
    flow.to(name="later", handler="(event + 1)").respond()
    assert server.test(body=1) == 2


def test_the_graph_may_be_a_dict(engine: str) -> None:
    flow = {"kind": "root", "engine": engine, "steps": {"double": {"handler": "(event * 2)"}}}
    assert GraphServer(flow).test(body=2) == 4
    assert type(GraphServer(flow).graph) is RootFlowStep
    router = {"kind": "router", "routes": {"double": {"handler": "(event * 2)"}}}
    server = GraphServer(router)
    assert type(server.graph) is RouterStep
    assert server.test("double", 2) == 4
    server.graph = flow
    assert server.test(body=3) == 6


def test_the_graph_may_be_the_record_of_a_spec(engine: str) -> None:
    from graphkit.spec import codec

    record = codec.from_dict({"kind": "root", "engine": engine, "steps": {"double": {"handler": "(event * 2)"}}})
    assert GraphServer(record).test(body=2) == 4


def test_the_graph_may_be_a_router_object() -> None:
    server = GraphServer(ModelRouter(url_prefix="/models"))
    server.add_model("a", class_name=Model)
    assert server.test("/models/a/infer", {"inputs": [1]})["outputs"] == [1]


def test_a_nested_flow_becomes_a_root_of_its_own(engine: str) -> None:
    flow = FlowStep("prepare", engine=engine)
    flow.to(name="fail", handler=lambda x: 1 / 0)
    flow.error_handler(name="catch", handler=lambda x: "caught")
    flow.comment = "said"
    server = GraphServer(flow)
    assert (server.graph.kind, server.graph.name, server.graph.comment) == ("root", "prepare", "said")
    assert server.test(body=1) == "caught"


def test_of_a_step_that_stands_elsewhere_a_copy_is_taken(graph: Any) -> None:
    router = graph.to("*", name="models")
    router.add_route("a", class_name=Model)
    server = GraphServer(router)
    assert server.test("a/infer", {"inputs": [1]})["outputs"] == [1]
    server.add_model("b", class_name=Model)
    assert server.test("b/infer", {"inputs": [2]})["outputs"] == [2]
    assert list(router) == ["a"]
    assert router.parent is graph


def test_a_nested_flow_that_stands_elsewhere_is_copied_with_all_its_steps(graph: Any) -> None:
    inner = FlowStep("inner")
    inner.to(name="one", handler="(event + 1)").to(name="two", handler="(event * 2)")
    graph.add_step(inner)
    server = GraphServer(graph["inner"])
    assert server.test(body=1) == 4
    assert graph.to_mock_server().test(body=1) == 4


@pytest.mark.parametrize(
    ("root", "found"),
    [
        (TaskStep(name="a", handler="(event)"), "'task'"),
        (QueueStep("q"), "'queue'"),
        ({"kind": "task", "handler": "(event)"}, "'task'"),
        ("flow", "'str'"),
        (5, "'int'"),
        ([], "'list'"),
    ],
)
def test_anything_else_is_an_error(root: Any, found: str) -> None:
    with pytest.raises(GraphError, match=f"the root of a graph is a router or a flow, found {found}"):
        GraphServer(root)
    server = GraphServer()
    with pytest.raises(GraphError, match=found):
        server.graph = root
    assert server.graph is None


@pytest.mark.parametrize("root", [{"kind": "root", "stpes": {}}, {"kind": "rooot"}, {"kind": "server"}])
def test_a_dict_that_is_no_graph_is_a_spec_error(root: Any) -> None:
    with pytest.raises(SpecError):
        GraphServer(root)


def test_another_graph_may_be_set_at_any_time(engine: str) -> None:
    server = create_graph_server()
    server.add_model("a", class_name=Model)
    assert server.test("a/infer", {"inputs": [1]})["outputs"] == [1]
    flow = new_flow(engine=engine)
    flow.to(name="double", handler="(event * 2)").respond()
    server.graph = flow
    assert server.run(Event(2), get_body=True) == 4
    assert server.context.root is flow
    server.graph = None
    assert server.run(Event(2)).status_code == 500
    server.graph = flow
    assert server.test(body=2) == 4


# ---- set_topology -------------------------------------------------------------------------------------------------


def test_set_topology_returns_the_new_root(engine: str) -> None:
    server = GraphServer()
    flow = server.set_topology("flow", engine=engine)
    assert flow is server.graph
    assert (type(flow), flow.engine) == (RootFlowStep, engine)
    router = server.set_topology("router", "VotingEnsemble", vote_type="regression", name="zoo")
    assert router is server.graph
    assert (router.class_name, router.class_args, router.name) == ("VotingEnsemble", {"vote_type": "regression"}, "zoo")


def test_the_engine_left_out_is_async() -> None:
    assert GraphServer().set_topology("flow").engine == "async"


def test_the_routers_class_may_be_a_class_or_an_object() -> None:
    server = GraphServer()
    assert server.set_topology("router", ModelRouter, url_prefix="/m").class_name == "ModelRouter"
    assert server.set_topology("router", ModelRouter(url_prefix="/m")).class_args == {"url_prefix": "/m"}
    step = RouterStep(name="mine")
    assert server.set_topology("router", step) is step


def test_a_graph_with_steps_is_not_replaced_by_accident(engine: str) -> None:
    server = GraphServer()
    first = server.set_topology("flow", engine=engine)
    assert server.set_topology("flow", engine=engine) is not first  # it was empty
    server.graph.to(name="a", handler="(event)").respond()
    for topology in ("flow", "router"):
        with pytest.raises(GraphError, match="exist_ok=True"):
            server.set_topology(topology)
    assert server.test(body=1) == 1
    new = server.set_topology("flow", engine=engine, exist_ok=True)
    assert len(new) == 0
    new.to(name="b", handler="(event + 1)").respond()
    assert server.test(body=1) == 2


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"topology": "flw"}, "the topology 'flw' is not known; there is 'router' and 'flow', did you mean 'flow'"),
        ({"topology": None}, "the topology None is not known"),
        ({"topology": "flow", "class_name": "ModelRouter"}, "a flow has no class"),
        ({"topology": "flow", "vote_type": "x"}, "a flow has no class"),
        ({"topology": "router", "class_name": RouterStep(), "vote_type": "x"}, "'vote_type' must be set on the object"),
        ({"topology": "router", "class_name": new_flow()}, "takes a router, found a step of kind 'root'"),
    ],
)
def test_what_makes_no_graph_is_told(args: dict[str, Any], told: str) -> None:
    with pytest.raises(GraphError, match=told):
        GraphServer().set_topology(**args)


def test_an_unknown_engine_that_was_set_later_is_told_when_the_graph_is_bound() -> None:
    server = GraphServer()
    graph = server.set_topology("flow")
    graph.to(name="a", handler="(event)")
    graph.engine = "asink"
    with pytest.raises(GraphError, match=r"the engine 'asink' is not known; .*did you mean 'async'"):
        server.init()


# ---- add_model ----------------------------------------------------------------------------------------------------


def test_without_a_graph_given_models_can_be_added_at_once() -> None:
    server = create_graph_server()
    route = server.add_model("my", "/some/model.pkl", Model, factor=3)
    assert (route.name, route.class_args) == ("my", {"factor": 3, "model_path": "/some/model.pkl"})
    server = create_graph_server()
    server.add_model("my", class_name=Model, factor=3)
    assert server.test("my/infer", {"inputs": [2]})["outputs"] == [6]


def test_a_route_may_be_a_function() -> None:
    server = create_graph_server()
    server.add_model("f", handler="(event * 2)")
    assert server.test("f", 2) == 4


def test_the_root_router_may_be_named_or_given() -> None:
    server = GraphServer()
    root = server.set_topology("router", name="zoo")
    server.add_model("a", class_name=Model, router_step="zoo")
    server.add_model("b", class_name=Model, router_step=root)
    assert list(root) == ["a", "b"]


def test_in_a_flow_it_goes_to_the_one_router(graph: Any) -> None:
    graph.to(name="before", handler="(event)").to("*", name="models").respond()
    server = graph.to_mock_server()
    assert server.add_model("a", class_name=Model) is graph["models"]["a"]
    assert server.test("a/infer", {"inputs": [1]})["outputs"] == [1]


def test_in_a_flow_with_several_routers_one_is_named_or_given(graph: Any) -> None:
    graph.to("*", name="first").to("*", name="second").respond()
    server = graph.to_mock_server()
    with pytest.raises(GraphError, match=r"several routers \('first', 'second'\): name one with router_step="):
        server.add_model("a", class_name=Model)
    server.add_model("a", class_name=Model, router_step="second")
    server.add_model("b", class_name=Model, router_step=graph["first"])
    assert (list(graph["first"]), list(graph["second"])) == (["b"], ["a"])


def test_the_router_may_stand_in_a_nested_flow(graph: Any) -> None:
    inner = FlowStep("inner")
    inner.to("*", name="models").respond()
    graph.add_step(inner)
    server = graph.to_mock_server()
    server.add_model("a", class_name=Model)
    server.add_model("b", class_name=Model, router_step="inner/models")
    assert list(graph["inner"]["models"]) == ["a", "b"]
    assert server.test("b/infer", {"inputs": [1]})["outputs"] == [1]


def test_a_wrong_router_is_told(graph: Any) -> None:
    server = graph.to_mock_server()
    with pytest.raises(GraphError, match="the flow has no router: add one"):
        server.add_model("a", class_name=Model)
    graph.to("*", name="models").to(name="last", handler="(event)")
    for wrong in ("modles", "last"):
        with pytest.raises(GraphError, match=f"there is no router '{wrong}'.*there is 'models'"):
            server.add_model("a", class_name=Model, router_step=wrong)
    with pytest.raises(GraphError, match="there is no router 'modles'; there is 'models', did you mean 'models'"):
        server.add_model("a", class_name=Model, router_step="modles")


def test_a_model_without_a_class_or_a_server_without_a_graph_is_told() -> None:
    with pytest.raises(GraphError, match="the model 'a' needs a class_name"):
        create_graph_server().add_model("a", model_path="m.pkl")
    with pytest.raises(GraphError, match=r"no graph yet: set_topology\('router'\)"):
        GraphServer().add_model("a", class_name=Model)


def test_the_same_key_again_replaces_the_model() -> None:
    server = create_graph_server()
    server.add_model("m", class_name=Model, factor=1)
    assert server.test("m/infer", {"inputs": [1]})["outputs"] == [1]
    server.add_model("m", class_name=Model, factor=2)
    assert server.test("m/infer", {"inputs": [1]})["outputs"] == [2]


class Estimator:
    def predict(self, rows: Any) -> Any:
        return rows


def test_a_misspelt_class_name_of_a_model_is_told() -> None:
    with pytest.raises(GraphError) as caught:
        create_graph_server().add_model("m", clas_name=Model, model=1)
    assert str(caught.value) == "the model 'm' needs a class_name, found 'clas_name', did you mean 'class_name'?"


def test_a_ready_model_without_a_class_is_told_how_its_class_is_written() -> None:
    server = create_graph_server()
    with pytest.raises(GraphError) as caught:
        server.add_model("m", model=Estimator())
    said = str(caught.value)
    assert said.startswith("the model 'm' needs a class_name; the class says how an object of type Estimator is asked:")
    assert "    class MyModel(graphkit.V2ModelServer):\n        def predict(self, request):\n" in said
    with pytest.raises(GraphError, match="needs a class_name, found an object of type Estimator as model_path; the"):
        server.add_model("m", Estimator())
    with pytest.raises(GraphError, match="model_path is an address, found an object of type Estimator: give it as m"):
        server.add_model("m", Estimator(), class_name=Model)
    assert not server.graph.routes


def test_a_graph_in_the_place_of_the_parameters_is_told() -> None:
    with pytest.raises(GraphError, match=r"parameters is a dict, found the graph .*: give it as graph="):
        create_graph_server(new_flow())
