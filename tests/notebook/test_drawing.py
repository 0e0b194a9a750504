from __future__ import annotations

from typing import Any

import pytest

import graphkit
from graphkit.build.picture import drawn_topology, topology_of
from graphkit.notebook.drawing import FOLD_ABOVE, all_that_fit, draw_live
from graphkit.view.bundle import MOST_NODES
from graphkit.view.render import SETTING


def chain(length: int) -> Any:
    graph = step = graphkit.new_flow()
    for index in range(length):
        step = step.to(name=f"s{index}", handler="(event)")
    return topology_of(graph)


def test_every_node_edge_and_box_of_the_picture_is_described() -> None:
    graph = graphkit.new_flow()
    router = graph.to(name="clean", handler="(event)").to("*ModelRouter", name="models")
    router.add_route("a:1 <x>", handler="(event)")
    drawing = draw_live(topology_of(graph))
    page = drawing.page
    assert page["nodes"]["step:models"]["group"] == "in:models"
    assert page["boxes"] == {"box:models": {"group": "in:models", "name": "models", "part": "router"}}
    assert {(edge["tail"], edge["head"]) for edge in page["edges"].values()} == {
        ("clean", "models"),
        ("models", "a:1 <x>"),
    }
    for name in [*page["nodes"], *page["edges"], *page["boxes"]]:
        assert name == "step:" or f'id="{name}"' in page["svg"].replace("&#45;", "-")


def test_a_long_chain_is_folded_until_somebody_opens_it() -> None:
    topology = chain(FOLD_ABOVE + 20)
    drawing = draw_live(topology)
    assert (drawing.closed, len(drawing.shown.nodes) - 1) == (("run:s4",), 9)
    assert drawing.page["note"] == "100 steps, drawn as 9."
    node = drawing.page["nodes"]["step:s4"]
    assert (node["name"], node["hides"], node["hidden"][:2]) == ("... 92 steps ...", 91, ["s5", "s6"])
    opened = draw_live(topology, opened={"run:s4"})
    assert len(opened.shown.nodes) == len(topology.nodes)
    assert opened.page["note"] == ""


def test_what_somebody_closed_is_closed_in_a_small_graph_too() -> None:
    graph = graphkit.new_flow()
    graph.add_step(graphkit.FlowStep("inner"), name="inner").to(name="x", handler="(event)")
    drawing = draw_live(topology_of(graph), closed={"in:inner", "in:gone"})
    assert drawing.closed == ("in:inner",)
    assert drawing.stands == {"inner/x": "inner"}
    assert drawing.page["nodes"]["step:inner"]["closed"] is True
    assert drawing.page["boxes"] == {}


def test_too_many_nodes_are_told_as_an_outline() -> None:
    topology = chain(MOST_NODES + 10)
    page = draw_live(topology, opened={"run:s4"}).page
    assert page["svg"] == ""
    assert page["outline"].startswith("flow, 410 steps")
    assert "too many for a picture" in page["note"]
    assert (page["nodes"], page["edges"], page["boxes"]) == ({}, {}, {})


def test_without_a_renderer_there_is_an_outline_and_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "/no/such/dot")
    page = draw_live(chain(2)).page
    assert (page["svg"], page["outline"].splitlines()[1]) == ("", "  start -> s0 -> s1 (answers)")
    assert "GRAPHKIT_DOT" in page["note"]


def test_problems_stand_with_their_step() -> None:
    graph = graphkit.new_flow()
    graph.to(name="a", handler="(event)").after = ["b"]
    node = draw_live(topology_of(graph)).page["nodes"]["step:a"]
    assert "names 'b', which is no step of the flow" in node["problems"][0]


def test_an_edge_over_which_nothing_fitting_comes_says_why() -> None:
    def numbers(rows: list[str]) -> list[float]:
        return [float(row) for row in rows]

    def upper(text: str) -> str:
        return text.upper()

    graph = graphkit.new_flow()
    inner = graph.add_step(graphkit.FlowStep("inner"), name="inner")
    inner.to(numbers).to(upper)
    page = draw_live(drawn_topology(graph)).page
    assert "numbers" in page["doubts"]["flow:inner/numbers:inner/upper"]
    assert draw_live(drawn_topology(graph), closed={"in:inner"}).page["doubts"] == {}


def test_as_much_is_open_at_once_as_a_picture_has_room_for() -> None:
    small = draw_live(chain(100))
    assert all_that_fit(small) == {"run:s4"}
    graph = graphkit.new_flow()
    for name in ("one", "two"):
        inner = graph.add_step(graphkit.FlowStep(name), name=name)
        for index in range(MOST_NODES - 50 if name == "one" else 60):
            inner = inner.to(name=f"s{index}", handler="(event)")
    large = draw_live(topology_of(graph))
    opened = all_that_fit(large)
    assert {"in:one", "in:two"} <= opened < set(large.groups)
    shown = draw_live(large.topology, opened=opened)
    assert shown.page["svg"]
    assert len(shown.shown.nodes) <= MOST_NODES
