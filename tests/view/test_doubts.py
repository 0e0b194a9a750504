"""Edges over which nothing fitting comes, in every form of a picture: marked, in words, and never an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from graphkit import new_flow
from graphkit.plan.topology import Doubt, EdgeKind, Topology
from graphkit.view.bundle import mime_bundle
from graphkit.view.dot import dot_source
from graphkit.view.mermaid import mermaid
from graphkit.view.outline import alt_text, outline

EVIL = "<b>\"x\" & 'y' ]|\\n"


def doubtful(build: Any, short: str = "int, not str", message: str = "'a' gives int, 'b' takes str") -> Topology:
    import msgspec

    topology: Topology = build.graph(build.task("a"), build.task("b", "a"), build.task("c", "b"))
    return msgspec.structs.replace(topology, doubts=(Doubt(tail="a", head="b", message=message, short=short),))


def line_of(source: str, edge: str) -> str:
    return next(line for line in source.splitlines() if f'id="{edge}"' in line)


def test_the_edge_has_a_class_a_label_and_a_tooltip(build: Any) -> None:
    source = dot_source(doubtful(build))
    marked, plain = line_of(source, "flow:a:b"), line_of(source, "flow:b:c")
    assert 'class="flow warn"' in marked
    assert "int, not str" in marked
    assert "'a' gives int, 'b' takes str" in marked
    assert "warn" not in plain
    assert "label" not in plain


def test_it_is_drawn(build: Any, drawn: Callable[..., Any], renderer: str) -> None:
    edge = drawn(doubtful(build)).edges["flow:a:b"]
    assert [part["text"].strip() for part in edge["_ldraw_"] if part["op"] == "T"] == ["int, not str"]


def test_any_text_is_shown_as_it_is(build: Any, drawn: Callable[..., Any], renderer: str) -> None:
    edge = drawn(doubtful(build, EVIL, EVIL)).edges["flow:a:b"]
    texts = [part["text"].replace("\\\\", "\\").strip() for part in edge["_ldraw_"] if part["op"] == "T"]
    assert texts == [EVIL]


def test_a_doubt_about_an_edge_that_is_not_drawn_does_no_harm(build: Any) -> None:
    import msgspec

    doubts = (
        Doubt(tail="x", head="y", message="m", short="s"),
        Doubt(tail="a", head="b", kind=EdgeKind.ERROR, message="m", short="s"),
    )
    topology = msgspec.structs.replace(doubtful(build), doubts=doubts)
    assert "warn" not in dot_source(topology)


def test_it_is_told_in_words(build: Any) -> None:
    topology = doubtful(build)
    assert outline(topology).splitlines()[-2:] == ["  warnings", "    'a' gives int, 'b' takes str"]
    assert alt_text(topology).endswith("1 warning marked.")
    assert "Warning: &#x27;a&#x27; gives int, &#x27;b&#x27; takes str." in mime_bundle(topology)["text/html"]


def test_it_stands_at_the_edge_in_mermaid(build: Any) -> None:
    assert re.search(r'n1 -->\|"int, not str"\| n2', mermaid(doubtful(build)))


def test_a_list_of_them_is_bounded(build: Any) -> None:
    import msgspec

    topology = msgspec.structs.replace(
        doubtful(build), doubts=tuple(Doubt(tail="a", head="b", message=f"m{i}", short="s") for i in range(500))
    )
    assert outline(topology).splitlines()[-1] == "    ... and 460 more"
    assert mime_bundle(topology, include=["text/html"])["text/html"].count("Warning") == 3


def number(body: Any) -> int:
    return 1


def shout(body: str) -> str:
    return str(body) + "!"


@pytest.fixture
def graph() -> Any:
    graph = new_flow()
    graph.to(number).to(shout)
    return graph


def test_a_graph_in_a_cell_and_its_plot_show_it(graph: Any) -> None:
    assert "'number' gives int, 'shout' takes str" in graph._repr_mimebundle_(include=["text/plain"])["text/plain"]
    assert "warn" in graph.plot().source


def test_a_nested_flow_taken_alone_shows_it_too() -> None:
    from graphkit import FlowStep

    outer, inner = new_flow(), FlowStep("inner")
    inner.to(number).to(shout)
    outer.to(inner)
    assert "'number' gives int, 'shout' takes str" in inner._repr_mimebundle_(include=["text/plain"])["text/plain"]
    assert (
        "'inner/number' gives int, 'inner/shout' takes str"
        in outer._repr_mimebundle_(include=["text/plain"])["text/plain"]
    )


def test_saving_binding_and_running_ignore_it(graph: Any) -> None:
    assert graph.to_mock_server().test(body=0) == "1!"
    assert "doubt" not in graph.to_yaml()
