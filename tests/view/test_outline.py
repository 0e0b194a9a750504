from __future__ import annotations

from typing import Any

from graphkit.plan.topology import why_an_id
from graphkit.view.outline import alt_text, outline


def test_a_flow_reads_from_left_to_right(build: Any) -> None:
    assert outline(build.iris()).splitlines() == [
        "flow, 4 steps and 2 routes",
        "  start -> clean -> models [router VotingEnsemble: logistic, forest] -> label (responds)",
        "  on error of clean -> catcher",
    ]


def test_branches_and_joins(build: Any) -> None:
    topology = build.graph(
        build.task("split"),
        build.task("a", "split"),
        build.task("b", "split"),
        build.task("join", "a", "b"),
        build.task("left", "join"),
        build.task("right", "join"),
    )
    assert outline(topology).splitlines()[1:] == [
        "  start -> split -> a -> join",
        "  split -> b -> join",
        "  join -> left, right",
        f"  {why_an_id(topology)}",
    ]


def test_why_a_flow_answers_with_an_id_is_said(build: Any) -> None:
    several = build.graph(build.task("a"), build.task("b", "a"), build.task("c", "a"))
    assert outline(several).endswith(
        "\n  Several ends ('b', 'c'): the answer is {'id': ...}; mark the step that answers with .respond()."
    )
    queue = build.graph(build.task("a"), build.queue("q", "a"))
    assert outline(queue).endswith("\n  The flow ends in the queue 'q': the answer is {'id': ...}.")
    many = build.graph(*(build.task(f"s{index}") for index in range(7)))
    assert "'s4' and 2 more): the answer is" in outline(many)
    for answering in (build.iris(), build.of_router("a", "b"), build.chain(2), build.graph()):
        assert why_an_id(answering) == ""


def test_error_handlers_say_what_they_catch_and_where_they_go_on(build: Any) -> None:
    topology = build.graph(
        build.task("a", on_error="fix"),
        build.task("b", "a", on_error="fix"),
        build.task("c", "b"),
        build.error("fix", "c"),
        build.error("panic"),
        on_error="panic",
    )
    assert outline(topology).splitlines()[2:] == [
        "  on error of a, b -> fix, goes on at c",
        "  on error of any step -> panic",
    ]


def test_queues_and_functions(build: Any) -> None:
    topology = build.graph(
        build.task("a"),
        build.queue("q", "a", path="kafka://b/t"),
        build.task("b", "q", function="child"),
        build.task("c", "b", function="child"),
    )
    assert outline(topology).splitlines()[1:] == [
        "  start -> a -> q [queue kafka://b/t] -> b -> c (answers)",
        "  function child: b, c",
    ]


def test_nested_flows_follow_further_to_the_right(build: Any) -> None:
    inner = build.flow("inner", [build.task("deep")], "x")
    topology = build.graph(build.task("in"), build.flow("sub", [build.task("x"), inner], "in"))
    assert outline(topology).splitlines()[1:] == [
        "  start -> in -> sub [flow of 2 steps] (answers)",
        "  flow sub",
        "    start -> x -> inner [flow of 1 step]",
        "    flow sub/inner",
        "      start -> deep",
    ]


def test_a_router_and_routes_that_hold_more(build: Any) -> None:
    topology = build.of_router(
        build.task("m"), build.router("inner", ["a", "b"]), build.flow("f", [build.task("x")]), name="top"
    )
    assert outline(topology).splitlines()[1:] == [
        "  start -> top [router: m, inner, f]",
        "  route inner: inner [router: a, b]",
        "  flow f",
        "    start -> x",
        "  problems",
        "    f: a route is a task or a router, not a flow",
    ]


def test_problems_are_listed(build: Any) -> None:
    text = outline(build.graph(build.task("clean"), build.task("next", "claen")))
    assert text.splitlines()[-2:] == [
        "  problems",
        "    next: after names 'claen', which is no step of the flow, did you mean 'clean'?",
    ]


def test_a_loop_is_told_once(build: Any) -> None:
    topology = build.graph(build.task("a", "c"), build.task("b", "a"), build.task("c", "b"))
    assert outline(topology).splitlines()[1] == "  a -> b -> c -> a"


def test_every_edge_of_a_ladder_is_told(build: Any) -> None:
    topology = build.graph(
        build.task("s"),
        build.task("a", "s"),
        build.task("b", "s"),
        build.task("c", "a", "b"),
        build.task("d", "a", "b"),
    )
    assert outline(topology).splitlines()[1:] == [
        "  start -> s -> a, b",
        "  a -> c, d",
        "  b -> c, d",
        f"  {why_an_id(topology)}",
    ]


def test_long_paths_are_wrapped(build: Any) -> None:
    lines = outline(build.chain(100)).splitlines()
    assert max(map(len, lines)) <= 100
    assert " ".join(lines[1:]).count("->") == 100


def test_many_routes_are_cut_short(build: Any) -> None:
    text = outline(build.graph(build.router("m", [f"r{i}" for i in range(1000)])))
    assert "and 988 more]" in text


def test_names_stay_on_one_line_and_lose_control_characters(build: Any) -> None:
    text = outline(build.graph(build.task("two\nlines\x00")))
    assert text.splitlines()[1] == "  start -> two↵lines� (answers)"


def test_empty_graphs(build: Any) -> None:
    assert outline(build.graph(name="mine")) == "flow 'mine', empty"
    assert outline(build.of_router()).splitlines() == ["router, empty", "  start -> router [router]"]


def test_an_outline_of_a_very_long_chain_needs_no_recursion(build: Any) -> None:
    assert outline(build.chain(20_000)).count("->") == 20_000


def test_alternative_text_is_a_sentence(build: Any) -> None:
    assert alt_text(build.iris()) == (
        "Flow with 4 steps: clean; models, a router with 2 routes; label, which answers; catcher, an error handler."
    )
    assert alt_text(build.of_router(build.task("a"), build.task("b"), name="m")) == "Router 'm' with 2 routes: a, b."
    assert alt_text(build.graph()) == "Flow with 0 steps."


def test_alternative_text_stays_short(build: Any) -> None:
    assert alt_text(build.chain(5_000)).endswith("s6; and 4,993 more.")
    assert len(alt_text(build.graph(build.task("x" * 10_000)))) < 100


def test_alternative_text_tells_of_problems(build: Any) -> None:
    assert alt_text(build.graph(build.task("a", "b"))).endswith("1 problem marked.")
