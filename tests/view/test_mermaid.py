from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from graphkit.core.errors import GraphError
from graphkit.view.mermaid import mermaid


def lines_of(topology: Any, **options: Any) -> list[str]:
    return [line.strip() for line in mermaid(topology, **options).splitlines()]


def test_steps_edges_and_shapes(build: Any) -> None:
    lines = lines_of(build.iris())
    assert lines[0] == "flowchart TB"
    assert 'start(("start")):::start' in lines
    assert 'n1(["clean"]):::task' in lines
    assert 'n2{{"models<br/><small>VotingEnsemble</small>"}}:::router' in lines
    assert {"start --> n1", "n1 --> n2", "n1 -.-> n6", "n2 --> n3", "n2 --> n4", "n2 --> n5"} <= set(lines)


def test_boxes_are_closed_and_hold_what_they_should(build: Any) -> None:
    inner = build.flow("inner", [build.router("m", ["a", "b"])])
    lines = lines_of(build.graph(build.flow("outer", [inner]), build.task("z", "outer")))
    kept = [line for line in lines if line == "end" or line.startswith(("subgraph", "n"))]
    assert kept[:9] == [
        'subgraph n1["outer"]',
        'subgraph n2["inner"]',
        'subgraph box_n3[" "]',
        'n3{{"m"}}:::router',
        'n4(["a"]):::task',
        'n5(["b"]):::task',
        "end",
        "end",
        "end",
    ]


def test_a_router_as_the_whole_graph(build: Any) -> None:
    lines = lines_of(build.of_router(build.task("iris"), name="models"))
    assert "start --> n0" in lines
    assert "n0 --> n1" in lines
    assert lines.count("end") == 1


def test_the_handler_of_the_whole_flow(build: Any) -> None:
    lines = lines_of(build.graph(build.task("a"), build.error("panic"), on_error="panic"))
    assert "start -.-> n2" in lines


def test_problems_and_functions_show(build: Any) -> None:
    text = mermaid(build.graph(build.task("a", "nowhere"), build.task("b", function="child")))
    assert 'n1(["a"]):::problem' in text
    assert 'n2(["b<br/><small><i>child</i></small>"]):::task' in text
    assert "classDef problem" in text


@pytest.mark.parametrize(
    "name",
    [
        "<lambda>",
        'say "hi"',
        "a;b",
        "#quot;",
        "`code`",
        "end",
        "a -->|x| b",
        "<script>alert(1)",
        "[x]",
        "{y}",
        "&amp;",
        "%% no comment",
        "日本語",
        "back\\slash",
    ],
)
def test_names_hold_no_markup(build: Any, name: str) -> None:
    line = next(line for line in lines_of(build.graph(build.task(name))) if line.startswith("n1"))
    found = re.fullmatch(r'n1\(\["([^"<>`{}\[\]|\\%&]*)"\]\):::task', line)
    assert found
    # decoded as Mermaid does it, the name is what it was
    assert re.sub(r"#(\d+);", lambda code: chr(int(code[1])), found[1]) == name


def test_lines_of_a_name_are_kept(build: Any) -> None:
    assert 'n1(["two<br/>lines"]):::task' in lines_of(build.graph(build.task("two\nlines")))


def test_direction_source_and_targets(build: Any) -> None:
    target = SimpleNamespace(name="out", after=None, shape="box")
    lines = lines_of(build.graph(build.task("a")), source="in", targets=[target, "db"], rankdir="LR")
    assert lines[0] == "flowchart LR"
    assert 'start(("in")):::start' in lines
    assert 't0["out"]:::start' in lines
    assert 't1[("db")]:::start' in lines
    assert "n1 --> t0" in lines


def test_an_unknown_direction_is_not_written(build: Any) -> None:
    assert lines_of(build.graph(), rankdir="LR; click start evil")[0] == "flowchart TB"


def test_a_target_after_an_unknown_step_is_an_error(build: Any) -> None:
    with pytest.raises(GraphError, match="which is no step of the graph"):
        mermaid(build.graph(), targets=[SimpleNamespace(name="t", after="x")])


def test_a_long_chain_becomes_text(build: Any) -> None:
    assert mermaid(build.chain(4_500)).count("-->") == 4_500
