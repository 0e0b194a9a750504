from __future__ import annotations

from typing import Any

from graphkit.view.fold import fold


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
