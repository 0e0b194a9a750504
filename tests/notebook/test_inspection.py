"""``graph.inspect("step")``: the inspector of a step as an object that stays, as text and as HTML."""

from __future__ import annotations

from typing import Any

import pytest

from graphkit import GraphError, GraphServer, RootFlowStep, new_flow, new_router
from graphkit.notebook.inspector import panel


def tidy(body: Any) -> Any:
    return {**body, "count": len(body["rows"])}


def share(body: Any) -> Any:
    return 1 / body["count"]


@pytest.fixture
def graph() -> RootFlowStep:
    graph = new_flow()
    graph.to(tidy).to(share)
    return graph


def lines(value: Any) -> list[str]:
    return [line.strip() for line in repr(value).splitlines()]


def test_before_any_run(graph: RootFlowStep) -> None:
    said = lines(graph.inspect("tidy"))
    assert said[0] == "tidy (task), not bound yet"
    assert said[1].startswith("defined in tests/notebook/test_inspection.py:")
    assert said[-1] == "no recorded run has come here yet"


def test_after_a_run(graph: RootFlowStep) -> None:
    server = graph.to_mock_server()
    server.test(body={"rows": [1, 2]})
    said = lines(server.inspect("tidy"))
    assert said[0] == "tidy (task), bound"
    assert said[3].startswith("last run: POST / -> 200, ")
    assert said[4:] == ["input   {'rows': [1, 2]}", "output  {'rows': [1, 2], 'count': 2}", "+ count: 2"]


def test_a_failure_is_cut_to_the_users_lines(graph: RootFlowStep) -> None:
    server = graph.to_mock_server()
    server.test(body={"rows": []}, silent=True)
    said = lines(server.inspect("share"))
    assert said[-4] == "failed"
    assert said[-3].startswith("tests/notebook/test_inspection.py, line ")
    assert said[-2:] == ['return 1 / body["count"]', "ZeroDivisionError: division by zero"]


def test_the_graph_the_step_and_the_server_inspect_the_same(graph: RootFlowStep) -> None:
    server = graph.to_mock_server()
    server.test(body={"rows": [1]})
    shown = [repr(found) for found in (graph.inspect("tidy"), graph["tidy"].inspect(), server.inspect("tidy"))]
    assert len(set(shown)) == 1


def test_it_stays_as_it_was(graph: RootFlowStep) -> None:
    server = graph.to_mock_server()
    server.test(body={"rows": [1]})
    first = graph.inspect("tidy")
    before = repr(first), first._repr_html_()
    server.test(body={"rows": [1, 2, 3]})
    graph["tidy"].comment = "changed"
    assert (repr(first), first._repr_html_()) == before
    assert repr(graph.inspect("tidy")) != before[0]


def test_the_html_is_the_panel_of_the_live_picture(graph: RootFlowStep) -> None:
    assert graph.inspect("tidy")._repr_html_() == panel(graph, None, "tidy")


def test_its_parts_can_be_taken(graph: RootFlowStep) -> None:
    server = graph.to_mock_server()
    assert graph.inspect("tidy").last_step is None
    server.test(body={"rows": [1]})
    found = graph.inspect("tidy")
    assert found.path == "tidy"
    assert found.source.startswith("def tidy(body: Any)")
    assert found.last_step.output == {"rows": [1], "count": 1}


def test_routers_below_and_at_the_root() -> None:
    router = new_router()
    router.add_route("double", handler="(event * 2)")
    server = GraphServer(router)
    server.test("double", 4)
    assert "route double: (event * 2), bound" in lines(router.inspect())
    assert "output  8" in lines(router["double"].inspect())
    flow = new_flow()
    inner = flow.to("*", name="models")
    inner.add_route("double", handler="(event * 2)")
    assert lines(flow.inspect("models/double")) == lines(inner.inspect("double"))


def test_the_graph_itself_shows_its_last_run(graph: RootFlowStep) -> None:
    server = graph.to_mock_server()
    assert lines(graph.inspect())[-1] == "no recorded run has come here yet"
    server.test(body={"rows": [1]})
    assert lines(server.inspect())[-1] == "answer: 1.0"


def test_an_unknown_step_is_an_error_with_the_nearest(graph: RootFlowStep) -> None:
    with pytest.raises(GraphError, match=r"there is no step 'tidi'; there is 'share', 'tidy', did you mean 'tidy'\?"):
        graph.inspect("tidi")


def test_a_server_without_a_graph_says_so() -> None:
    with pytest.raises(GraphError, match="no graph yet"):
        GraphServer().inspect("a")


def test_arrays_are_told_with_their_range() -> None:
    import numpy as np

    graph = new_flow()
    graph.to(lambda body: np.arange(12.0).reshape(3, 4), name="step").respond()
    server = graph.to_mock_server()
    server.test(body=1)
    assert "output  array 3 x 4 float64 from 0 to 11 [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, …]" in lines(graph.inspect("step"))


def test_lines_are_bounded() -> None:
    graph = new_flow()
    graph.to(name="step", handler="(event)").respond()
    server = graph.to_mock_server()
    server.test(body={"text": "x" * 100_000, "rows": list(range(100_000))})
    assert max(map(len, repr(graph.inspect("step")).splitlines())) < 300
