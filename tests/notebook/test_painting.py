from __future__ import annotations

from typing import Any

import graphkit
from graphkit.build.picture import topology_of
from graphkit.notebook.drawing import draw_live
from graphkit.notebook.painting import paint
from graphkit.notebook.tally import Tally


def boom(event: Any) -> Any:
    raise ValueError(f"no <b>{event}</b>")


def shop(**names: Any) -> tuple[Any, Tally]:
    """A flow with every kind of edge, and what its last run did."""
    graph = graphkit.new_flow()
    router = graph.to(name="clean", handler="(event)").to("*ModelRouter", name="models")
    router.add_route("iris", handler="(event)")
    router.add_route("wine", handler="(event)")
    router.to(">>", name="jobs", path="").to(name="later", handler="(event)", function="worker")
    inner = graph.add_step(graphkit.FlowStep("inner"), name="inner", after="clean")
    inner.to(name="x", handler="(event)").to(name="y", handler=names.get("y", "(event)"))
    graph.error_handler(name="oops", handler="(event)")
    tally = Tally()
    graph.watch.add(tally)
    graph.to_mock_server(namespace={}).test(body=[1, 2, 3], silent=True)
    return graph, tally


def painted(graph: Any, tally: Tally, *closed: str, **more: Any) -> dict[str, Any]:
    return paint(draw_live(topology_of(graph), closed=closed), *tally.seen(), **more)


def test_the_path_taken_is_marked_and_no_other() -> None:
    marks = painted(*shop())
    assert set(marks["nodes"]) == {
        *("start", "step:clean", "step:models", "step:models/iris", "step:jobs", "step:later", "step:inner"),
        *("step:inner/x", "step:inner/y"),
    }
    assert set(marks["edges"]) == {
        *("start:clean", "flow:clean:models", "route:models:models/iris", "flow:models:jobs", "flow:jobs:later"),
        *("flow:clean:inner", "flow:inner/x:inner/y"),
    }
    assert (marks["run"]["state"], marks["run"]["status"]) == ("ok", 200)


def test_an_edge_tells_what_crossed_it() -> None:
    edge = painted(*shop())["edges"]["flow:clean:models"]
    assert (edge["short"], edge["more"]) == ("3 items", "[1, 2, 3]")


def test_a_failed_step_carries_its_message_and_the_error_edge_is_the_one_taken() -> None:
    marks = painted(*shop(y=boom))
    assert marks["nodes"]["step:inner/y"]["state"] == "bad"
    assert marks["nodes"]["step:inner/y"]["error"] == "ValueError: no <b>[1, 2, 3]</b>"
    assert marks["run"]["failed"] == "step:inner/y"
    assert marks["edges"]["error::oops"]["state"] == "ok"
    assert marks["nodes"]["step:oops"]["state"] == "ok"


def test_without_a_run_there_is_nothing_to_mark() -> None:
    graph, _ = shop()
    marks = painted(graph, Tally())
    assert marks == {"run": {}, "nodes": {}, "edges": {}, "bound": {}}


def test_a_folded_group_tells_of_all_its_steps() -> None:
    marks = painted(*shop(y=boom), "in:inner", "in:models", bound={"inner/x": "unbound", "inner/y": "stale"})
    assert marks["nodes"]["step:inner"]["state"] == "bad"
    assert "step:inner/y" not in marks["nodes"]
    assert marks["run"]["failed"] == "step:inner"
    assert marks["bound"] == {"step:inner": "stale"}


def test_heat_is_the_share_of_the_slowest_step() -> None:
    import time

    marks = painted(*shop(y=lambda event: time.sleep(0.02)))
    heats = {name: did.get("heat") for name, did in marks["nodes"].items()}
    assert heats["step:inner/y"] == 4
    assert heats["step:clean"] == 0
    assert heats["step:inner"] == 0  # it is no step of its own


def test_a_graph_that_is_one_router_is_marked_too() -> None:
    router = graphkit.new_router()
    router.add_route("a", handler="(event)")
    tally = Tally()
    router.watch.add(tally)
    graphkit.create_graph_server(graph=router).test("a/infer", body=1)
    marks = painted(router, tally)
    assert {"step:", "step:a", "start"} == set(marks["nodes"])
    assert {"start:", "route::a"} == set(marks["edges"])


def test_what_is_too_large_for_a_picture_is_told_in_a_line() -> None:
    from graphkit.view.bundle import MOST_NODES

    graph = step = graphkit.new_flow()
    for index in range(MOST_NODES + 10):
        step = step.to(name=f"s{index}", handler="(event)")
    tally = Tally()
    graph.watch.add(tally)
    graph.to_mock_server(namespace={}).test(body=1)
    marks = paint(draw_live(topology_of(graph), opened={"run:s4"}), *tally.seen())
    assert marks["run"]["status"] == 200
    assert (marks["nodes"], marks["edges"]) == ({}, {})
