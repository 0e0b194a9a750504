from __future__ import annotations

from typing import Any

from graphkit.view.dot import dot_source
from graphkit.view.fold import MOST_ABREAST, fold, folded_to, groups_of, standing_for


def names(topology: Any) -> list[str]:
    return [node.name for path, node in topology.nodes.items() if path]


def ends(topology: Any) -> set[tuple[str, str]]:
    return {(topology.nodes[edge.tail].name, topology.nodes[edge.head].name) for edge in topology.edges}


def test_short_graphs_stay_as_they_are(build: Any) -> None:
    topology = build.chain(10)
    assert fold(topology) is topology


def test_the_middle_of_a_run_becomes_one_step_that_is_linked_as_before(build: Any) -> None:
    small = fold(build.chain(100))
    assert names(small) == ["s0", "s1", "s2", "s3", "... 92 steps ...", "s96", "s97", "s98", "s99"]
    assert {("s3", "... 92 steps ..."), ("... 92 steps ...", "s96")} < ends(small)
    assert len(small.edges) == 8
    assert small.starts == ("s0",)
    assert small.answer == "s99"


def test_many_routes_become_one(build: Any) -> None:
    small = fold(build.graph(build.router("m", [f"r{i}" for i in range(1000)])))
    assert names(small) == ["m", "r0", "r1", "r2", "... 994 routes ...", "r997", "r998", "r999"]
    assert ("m", "... 994 routes ...") in ends(small)


def test_what_is_special_stays(build: Any) -> None:
    steps = []
    for i in range(60):
        fields = {"on_error": "fix"} if i == 20 else {"function": "far"} if i == 30 else {}
        steps.append(build.task(f"s{i}", *([f"s{i - 1}"] if i else []), **fields))
    steps += [build.error("fix", "s40"), build.task("wrong", "nowhere")]
    kept = set(names(fold(build.graph(*steps))))
    assert {"s0", "s20", "s30", "s40", "s59", "fix", "wrong"} < kept
    assert len(kept) < 60


def test_forks_and_joins_stay(build: Any) -> None:
    steps = [build.task("split")]
    for side in "ab":
        before = "split"
        for i in range(20):
            steps.append(build.task(f"{side}{i}", before))
            before = f"{side}{i}"
    steps.append(build.task("join", "a19", "b19"))
    small = fold(build.graph(*steps))
    assert {("split", "a0"), ("split", "b0"), ("a19", "join"), ("b19", "join")} < ends(small)
    assert names(small).count("... 14 steps ...") == 2


def test_problems_keep_their_step(build: Any) -> None:
    topology = build.graph(*(build.task(f"s{i}", *([f"s{i - 1}"] if i else []), handler=None) for i in range(50)))
    assert len(topology.problems) == 50
    assert fold(topology) is topology


def fan(build: Any, count: int, join: bool = True) -> Any:
    branches = [build.task(f"b{index}", "a") for index in range(count)]
    ends_in = [build.task("join", *(step.name for step in branches))] if join else []
    return build.graph(build.task("a"), *branches, *ends_in)


def test_a_wide_fan_out_is_folded_and_linked_as_before(build: Any) -> None:
    small = fold(fan(build, 60), wide_only=True)
    assert names(small) == ["a", "b0", "b1", "... 56 branches ...", "b58", "b59", "join"]
    assert {("a", "... 56 branches ..."), ("... 56 branches ...", "join")} < ends(small)
    assert small.answer == "join"


def test_open_ends_and_starts_side_by_side_are_folded_too(build: Any) -> None:
    small = fold(fan(build, 20, join=False), wide_only=True)
    assert small.ends == ("b0", "b1", "b2", "b18", "b19")
    starts = fold(build.graph(*(build.task(f"s{index}") for index in range(20))), wide_only=True)
    assert starts.starts == ("s0", "s1", "s2", "s18", "s19")


def test_what_fits_on_a_page_stays(build: Any) -> None:
    for topology in (fan(build, MOST_ABREAST), build.chain(100), build.of_router(*map(str, range(MOST_ABREAST)))):
        assert fold(topology, wide_only=True) is topology


def test_branches_that_lead_elsewhere_answer_or_can_fail_stay(build: Any) -> None:
    plain = [build.task(f"b{index}", "a") for index in range(20)]
    own = [build.task("guarded", "a", on_error="e"), build.task("answers", "a", responder=True), build.task("on", "a")]
    topology = build.graph(build.task("a"), *plain, *own, build.task("after", "on"), build.error("e"))
    small = names(fold(topology, wide_only=True))
    assert {"guarded", "answers", "on", "after", "... 16 branches ..."} < set(small)


def nested(build: Any) -> Any:
    return build.graph(
        build.task("clean"),
        build.flow("prepare", [build.task("x"), build.task("y", "x")], "clean"),
        build.router("models", ["iris", "wine"], "prepare"),
        build.queue("jobs", "models"),
        build.task("later", "jobs", function="worker"),
        build.task("done", "later", function="worker", responder=True),
    )


def test_what_holds_steps_can_be_folded(build: Any) -> None:
    groups = groups_of(nested(build))
    assert {key: (str(group.part), group.path, group.members) for key, group in groups.items()} == {
        "in:prepare": ("flow", "prepare", ("prepare/x", "prepare/y")),
        "in:models": ("router", "models", ("models/iris", "models/wine")),
        "function:worker:": ("function", "later", ("done",)),
    }


def test_a_folded_group_is_one_node_that_is_linked_as_its_steps_were(build: Any) -> None:
    topology = nested(build)
    small = fold(topology, groups=groups_of(topology).values())
    assert names(small) == ["clean", "prepare", "models", "jobs", "worker"]
    assert ends(small) == {("clean", "prepare"), ("prepare", "models"), ("models", "jobs"), ("jobs", "worker")}
    assert [node.hides for node in small.nodes.values()] == [0, 0, 2, 2, 0, 1]
    assert small.ends == ("later",)


def test_what_is_folded_inside_of_what_is_folded_is_hidden_with_it(build: Any) -> None:
    inner = build.flow("inner", [build.router("models", ["iris"])])
    topology = build.graph(build.flow("outer", [inner]), build.task("after", "outer"))
    groups = groups_of(topology)
    small = fold(topology, groups=groups.values())
    assert names(small) == ["outer", "after"]
    assert standing_for(groups.values()) == dict.fromkeys(
        ["outer/inner", "outer/inner/models", "outer/inner/models/iris"], "outer"
    )
    assert names(fold(topology, groups=[groups["in:outer/inner"]])) == ["outer", "inner", "after"]


def test_problems_are_marked_on_the_node_that_stands_for_their_step(build: Any) -> None:
    topology = build.graph(build.flow("outer", [build.task("x", "nowhere")]))
    small = fold(topology, groups=groups_of(topology).values())
    assert [problem.path for problem in small.problems] == ["outer"]


def test_as_much_is_folded_as_is_needed_plain_runs_first(build: Any) -> None:
    steps = [build.router("models", [build.task(f"r{i}", function=f"f{i}") for i in range(20)])]
    steps += [build.task(f"s{i}", "models" if not i else f"s{i - 1}") for i in range(30)]
    topology = build.graph(*steps)
    groups = groups_of(topology)
    assert folded_to(topology, groups, 100) == []
    assert folded_to(topology, groups, 40) == ["run:s3"]
    assert folded_to(topology, groups, 10) == ["run:s3", "in:models"]
    assert len(fold(topology, groups=[groups[key] for key in folded_to(topology, groups, 10)]).nodes) == 10


def test_a_folded_node_says_how_much_it_holds(build: Any) -> None:
    topology = nested(build)
    dot = dot_source(fold(topology, groups=groups_of(topology).values()))
    assert "flow of 2 steps" in dot
    assert "2 routes" in dot
    assert "function of 2 steps" in dot
    assert dot.count("folded") == 3
    assert "subgraph" not in dot
