"""Recorded, unrecorded, folded and awaiting programs are compiled apart; all of them give the same answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from graphkit import Event, Merge, Response, RootFlowStep, StepError


def inc(x: Any) -> Any:
    return x + 1


def double(x: Any) -> Any:
    return x * 2


async def later(x: Any) -> Any:
    await asyncio.sleep(0)
    return x + 10


def promise(x: Any) -> Any:
    return later(x)


def fail(x: Any) -> Any:
    raise ValueError(f"no {x}")


async def fail_later(x: Any) -> Any:
    await asyncio.sleep(0)
    raise ValueError(f"no {x}")


def push_a(body: dict[str, Any]) -> dict[str, Any]:
    body["seen"].append("a")
    return {**body, "a": list(body["seen"])}


def push_b(body: dict[str, Any]) -> dict[str, Any]:
    body["seen"].append("b")
    return {**body, "b": list(body["seen"])}


def of_event(event: Event) -> Event:
    event.body = {"was": event.body, "path": event.path}
    return event


class Counts:
    """Adds what it was made with."""

    def __init__(self, by: int = 1) -> None:
        self.by = by

    def do(self, body: Any) -> Any:
        return body + self.by


class Whole:
    """Gets the event."""

    def do_event(self, event: Event) -> Event:
        event.body = [event.body, event.method]
        return event


class WholeLater:
    async def do_event(self, event: Event) -> Event:
        await asyncio.sleep(0)
        event.body = [event.body, "later"]
        return event


class Total(Merge):
    def merge(self, events: list[Any]) -> Any:
        return sum(events)


class Listed(Merge):
    def merge(self, events: list[Any]) -> Any:
        return list(events)


class Moved(Merge):
    """Joins to an event of its own."""

    def merge(self, events: list[Any]) -> Any:
        return Event(sum(events), path="/moved")


class ToLeft:
    def do(self, body: Any) -> Any:
        return body

    def select_outlets(self, body: Any) -> Any:
        return ["left"]


def chain(graph: RootFlowStep) -> None:
    graph.to(inc).to(double).to(Counts, by=3).respond()


def chain_of_one(graph: RootFlowStep) -> None:
    graph.to(inc)


def chain_of_events(graph: RootFlowStep) -> None:
    graph.to(of_event, full_event=True).to(Whole)


def event_then_body(graph: RootFlowStep) -> None:
    graph.to(Whole).to(name="first", handler="(event[0])").to(inc)


def paths(graph: RootFlowStep) -> None:
    graph.to(inc, input_path="a.b", result_path="c").to(double, input_path="c", result_path="d.e")


def paths_of_event(graph: RootFlowStep) -> None:
    graph.to(Whole, input_path="a", result_path="r")


def awaiting(graph: RootFlowStep) -> None:
    graph.to(inc).to(later).to(double)


def awaiting_events(graph: RootFlowStep) -> None:
    graph.to(inc).to(WholeLater)


def awaiting_with_paths(graph: RootFlowStep) -> None:
    graph.to(later, input_path="a.b", result_path="c")


def promised(graph: RootFlowStep) -> None:
    graph.to(promise).to(inc)


def joined(graph: RootFlowStep) -> None:
    graph.to(name="one", handler=inc)
    graph.to(name="two", handler=double)
    graph.add_step(Total, name="join", after=["one", "two"]).to(inc)


def joined_behind(graph: RootFlowStep) -> None:
    first = graph.to(inc)
    first.to(name="one", handler=inc)
    first.to(name="two", handler=double).to(name="three", handler=inc)
    graph.add_step(Listed, name="join", after=["one", "three"]).respond()


def joined_promises(graph: RootFlowStep) -> None:
    graph.to(name="one", handler=promise)
    graph.to(name="two", handler=double)
    graph.add_step(Total, name="join", after=["one", "two"])


def joined_awaiting(graph: RootFlowStep) -> None:
    graph.to(name="one", handler=later)
    graph.to(name="two", handler=later)
    graph.add_step(Listed, name="join", after=["one", "two"])


def joined_to_an_event(graph: RootFlowStep) -> None:
    graph.to(name="one", handler=inc)
    graph.to(name="two", handler=double)
    graph.add_step(Moved, name="join", after=["one", "two"]).to(of_event, full_event=True)


def isolated(graph: RootFlowStep) -> None:
    graph.to(push_a)
    graph.to(push_b)
    graph.add_step(Merge, name="join", after=["push_a", "push_b"])


def isolated_behind(graph: RootFlowStep) -> None:
    first = graph.to(name="same", handler="(event)")
    first.to(push_a)
    first.to(push_b)
    graph.add_step(Merge, name="join", after=["push_a", "push_b"])


def each_event(graph: RootFlowStep) -> None:
    graph.to(name="one", handler=inc)
    graph.to(name="two", handler=double)
    graph.add_step(name="end", handler=inc, after=["one", "two"])


def several_ends(graph: RootFlowStep) -> None:
    graph.to(name="one", handler=inc)
    graph.to(name="two", handler=double)


def filtered(graph: RootFlowStep) -> None:
    graph.to("Filter", "small", _fn="(event < 5)").to(inc)


def multiplied(graph: RootFlowStep) -> None:
    graph.to("FlatMap", "times", _fn="([event, event + 1])").to(inc)


def multiplied_beside(graph: RootFlowStep) -> None:
    graph.to("FlatMap", "times", _fn="([event, event + 1])")
    graph.to(double)
    graph.add_step(name="end", handler=inc, after=["times", "double"])


def chosen(graph: RootFlowStep) -> None:
    choice = graph.to(ToLeft)
    choice.to(name="left", handler=inc)
    choice.to(name="right", handler=double)
    graph.add_step(name="end", handler=inc, after=["left", "right"])


def chosen_before_a_join(graph: RootFlowStep) -> None:
    choice = graph.to(ToLeft)
    choice.to(name="left", handler=inc)
    choice.to(name="right", handler=double)
    graph.add_step(Total, name="end", after=["left", "right"], expected_num_events=3)


def chosen_before_a_join_of_branches(graph: RootFlowStep) -> None:
    choice = graph.to(ToLeft)
    choice.to(name="left", handler=inc)
    choice.to(name="right", handler=double)
    graph.add_step(Total, name="end", after=["left", "right"])


def nested(graph: RootFlowStep) -> None:
    flow = graph.to(inc).parent.add_step({"kind": "flow"}, name="inner", after="inc")
    flow.to(name="a", handler=inc).to(name="b", handler=double)
    graph.add_step(name="end", handler=inc, after="inner")


def routed(graph: RootFlowStep) -> None:
    router = graph.to("*", name="router")
    router.add_route("one", handler=inc)
    router.add_route("two", handler=later)


def handled(graph: RootFlowStep) -> None:
    graph.to(inc).to(fail).error_handler(name="catch", handler="(event * 100)")


def handled_later(graph: RootFlowStep) -> None:
    graph.to(inc).to(fail_later).error_handler(name="catch", handler=later, before="end")
    graph.add_step(name="end", handler=inc, after="fail_later")


def caught(graph: RootFlowStep) -> None:
    graph.to(inc).to(fail)
    graph.error_handler(name="catch", handler=lambda event: event.error, full_event=True)


def unhandled(graph: RootFlowStep) -> None:
    graph.to(inc).to(fail).to(double)


def unhandled_later(graph: RootFlowStep) -> None:
    graph.to(inc).to(fail_later)


def unhandled_in_a_branch(graph: RootFlowStep) -> None:
    graph.to(name="one", handler=inc)
    graph.to(name="two", handler=fail)
    graph.add_step(Total, name="join", after=["one", "two"])


def unhandled_in_a_join(graph: RootFlowStep) -> None:
    graph.to(name="one", handler=inc)
    graph.to(name="two", handler=str)
    graph.add_step(Total, name="join", after=["one", "two"])


def no_place_for_the_result(graph: RootFlowStep) -> None:
    graph.to(inc, result_path="x")


def answered_early(graph: RootFlowStep) -> None:
    graph.to(name="busy", handler=lambda event: Response(body="busy", status_code=503), full_event=True).to(fail)


def answered_by_a_response(graph: RootFlowStep) -> None:
    graph.to(name="made", handler=lambda body: Response(body="made", status_code=201))


def answered_in_the_middle(graph: RootFlowStep) -> None:
    graph.to(name="kept", handler=inc).to(name="further", handler=double)
    graph.final_step = "kept"


def responder_among_others(graph: RootFlowStep) -> None:
    graph.to(name="one", handler=inc)
    graph.to(name="two", handler=double).respond()


CASES: list[tuple[Callable[[RootFlowStep], None], Any, Any]] = [
    (chain, 1, 7),
    (chain_of_one, 1, 2),
    (chain_of_events, 1, [{"was": 1, "path": "/"}, "POST"]),
    (event_then_body, 1, 2),
    (paths, {"a": {"b": 1}, "d": {"f": 0}}, {"a": {"b": 1}, "d": {"f": 0, "e": 4}, "c": 2}),
    (paths_of_event, {"a": 1}, {"a": 1, "r": [1, "POST"]}),
    (awaiting, 1, 24),
    (awaiting_events, 1, [2, "later"]),
    (awaiting_with_paths, {"a": {"b": 1}}, {"a": {"b": 1}, "c": 11}),
    (promised, 1, 12),
    (joined, 3, 11),
    (joined_behind, 3, [5, 9]),
    (joined_promises, 3, 19),
    (joined_awaiting, 3, [13, 13]),
    (joined_to_an_event, 3, {"was": 10, "path": "/moved"}),
    (isolated, {"seen": []}, {"seen": ["b"], "a": ["a"], "b": ["b"]}),
    (isolated_behind, {"seen": []}, {"seen": ["b"], "a": ["a"], "b": ["b"]}),
    (each_event, 3, 5),
    (filtered, 3, 4),
    (filtered, 7, None),
    (multiplied, 3, 4),
    (multiplied_beside, 3, 4),
    (chosen, 3, 5),
    (chosen_before_a_join, 3, None),
    (nested, 1, 7),
    (handled, 1, 200),
    (handled_later, 1, 13),
    (caught, 1, {"fail": "ValueError: no 2"}),
    (answered_by_a_response, 1, Response(body="made", status_code=201)),
    (answered_in_the_middle, 1, 2),
    (responder_among_others, 1, 2),
]
FAILURES: list[tuple[Callable[[RootFlowStep], None], Any, str, int]] = [
    (
        chosen_before_a_join_of_branches,
        3,
        "step 'end' got 1 of the 2 parts of this event: nothing came from 'right', so that there is no answer; where "
        "only some branches run, let the next step follow them all (after=[...]) without a Merge",
        500,
    ),
    (unhandled, 1, "step 'fail' failed: ValueError: no 2", 500),
    (unhandled_later, 1, "step 'fail_later' failed: ValueError: no 2", 500),
    (unhandled_in_a_branch, 1, "step 'two' failed: ValueError: no 1", 500),
    (
        unhandled_in_a_join,
        1,
        "step 'join' failed: TypeError: unsupported operand type(s) for +: 'int' and 'str'",
        500,
    ),
    (
        no_place_for_the_result,
        1,
        "step 'inc': a result cannot be put at 'x': 'x' would stand in a value of type int, not in a dict",
        400,
    ),
    (answered_early, 1, "busy", 503),
]


@pytest.mark.parametrize(("build", "body", "expected"), CASES, ids=lambda case: getattr(case, "__name__", None))
def test_every_way_gives_the_same_answer(
    new_graph: Callable[[], Any], ask_every_way: Any, build: Callable[[Any], None], body: Any, expected: Any
) -> None:
    graph = new_graph()
    build(graph)
    assert ask_every_way(graph.to_mock_server(namespace=globals()), body) == expected


@pytest.mark.parametrize(
    ("build", "body", "message", "status"), FAILURES, ids=lambda case: getattr(case, "__name__", "")
)
def test_every_way_gives_the_same_error(
    new_graph: Callable[[], Any],
    ask_every_way: Any,
    build: Callable[[Any], None],
    body: Any,
    message: str,
    status: int,
) -> None:
    graph = new_graph()
    build(graph)
    with pytest.raises(StepError) as caught:
        ask_every_way(graph.to_mock_server(namespace=globals()), body)
    assert (caught.value.message, caught.value.status) == (message, status)


def test_a_flow_with_several_ends_answers_with_the_event_id(new_graph: Callable[[], Any], ask_every_way: Any) -> None:
    graph = new_graph()
    several_ends(graph)
    assert ask_every_way(graph.to_mock_server(namespace=globals()), 1, event_id="e7") == {"id": "e7"}


@pytest.mark.parametrize(("route", "answer"), [("one", 2), ("two", 11)])
def test_a_router_within_a_flow_gives_the_same_answer(
    new_graph: Callable[[], Any], ask_every_way: Any, route: str, answer: int
) -> None:
    graph = new_graph()
    routed(graph)
    assert ask_every_way(graph.to_mock_server(namespace=globals()), 1, path=f"/v2/models/{route}/infer") == answer
