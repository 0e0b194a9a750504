from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace
from typing import Any

import pytest

from graphkit.core.errors import GraphError
from graphkit.plan.topology import Edge, EdgeKind
from graphkit.view import theme
from graphkit.view.dot import dot_lines, dot_source, edge_id, node_id
from graphkit.view.render import render

SVG = "{http://www.w3.org/2000/svg}"
TITLE = "{http://www.w3.org/1999/xlink}title"

NASTY = [
    "<lambda>",
    "<b>bold</b>",
    "<script>alert(1)</script>",
    "&lt;b&gt;",
    "&amp;",
    "a & b",
    'say "hi"',
    "it's",
    "m:v1",
    "a:b:c",
    "back\\slash",
    "ends in \\",
    "\\N \\G \\T \\n \\l",
    "{a|b}",
    "a->b",
    "node",
    "graph",
    "%3",
    "# no comment",
    "// nor this",
    "/* nor that */",
    "é",
    "日本語",
    "🎉",
    "a;b",
    "[x=y]",
    "  spaces  ",
    "0",
    "-1.5",
    "<",
    ">",
    '"',
    "\\",
    "<<B>x</B>>",
    "&#92;",
    "\u202etxt",
    "x" * 60,
]


def svg_texts(topology: Any) -> dict[str, tuple[str, str]]:
    """Render to SVG; the text and the tooltip of each group with an id."""
    tree = ET.fromstring(render(dot_source(topology), "svg"))
    found = {}
    for group in tree.iter(f"{SVG}g"):
        link = group.find(f"{SVG}g/{SVG}a")
        text = "".join(part.text or "" for part in group.iter(f"{SVG}text"))
        found[group.get("id", "")] = (text, link.get(TITLE, "") if link is not None else "")
    return found


def test_a_flow_is_drawn_with_its_start_steps_and_edges(build: Any, drawn: Any) -> None:
    picture = drawn(build.graph(build.task("a"), build.task("b", "a")))
    assert set(picture.nodes) == {"start", "step:a", "step:b"}
    assert {edge: picture.ends(edge) for edge in picture.edges} == {
        "start:a": ("start", "step:a"),
        "flow:a:b": ("step:a", "step:b"),
    }


def test_the_start_is_an_egg_and_can_be_named(build: Any, drawn: Any) -> None:
    topology = build.graph(build.task("a"))
    start = drawn(topology).nodes["start"]
    assert (start["shape"], start["label"]) == ("egg", "start")
    assert drawn(topology, source="orders").nodes["start"]["label"] == "orders"


def test_a_source_may_be_any_object_with_name_and_shape(build: Any, drawn: Any) -> None:
    topology = build.graph(build.task("a"))
    plain = drawn(topology, source=SimpleNamespace(name="s", shape="box")).nodes["start"]
    asked = drawn(topology, source=SimpleNamespace(name="s", shape=None, get_shape=lambda: "diamond")).nodes["start"]
    assert (plain["label"], plain["shape"], asked["shape"]) == ("s", "box", "diamond")


def test_targets_stand_after_the_answering_step(build: Any, drawn: Any) -> None:
    picture = drawn(build.iris(), targets=["parquet/archive", "log"])
    assert picture.texts(picture.nodes["target:0:parquet/archive"]) == ["archive", "parquet"]
    assert picture.ends("target-edge:0:label") == ("step:label", "target:0:parquet/archive")
    assert picture.ends("target-edge:1:label") == ("step:label", "target:1:log")


def test_a_target_may_say_what_it_comes_after(build: Any, drawn: Any) -> None:
    target = SimpleNamespace(name="store", shape="folder", after=["a", "b"])
    picture = drawn(build.graph(build.task("a"), build.task("b", "a")), targets=[target])
    assert picture.nodes["target:0:store"]["shape"] == "folder"
    assert {"target-edge:0:a", "target-edge:0:b"} < set(picture.edges)


def test_a_target_after_an_unknown_step_is_an_error_with_the_nearest_name(build: Any) -> None:
    with pytest.raises(GraphError, match=r"the target 't' comes after 'cleen'.*did you mean 'clean'\?"):
        dot_lines(build.graph(build.task("clean")), targets=[SimpleNamespace(name="t", after="cleen")])


def test_targets_stand_after_all_ends_when_none_answers(build: Any, drawn: Any) -> None:
    topology = build.graph(build.task("a"), build.task("b", "a"), build.task("c", "a"))
    assert {"target-edge:0:b", "target-edge:0:c"} < set(drawn(topology, targets=["t"]).edges)


def test_a_router_stands_with_its_routes_in_a_box(build: Any, drawn: Any) -> None:
    picture = drawn(build.iris())
    assert picture.inside("box:models") == {"step:models", "step:models/logistic", "step:models/forest"}
    assert picture.nodes["step:models"]["shape"] == "doubleoctagon"
    assert picture.ends("route:models:models/forest") == ("step:models", "step:models/forest")


def test_an_edge_out_of_a_router_leaves_its_box(build: Any, drawn: Any) -> None:
    edge = drawn(build.iris()).edges["flow:models:label"]
    assert edge["ltail"].startswith("cluster_")


def test_a_router_as_the_whole_graph(build: Any, drawn: Any) -> None:
    picture = drawn(build.of_router(build.task("iris"), build.task("m2:v1"), name="models"))
    assert picture.ends("start:") == ("start", "step:")
    assert picture.texts(picture.nodes["step:m2%3Av1"]) == ["m2:v1"]


def test_a_router_says_its_class_when_its_name_does_not(build: Any, drawn: Any) -> None:
    picture = drawn(build.iris())
    assert picture.texts(picture.nodes["step:models"]) == ["models", "VotingEnsemble"]
    named = drawn(build.graph(build.router("Voting", ["a"], class_name="my.Voting")))
    assert named.texts(named.nodes["step:Voting"]) == ["Voting"]


def test_error_edges_are_dashed_and_others_are_not(build: Any, drawn: Any) -> None:
    picture = drawn(
        build.graph(
            build.task("a", on_error="fix"),
            build.task("b", "a"),
            build.error("fix", "b"),
        )
    )
    styles = {edge: item.get("style", "solid") for edge, item in picture.edges.items()}
    assert styles == {"start:a": "solid", "flow:a:b": "solid", "error:a:fix": "dashed", "resume:fix:b": "solid"}


def test_the_handler_of_a_whole_flow_is_reached_from_a_box_around_its_steps(build: Any, drawn: Any) -> None:
    picture = drawn(build.graph(build.task("a"), build.task("b", "a"), build.error("panic"), on_error="panic"))
    assert picture.inside("body:") == {"step:a", "step:b"}
    edge = picture.edges["error::panic"]
    assert (edge["style"], edge["ltail"]) == ("dashed", "cluster_body_n0")


def test_the_handler_of_an_empty_flow_draws(build: Any, drawn: Any) -> None:
    assert "step:panic" in drawn(build.graph(build.error("panic"), on_error="panic")).nodes


def test_nested_flows_are_boxes_and_edges_end_at_their_borders(build: Any, drawn: Any) -> None:
    picture = drawn(
        build.graph(
            build.task("in"),
            build.flow("sub", [build.task("x"), build.task("y", "x")], "in"),
            build.task("out", "sub"),
        )
    )
    assert picture.inside("step:sub") == {"step:sub/x", "step:sub/y"}
    box = picture.boxes["step:sub"]["name"]
    assert picture.edges["flow:in:sub"]["lhead"] == picture.edges["flow:sub:out"]["ltail"] == box
    assert picture.ends("flow:in:sub") == ("step:in", "step:sub/x")
    assert picture.ends("flow:sub:out") == ("step:sub/y", "step:out")


def test_an_empty_nested_flow_draws(build: Any, drawn: Any) -> None:
    picture = drawn(build.graph(build.flow("sub", []), build.task("a", "sub")))
    assert picture.texts(picture.nodes["empty:sub"]) == ["no steps"]


def test_routes_that_hold_steps_draw(build: Any, drawn: Any) -> None:
    inner = build.router("inner", ["a", "b"])
    flow = build.flow("f", [build.task("x"), build.task("y", "x")])
    picture = drawn(build.graph(build.router("top", [inner, flow]), build.task("z", "top")))
    assert picture.ends("route:top:top/inner") == ("step:top", "step:top/inner")
    assert picture.edges["route:top:top/f"]["lhead"] == picture.boxes["step:top/f"]["name"]


def test_deeply_nested_flows_need_no_recursion(build: Any) -> None:
    step = build.task("core")
    depth = 400
    for level in range(depth):
        step = build.flow(f"f{level}", [step])
    source = dot_source(build.graph(build.task("a"), step, build.task("z", step.name)))
    assert source.count("subgraph") == depth
    assert source.count("{") == source.count("}")


def test_a_queue_shows_its_path(build: Any, drawn: Any) -> None:
    picture = drawn(build.graph(build.queue("q", path="kafka://broker/topic"), build.queue("m")))
    assert picture.texts(picture.nodes["step:q"]) == ["q", "kafka://broker/topic"]
    assert picture.texts(picture.nodes["step:m"]) == ["m"]
    assert picture.nodes["step:q"]["shape"] == "cds"


def test_child_functions_stand_in_boxes_of_their_own_tint(build: Any, drawn: Any) -> None:
    picture = drawn(
        build.graph(
            build.task("a"),
            build.queue("q", "a", path="memory://q"),
            build.task("b", "q", function="one"),
            build.task("c", "b", function="one"),
            build.queue("r", "c", path="memory://r"),
            build.task("d", "r", function="two"),
        )
    )
    one, two = picture.boxes["function:one:"], picture.boxes["function:two:"]
    assert picture.inside("function:one:") == {"step:b", "step:c"}
    assert picture.inside("function:two:") == {"step:d"}
    assert picture.texts(one) == ["one"]
    assert one["fillcolor"] != two["fillcolor"]


def test_a_route_in_a_function_of_its_own_is_boxed_inside_the_router(build: Any, drawn: Any) -> None:
    topology = build.graph(build.router("m", ["own", build.task("far", function="gpu")]))
    picture = drawn(topology)
    assert picture.inside("function:gpu:m") == {"step:m/far"}
    assert picture.inside("box:m") == {"step:m", "step:m/own", "step:m/far"}


def test_the_answering_step_has_a_double_border(build: Any, drawn: Any) -> None:
    nodes = drawn(build.graph(build.task("a"), build.task("b", "a"))).nodes
    assert nodes["step:b"]["peripheries"] == "2"
    assert "peripheries" not in nodes["step:a"]
    assert "answer" in nodes["step:b"]["class"].split()


def test_nothing_is_marked_when_the_event_id_is_the_answer(build: Any, drawn: Any) -> None:
    nodes = drawn(build.graph(build.task("a"), build.task("b", "a"), build.task("c", "a"))).nodes
    assert not any("peripheries" in node for node in nodes.values())


def test_problems_are_marked_and_told(build: Any, drawn: Any) -> None:
    topology = build.graph(build.task("clean"), build.task("next", "claen"))
    assert topology.problems
    picture = drawn(topology)
    node = picture.nodes["step:next"]
    assert (node["color"], node["style"]) == (theme.WRONG, "filled,dashed")
    assert "problem" in node["class"].split()
    assert picture.texts(node) == ["next ", "[1]"]
    assert "did you mean 'clean'?" in node["tooltip"]
    assert picture.texts(picture.graph)[0].startswith("[1] next: after names 'claen'")


def test_problems_of_the_whole_graph_are_told_too(build: Any, drawn: Any) -> None:
    topology = build.graph(build.task("a", responder=True), build.task("b", responder=True))
    picture = drawn(topology)
    assert any("several steps respond" in text for text in picture.texts(picture.graph))


def test_a_wrong_nested_flow_is_marked_on_its_box(build: Any, drawn: Any) -> None:
    picture = drawn(build.graph(build.flow("sub", [build.task("x")], "nowhere")))
    assert picture.boxes["step:sub"]["color"] == theme.WRONG
    assert picture.texts(picture.boxes["step:sub"]) == ["sub ", "[1]"]


def test_many_problems_are_cut_short(build: Any) -> None:
    topology = build.graph(*(build.task(f"t{i}", "nowhere") for i in range(50)))
    assert f"... and {len(topology.problems) - 20} more problems" in dot_source(topology)


def test_a_step_without_a_name_is_told(build: Any, drawn: Any) -> None:
    picture = drawn(build.graph(build.task(""), build.task("a")))
    assert "step:a" in picture.nodes
    assert any("is no step name" in text for text in picture.texts(picture.graph))


def test_a_loop_is_drawn(build: Any, drawn: Any) -> None:
    picture = drawn(build.graph(build.task("a", "c"), build.task("b", "a"), build.task("c", "b")))
    assert {"flow:a:b", "flow:b:c", "flow:c:a"} == set(picture.edges)


def test_an_empty_graph_is_a_start(build: Any, drawn: Any) -> None:
    assert set(drawn(build.graph()).nodes) == {"start"}


def test_ids_are_unique_and_classes_name_kinds(build: Any, drawn: Any) -> None:
    topology = build.iris()
    picture = drawn(topology)
    written = len(re.findall(r"\bid=", "".join(dot_lines(topology))))
    assert written == len(picture.nodes) + len(picture.boxes) + len(picture.edges)
    assert picture.nodes["step:clean"]["class"] == "task"
    assert picture.nodes["step:models"]["class"] == "router"
    assert picture.nodes["step:catcher"]["class"] == "error_step"
    assert {item["class"] for item in picture.edges.values()} == {"flow", "route", "error"}


def test_ids_are_those_that_the_functions_give(build: Any, drawn: Any) -> None:
    topology = build.iris()
    picture = drawn(topology)
    assert {node_id(path) for path in topology.nodes if path} <= set(picture.nodes)
    assert {edge_id(edge) for edge in topology.edges} < set(picture.edges)
    assert edge_id(Edge(tail="a", head="b", kind=EdgeKind.ERROR)) == "error:a:b"


def test_an_edge_given_twice_is_drawn_once(build: Any, drawn: Any) -> None:
    assert list(drawn(build.graph(build.task("a"), build.task("b", "a", "a"))).edges) == ["start:a", "flow:a:b"]


def test_arguments_of_a_step_never_appear(build: Any) -> None:
    topology = build.graph(build.task("a", class_name="K", class_args={"password": "hunter2"}))
    assert "hunter2" not in dot_source(topology)


def test_names_show_as_they_are_in_both_renderers(build: Any, renderer: str) -> None:
    topology = build.graph(*(build.task(name, comment=f"c{name}") for name in NASTY))
    found = svg_texts(topology)
    for name in NASTY:
        text, tooltip = found[node_id(name)]
        assert text.replace("\xa0", " ").strip() == (name.strip() or "task") + _mark_of(topology, name)
        assert f"c{name}" in tooltip.replace("\xa0", " ")


def _mark_of(topology: Any, name: str) -> str:
    # the names "" and those with a slash are problems, and are marked
    marked = any(problem.path == name for problem in topology.problems if problem.path)
    numbers = [i for i, problem in enumerate(topology.problems, 1) if problem.path == name]
    return f" [{', '.join(map(str, numbers))}]" if marked else ""


def test_small_print_shows_as_it_is_in_both_renderers(build: Any, renderer: str) -> None:
    nasty = [name for name in NASTY if name.strip()]
    topology = build.graph(*(build.queue(f"q{i}", path=path) for i, path in enumerate(nasty)))
    found = svg_texts(topology)
    for i, path in enumerate(nasty):
        expected = path if len(path) <= 40 else path[:39] + "…"
        assert found[f"step:q{i}"][0].replace("\xa0", " ").strip() == f"q{i}{expected}".strip()


def test_function_and_flow_names_show_as_they_are_in_both_renderers(build: Any, renderer: str) -> None:
    nasty = [name for name in NASTY if name.strip()]
    steps = [build.task(f"t{i}", function=name) for i, name in enumerate(nasty)]
    found = svg_texts(build.graph(*steps, *(build.flow(name, [build.task("x")]) for name in nasty if "/" not in name)))
    for name in nasty:
        box = next(text for key, (text, _) in found.items() if key == function_id(name))
        assert box.replace("\xa0", " ").strip() == name.strip()
    for name in nasty:
        if "/" not in name:
            assert found[node_id(name)][0].replace("\xa0", " ").strip() == name.strip()


def function_id(name: str) -> str:
    from graphkit.view.text import key

    return key("function", name, "")


def test_scripts_in_names_reach_no_page(build: Any, renderer: str) -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    topology = build.graph(
        build.task(evil, comment=evil, function=evil, class_name=evil, shape=evil),
        build.queue("q", path=evil),
        build.flow("f" + evil.replace("/", ""), []),
    )
    svg = render(dot_source(topology), "svg").decode()
    assert "<script" not in svg
    assert "<img" not in svg
    ET.fromstring(svg)  # well formed


def test_unshowable_characters_draw(build: Any, renderer: str) -> None:
    topology = build.graph(build.task("a\x00b\x1b\ud800", comment="\x07"), build.queue("q", path="\x00\n\ud801"))
    assert svg_texts(topology)[node_id("a\x00b\x1b\ud800")][0] == "a���b".replace("���b", "�b��")


def test_shapes_that_read_their_labels_as_markup_keep_names_as_text(build: Any, renderer: str) -> None:
    topology = build.graph(build.task("{a|b}", shape="record"), build.task("<p>|x", shape="Mrecord"))
    found = svg_texts(topology)
    assert found[node_id("{a|b}")][0] == "{a|b}"
    assert found[node_id("<p>|x")][0] == "<p>|x"


def test_an_unknown_shape_draws(build: Any, renderer: str) -> None:
    assert svg_texts(build.graph(build.task("a", shape="no such shape")))["step:a"][0] == "a"


def test_both_renderers_draw_the_same_structure(build: Any, renderer: str, drawn: Any) -> None:
    topology = build.iris()
    picture = drawn(topology)
    assert {node_id(path) for path in topology.nodes if path} | {"start"} == set(picture.nodes)
    assert {edge_id(edge) for edge in topology.edges} | {"start:clean"} == set(picture.edges)


def test_long_chains_become_text(build: Any) -> None:
    source = dot_source(build.chain(4_500))
    assert source.count("->") == 4_500
    assert source.count(' class="task') == 4_500


def test_the_same_graph_gives_the_same_text(build: Any) -> None:
    assert dot_source(build.iris()) == dot_source(build.iris())


def points(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]


def test_arrows_reach_the_shape_of_a_queue(build: Any, renderer: str) -> None:
    topology = build.graph(
        build.task("a"),
        build.queue("q", "a", path="memory://q"),
        build.queue("q2", "a"),
        build.task("b", "q", function="f"),
    )
    svg = ET.fromstring(render(dot_source(topology), "svg"))
    space = "{http://www.w3.org/2000/svg}"
    groups = {group.get("id"): group for group in svg.iter(f"{space}g")}

    def polygon(id: str) -> list[tuple[float, float]]:
        found = groups[id].find(f".//{space}polygon")
        assert found is not None
        return points(found.get("points", ""))

    for queue in ("q", "q2"):
        tip = max(y for _, y in polygon(f"flow:a:{queue}"))
        assert tip == pytest.approx(min(y for _, y in polygon(f"step:{queue}")), abs=2)
    path = groups["flow:q:b"].find(f".//{space}path")
    assert path is not None
    start = float(path.get("d", "").removeprefix("M").partition("C")[0].split(",")[1])
    assert start == pytest.approx(max(y for _, y in polygon("step:q")), abs=2)
