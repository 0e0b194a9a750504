"""A run laid over its graph: which marks, drawn with both renderers, and that the table stands where it cannot be."""

from __future__ import annotations

import base64
import json
import re
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from graphkit import GraphServer, new_flow, new_router
from graphkit.plan.topology import Doubt, EdgeKind
from graphkit.spec.steps import Kind
from graphkit.view import theme
from graphkit.view.dot import dot_lines
from graphkit.view.render import SETTING, render
from graphkit.view.run_picture import MOST_NODES, marked, run_marks, run_picture_html


def step(name: str, us: float = 10.0, error: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(name=name, duration_us=us, error=error)


def run(*steps: Any) -> SimpleNamespace:
    return SimpleNamespace(steps=list(steps))


def lines(topology: Any, record: Any) -> dict[str, str]:
    """Return the statements by the id that they carry."""
    found = {}
    for line in marked(topology, run_marks(topology, record), dot_lines(topology)):
        match = re.search(r'[ \[]id="([^"]+)" class=', line)
        if match:
            found[match[1]] = line
    return found


def test_steps_are_counted_and_their_times_summed(build: Any) -> None:
    marks = run_marks(build.iris(), run(step("clean", 5.0), step("label", 20.0), step("label", 30.0)))
    assert marks["clean"].text() == "5 µs"
    assert marks["label"].text() == "2 times, 50 µs"
    assert "models" not in marks


def test_what_holds_a_step_that_ran_has_run(build: Any) -> None:
    assert set(run_marks(build.iris(), run(step("models/forest")))) == {"models/forest", "models", ""}


def test_a_router_at_the_root_is_known_by_its_name(build: Any) -> None:
    marks = run_marks(build.of_router(build.task("a"), name="r"), run(step("r", 7.0), step("a", 5.0)))
    assert (marks[""].text(), marks["a"].text()) == ("7 µs", "5 µs")


def test_the_slowest_step_is_the_hottest(build: Any) -> None:
    shown = lines(build.chain(3), run(step("s0", 1.0), step("s1", 100.0), step("s2", 40.0)))
    fills = [re.findall(r'fillcolor="(#\w+)"', shown[f"step:s{i}"])[-1] for i in range(3)]
    warm = [theme.mixed(theme.HOT, share) for share in theme.HEAT]
    assert fills == [theme.KINDS[Kind.TASK].fill, warm[4], warm[3]]


def test_failures_and_what_was_not_reached_stand_apart(build: Any) -> None:
    shown = lines(build.chain(3), run(step("s0"), step("s1", error='ValueError: "<b>"')))
    assert f'color="{theme.FAILED.color}"' in shown["step:s1"]
    assert f'fillcolor="{theme.mixed(theme.WRONG, theme.FAILED_FILL)}"' in shown["step:s1"]
    assert ">failed<" in shown["step:s1"]
    assert "fontcolor" in shown["step:s2"]
    assert "µs" not in shown["step:s2"]


def edges_in(shown: dict[str, str], *colors: str) -> set[str]:
    ends = tuple(f'color="{color}" penwidth="{theme.TAKEN.width}"]\n' for color in colors)
    return {name for name, line in shown.items() if " -> " in line and line.endswith(ends)}


def test_the_way_of_the_event_is_strong_and_other_edges_are_faint(build: Any) -> None:
    shown = lines(build.iris(), run(step("clean", error="x"), step("catcher")))
    assert edges_in(shown, theme.TAKEN.color) == {"start:clean"}
    assert edges_in(shown, theme.TAKEN_ERROR.color) == {"error:clean:catcher"}
    shown = lines(build.iris(), run(step("clean"), step("models"), step("models/forest"), step("label")))
    taken = {"start:clean", "flow:clean:models", "route:models:models/forest", "flow:models:label"}
    assert edges_in(shown, theme.TAKEN.color) == taken
    assert edges_in(shown, theme.TAKEN_ERROR.color) == set()


def test_a_failure_inside_leads_to_the_handler_of_what_holds_it(build: Any) -> None:
    topology = build.graph(build.task("a"), build.task("b", "a"), build.error("e"), on_error="e")
    shown = lines(topology, run(step("a"), step("b", error="x"), step("e")))
    assert edges_in(shown, theme.TAKEN_ERROR.color) == {"error::e"}
    assert edges_in(lines(topology, run(step("a"), step("b"))), theme.TAKEN_ERROR.color) == set()


def test_an_edge_that_may_not_fit_keeps_its_colour(build: Any) -> None:
    topology = build.chain(2)
    doubt = Doubt(tail="s0", head="s1", kind=EdgeKind.FLOW, message="no", short="no")
    drawn = dot_lines(msgspec.structs.replace(topology, doubts=(doubt,)))
    for record in (run(step("s0"), step("s1")), run(step("s0", error="x"))):
        (line,) = [line for line in marked(topology, run_marks(topology, record), drawn) if '"flow warn"' in line]
        assert theme.TAKEN.color not in line


def test_arrows_reach_a_queue_that_ran(build: Any) -> None:
    shown = lines(build.graph(build.task("a"), build.queue("q", "a"), build.task("b", "q")), run(step("a"), step("q")))
    assert shown["step:q"].count('PORT="q"') == 2  # the mark's label, which wins over the step's own, has it as well


def test_a_name_that_looks_like_an_id_is_a_name(build: Any) -> None:
    name = 'x" id="step:b" class='
    shown = lines(build.graph(build.task(name), build.task("b", name)), run(step(name)))
    assert "µs" not in shown["step:b"]


def test_both_renderers_draw_it(build: Any, renderer: str) -> None:
    topology = build.iris()
    record = run(step("clean"), step("models"), step("models/forest", error="<script>\"&'"), step("label"))
    source = marked(topology, run_marks(topology, record), dot_lines(topology))
    drawn = json.loads(render("".join(["digraph g {\n", *source, "}\n"]), "json"))
    texts = {
        item["id"]: [part["text"] for part in item.get("_ldraw_", []) if part["op"] == "T" and part["text"].strip()]
        for item in drawn["objects"]
    }
    assert texts["step:clean"] == ["clean", "10 µs"]
    assert texts["step:models/forest"] == ["forest", "failed"]
    assert texts["step:models/logistic"] == ["logistic"]


def test_it_is_an_image_that_untrusted_notebooks_keep(build: Any) -> None:
    source = run_picture_html(build.iris(), run(step("clean", error="no")))
    assert re.fullmatch(r'<img alt="[^"]*" src="data:image/svg\+xml;base64,[\w+/=]+" style="[^"]*"/>', source)
    assert "The run came to 1 of them; failed: clean." in source
    assert b"<svg" in base64.b64decode(source.partition("base64,")[2].partition('"')[0])


def test_where_nothing_can_be_drawn_there_is_no_picture(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "/no/such/program")
    assert run_picture_html(build.iris(), run(step("clean"))) == ""


def test_of_very_large_and_of_empty_graphs_there_is_no_picture(build: Any) -> None:
    assert run_picture_html(build.chain(MOST_NODES + 1), run(step("s0"))) == ""
    assert run_picture_html(build.graph(), run()) == ""


def fails(body: Any) -> Any:
    raise ValueError("<script>")


def test_the_record_of_a_run_shows_it_above_the_table() -> None:
    graph = new_flow()
    graph.to(name="one", handler="(event + 1)").to(fails)
    server = graph.to_mock_server()
    server.test(body=1, silent=True)
    source = server.last_run._repr_html_()
    assert source.index("<img") < source.index("<table")
    assert "failed: fails" in source
    assert "<script" not in source


def test_it_is_the_graph_as_it_was_then() -> None:
    graph = new_flow()
    graph.to(name="one", handler="(event + 1)")
    server = graph.to_mock_server()
    server.test(body=1)
    graph["one"].to(name="two", handler="(event + 1)")
    server.test(body=1)
    assert [len(record.topology.nodes) for record in server.runs] == [2, 3]
    assert server.runs[0].topology is not server.runs[1].topology
    server.test(body=1)
    assert server.runs[2].topology is server.runs[1].topology


def test_a_run_that_could_not_be_bound_has_a_table_only() -> None:
    graph = new_flow()
    graph.to(name="one", handler="nobody")
    server = graph.to_mock_server()
    server.test(body=1, silent=True)
    assert "<img" not in server.last_run._repr_html_()


def test_routers_replays_and_dicts() -> None:
    router = new_router()
    router.add_route("a", handler="(event)")
    server = GraphServer(router)
    server.test("a", 1)
    assert "The run came to 1 of them." in server.last_run._repr_html_()
    assert "topology" not in server.last_run.to_dict()
    assert "<img" in server.replay()._repr_html_()
