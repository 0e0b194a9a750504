"""Branches that part and meet at once become one straight run, where nothing could come in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from graphkit import Event, FlowStep, GraphServer, Merge, new_flow
from graphkit.runtime.fold import Fork
from graphkit.runtime.program import Program


class Total(Merge):
    def merge(self, events: list[Any]) -> Any:
        return sum(event.body if isinstance(event, Event) else event for event in events)


class ByKey(Total):
    def get_join_key(self, event: Any) -> Any:
        return "k"


async def later(x: Any) -> Any:
    return x


class Chooses:
    def do(self, body: Any) -> Any:
        return body

    def select_outlets(self, body: Any) -> Any:
        return ["a", "b"]


def mock(graph: Any) -> GraphServer:
    server: GraphServer = graph.to_mock_server(namespace=globals())
    server.init_object()
    return server


def program(graph: Any, traced: bool = False, on_loop: bool = False) -> Program:
    bound = mock(graph)._bound
    assert bound is not None
    return bound._program(on_loop, traced)


def forks(program: Program) -> int:
    found = 0
    for segment in program.segments:
        found += sum(isinstance(step, Fork) for step in segment.steps)
        found += forks(segment.sub) if segment.sub is not None else 0
    return found


def diamond(graph: Any, *, a: Any = "(event + 1)", b: Any = "(event + 2)", join: Any = Total, **options: Any) -> Any:
    first = graph.to(name="first", handler="(event)")
    first.to(name="a", handler=a)
    first.to(name="b", handler=b).to(name="b2", handler="(event)")
    return graph.add_step(join, name="join", after=["a", "b2"], **options)


def test_a_diamond_is_one_segment_that_runs_straight() -> None:
    graph = new_flow()
    diamond(graph).to(name="last", handler="(event)")
    folded = program(graph)
    assert (len(folded.segments), forks(folded)) == (1, 1)
    assert folded.straight is folded.segments[0]
    assert [step.name for step in folded.segments[0].fused.steps] == ["first", "a", "b", "b2", "join", "last"]  # type: ignore[union-attr]


def test_starts_that_meet_are_folded_too() -> None:
    graph = new_flow()
    graph.to(name="a", handler="(event + 1)")
    graph.to(name="b", handler="(event + 2)")
    graph.add_step(Total, name="join", after=["a", "b"])
    assert forks(program(graph)) == 1


def test_diamonds_in_a_row_are_all_folded() -> None:
    graph = new_flow()
    diamond(graph)
    for side in "xy":
        graph["join"].to(name=side, handler="(event)")
    graph.add_step(Total, name="join2", after=["x", "y"])
    assert (len(program(graph).segments), forks(program(graph))) == (1, 2)
    assert mock(graph).run(Event(1), get_body=True) == 10


def test_a_nested_flow_folds_for_itself() -> None:
    graph = new_flow()
    diamond(graph.insert_step("inner", FlowStep("inner")))
    assert forks(program(graph)) == 1


KEPT_APART: dict[str, Callable[[Any], Any]] = {
    "a branch that awaits": lambda graph: diamond(graph, a=later),
    "a branch that gets the event": lambda graph: setattr(diamond(graph).parent["a"], "full_event", True),
    "a branch that filters": lambda graph: (
        graph.to("Filter", "a", _fn="(True)"),
        graph.to(name="b", handler="(event)"),
        graph.add_step(Total, name="join", after=["a", "b"]),
    ),
    "a branch that goes elsewhere too": lambda graph: diamond(graph).parent["a"].to(name="beside", handler="(event)"),
    "a join by another key": lambda graph: diamond(graph, join=ByKey),
    "a join of events": lambda graph: setattr(diamond(graph), "full_event", True),
    "a join of more": lambda graph: diamond(graph, expected_num_events=3),
    "a join that others reach": lambda graph: (
        diamond(graph),
        graph.add_step(name="c", handler="(event)"),
        graph["join"].after_step("c"),
    ),
    "a plain step in place of the join": lambda graph: (
        graph.to(name="a", handler="(event)"),
        graph.to(name="b", handler="(event)"),
        graph.add_step(name="end", handler="(event)", after=["a", "b"]),
    ),
    "an error handler": lambda graph: diamond(graph).parent["a"].error_handler(name="h", handler="(event)"),
    "an error handler of the graph": lambda graph: diamond(graph).parent.error_handler(name="h", handler="(event)"),
    "a step before that chooses": lambda graph: (
        graph.to(Chooses, "choice"),
        graph["choice"].to(name="a", handler="(event)"),
        graph["choice"].to(name="b", handler="(event)"),
        graph.add_step(Total, name="join", after=["a", "b"]),
    ),
    "an answer before": lambda graph: setattr(diamond(graph).parent, "final_step", "first"),
}


@pytest.mark.parametrize("why", KEPT_APART)
def test_what_is_not_folded(why: str) -> None:
    graph = new_flow()
    KEPT_APART[why](graph)
    assert forks(program(graph)) == 0


def test_recorded_and_awaited_programs_are_not_folded() -> None:
    graph = new_flow()
    diamond(graph)
    assert forks(program(graph, traced=True)) == 0
    assert forks(program(graph, on_loop=True)) == 0


def test_the_join_keeps_nothing_of_folded_runs() -> None:
    graph = new_flow()
    join = diamond(graph)
    server = mock(graph)
    assert server.run(Event(1, event_id="e"), get_body=True) == 5
    assert server.run(Event(1, event_id="e"), get_body=True) == 5
    assert (join.async_object.pending, join.async_object.evicted) == (0, 0)
