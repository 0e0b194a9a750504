"""Tests of the roots that a server can have."""

from __future__ import annotations

from typing import Any

import pytest

from graphkit import FlowStep, GraphError, GraphServer, V2ModelServer, create_graph_server, new_flow, new_router


@pytest.mark.parametrize(("given", "expected"), [({}, "VotingEnsemble"), ({"name": "zoo"}, "zoo")])
def test_a_root_router_is_called_as_given_else_by_its_class(given: dict[str, str], expected: str) -> None:
    router = new_router("VotingEnsemble", executor_type="array", **given)
    router.add_route("a", class_name=V2ModelServer, model=1)
    server = create_graph_server(graph=router)
    assert server.test("/v2/models/")["models"] == ["a", expected]


def test_a_body_in_the_place_of_the_path_is_told_where_it_belongs() -> None:
    with pytest.raises(TypeError, match=r"found dict; a body is given as test\(body=\.\.\.\)"):
        create_graph_server().test({"amount": 1})


@pytest.mark.parametrize(("field", "value"), [("on_error", "catch"), ("after", ["clean"])])
def test_a_root_router_that_names_steps_beside_it_is_refused(field: str, value: Any) -> None:
    router = new_router(name="zoo")
    router.add_route("one", handler="(1)")
    setattr(router, field, value)
    for attempt in (router.plot, lambda: router.save("zoo.yaml"), GraphServer(router).init):
        with pytest.raises(GraphError, match=f"the router is the whole graph, so that its {field} cannot name"):
            attempt()
    router.init_object(None, {})  # on its own it is no graph


def test_a_router_of_a_flow_leaves_its_place_behind_when_it_becomes_a_root() -> None:
    graph = new_flow()
    router = graph.to(name="clean", handler="(event)").to("*", name="zoo")
    router.add_route("one", handler="(event['x'])")
    router.error_handler(name="catch", handler="(0)")
    router.plot()
    assert GraphServer(router).test("one", {"x": 1}) == 1
    assert router.on_error == "catch"


def test_a_nested_flow_becomes_a_root_with_all_that_its_steps_have() -> None:
    flow = FlowStep("inner")
    flow.to(name="a", handler="(1 / 0)").error_handler(name="catch", handler="(-1)")
    flow["a"].comment, flow["a"].shape, flow.comment, flow.on_error = "divides", "box", "odd", "catch"
    new_flow().to(flow)
    root = GraphServer(flow).graph
    assert [root.comment, root.on_error, root["a"].comment, root["a"].shape] == ["odd", "catch", "divides", "box"]
    assert root["a"].on_error == "catch"


def test_a_root_router_has_a_mock_server_that_sees_later_routes() -> None:
    def double(body: Any) -> Any:
        return body["x"] * 2

    router = new_router()
    server = router.to_mock_server(namespace={"double": double}, parameters={"p": 1})
    router.add_route("twice", handler="double")
    assert server.test("twice", {"x": 21}) == 42
    assert (server.context.is_mock, server.context.get_param("p")) == (True, 1)
    assert repr(router) == "RouterStep(1 routes)"
    assert repr(new_router(name="zoo")) == "RouterStep('zoo')"


@pytest.mark.parametrize("make", [lambda: new_router(name="zoo"), lambda: new_flow("zoo")])
def test_what_stands_in_a_graph_has_no_mock_server_of_its_own(make: Any) -> None:
    inner = make()
    new_flow().to(inner)
    with pytest.raises(GraphError, match=r"'zoo' stands in a graph: call to_mock_server\(\) of that graph"):
        inner.to_mock_server()
