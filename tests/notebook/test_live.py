from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest

import graphkit
from graphkit.notebook.live import LiveGraph


@pytest.fixture
def graph() -> Any:
    graph = graphkit.new_flow()
    graph.to(name="clean", handler="(event)").to(name="double", handler="(event * 2)").respond()
    return graph


class Sent(list[dict[str, Any]]):
    """What a widget sends to its page."""

    def of(self, live: LiveGraph) -> Sent:
        live.send = lambda content, buffers=None: self.append(content)
        return self


def asked(live: LiveGraph, **content: Any) -> dict[str, Any]:
    sent = Sent().of(live)
    live._handle_custom_msg(content, [])
    return sent[-1] if sent else {}


def test_it_follows_the_draft(graph: Any) -> None:
    live = LiveGraph(graph)
    before = live._picture["revision"]
    graph["double"].to(name="later", handler="(event)")
    live.settle()
    assert list(live.nodes) == ["clean", "double", "later"]
    assert live._picture["revision"] == before + 1


def test_many_changes_are_few_pictures() -> None:
    graph = step = graphkit.new_flow()
    live = LiveGraph(graph)
    for index in range(60):
        step = step.to(name=f"s{index}", handler="(event)")
    live.settle()
    assert len(live.nodes) == 60
    assert live._picture["revision"] < 20


def test_a_draft_that_another_thread_changes_all_the_time_is_drawn() -> None:
    graph = graphkit.new_flow()
    live = LiveGraph(graph)

    def build() -> None:
        step = graph
        for index in range(400):
            step = step.to(name=f"s{index}", handler="(event)")

    thread = threading.Thread(target=build)
    thread.start()
    for _ in range(20):
        live._draw()
    thread.join()
    live.settle()
    assert len(live.topology.nodes) == 401


def test_a_run_lights_its_path(graph: Any) -> None:
    live = LiveGraph(graph)
    graph.to_mock_server(namespace={}).test(body=2)
    live.settle()
    assert live._paint["run"]["status"] == 200
    assert live._paint["nodes"]["step:double"]["more"] == "4"


def test_a_re_run_cell_marks_its_steps_as_changed() -> None:
    names: dict[str, Any] = {"f": lambda event: event}
    graph = graphkit.new_flow()
    graph.to(name="a", handler="f").to(name="b", handler="(event)").respond()
    live = LiveGraph(graph)
    server = graph.to_mock_server(namespace=names)
    assert live._paint["bound"] == {}
    server.test(body=1)
    names["f"] = lambda event: event + 1
    live.look_again()
    live.settle()
    assert live._paint["bound"] == {"step:a": "stale"}
    server.test(body=1)
    live.settle()
    assert live._paint["bound"] == {}


def test_a_click_is_answered_with_the_inspector(graph: Any) -> None:
    live = LiveGraph(graph)
    graph.to_mock_server(namespace={}).test(body=2)
    panel = asked(live, type="inspect", id="step:double")
    assert (panel["type"], panel["id"]) == ("panel", "step:double")
    assert "event * " in panel["html"]
    edge = asked(live, type="inspect", id="flow:clean:double")
    assert "clean → double" in edge["html"]
    assert "start" in asked(live, type="inspect", id="start:clean")["html"]


@pytest.mark.parametrize("name", ["step:gone", "", "flow:a:b", "<b>"])
def test_what_is_not_there_any_more_is_answered_too(graph: Any, name: str) -> None:
    assert "not there any more" in asked(LiveGraph(graph), type="inspect", id=name)["html"]


@pytest.mark.parametrize("content", [None, 7, {}, {"type": "dance"}, {"type": "fold", "groups": ["in:no"], "open": 1}])
def test_messages_that_mean_nothing_are_passed_over(graph: Any, content: Any) -> None:
    live = LiveGraph(graph)
    live._handle_custom_msg(content, [])
    live.settle()
    assert list(live.nodes) == ["clean", "double"]


def test_groups_are_folded_and_opened() -> None:
    graph = graphkit.new_flow()
    graph.add_step(graphkit.FlowStep("inner"), name="inner").to(name="x", handler="(event)")
    live = LiveGraph(graph)
    live.fold("in:inner")
    live.settle()
    assert list(live.nodes) == ["inner"]
    html = asked(live, type="inspect", id="step:inner")["html"]
    assert "inner" in html
    live.unfold()
    live.settle()
    assert list(live.nodes) == ["inner", "inner/x"]


def test_a_folded_run_lists_its_steps() -> None:
    graph = step = graphkit.new_flow()
    for index in range(200):
        step = step.to(name=f"s{index}", handler="(event)")
    live = LiveGraph(graph)
    graph.to_mock_server(namespace={}).test(body=2)
    html = asked(live, type="inspect", id="step:s4")["html"]
    assert "192 steps" in html
    assert "<td>s10</td>" in html


def test_it_is_shown_in_every_form(graph: Any) -> None:
    data, _ = LiveGraph(graph)._repr_mimebundle_()
    assert list(data) == [
        *("application/vnd.jupyter.widget-view+json", "text/html", "image/svg+xml", "image/png", "text/plain"),
    ]
    assert data["text/plain"].startswith("flow, 2 steps")


def test_it_keeps_its_graph_alive_no_longer_than_others_do() -> None:
    graph = graphkit.new_flow()
    live, gone = LiveGraph(graph), weakref.ref(graph)
    del graph
    gc.collect()
    assert gone() is None
    assert live.root is None
    live._draw()
    live._show_paint()
    assert "not there" in asked(live, type="inspect", id="step:x")["html"]


def test_a_graph_that_cannot_be_drawn_is_told_in_words(graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHKIT_DOT", "/no/such/dot")
    live = LiveGraph(graph)
    assert live._picture["outline"].startswith("flow, 2 steps")


def test_a_recorded_run_is_shown_on_demand(graph: Any) -> None:
    server = graph.to_mock_server(namespace={})
    server.test(body=2)
    live = LiveGraph(graph)
    live.show_run(server.last_run, steps=1)
    live.settle()
    assert {name: did["state"] for name, did in live._paint["nodes"].items()} == {
        "start": "ok",
        "step:clean": "ok",
        "step:double": "run",
    }
