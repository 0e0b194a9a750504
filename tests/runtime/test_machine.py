"""Which step's output is the answer, what branches see of one another, and how many events a request may make."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from graphkit import Event, FlowStep, GraphServer, Merge, Response, StepError
from graphkit.core.emit import NOTHING, Emit


def inc(x: Any) -> Any:
    return x + 1


def fail(x: Any) -> Any:
    raise ValueError(f"no {x}")


def mock(graph: Any, **options: Any) -> GraphServer:
    server: GraphServer = graph.to_mock_server(namespace=globals(), **options)
    return server


# ---- which step answers -------------------------------------------------------------------------------------------


def test_the_only_terminal_step_answers_without_respond(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(inc).to(name="last", handler=inc)
    assert ask(mock(graph), 1) == 3


def test_error_steps_are_no_ends(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(inc).error_handler(name="catch", handler=str)
    graph.error_handler(name="catch_all", handler=str)
    assert ask(mock(graph), 1) == 2


def test_several_ends_answer_with_the_id(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    first = graph.to(inc)
    first.to(name="a", handler=inc)
    first.to(name="b", handler=inc)
    assert ask(mock(graph), 1, event_id="e1") == {"id": "e1"}


def test_an_id_is_drawn_where_the_event_has_none(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(name="a", handler=inc)
    graph.to(name="b", handler=inc)
    server = mock(graph)
    first, second = ask(server, 1), ask(server, 1)
    assert list(first) == ["id"]
    assert len(first["id"]) == 32
    assert first != second


def test_a_queue_at_the_end_answers_with_the_id_and_holds_the_event(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    queue = graph.to(inc).to(">>", "q")
    server = mock(graph)
    assert ask(server, 1, event_id="e1") == {"id": "e1"}
    assert queue.async_object.read() == [2]


def test_a_list_is_one_entry_of_a_queue(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    queue = graph.to(">>", "q")
    ask(mock(graph), [1, 2])
    assert queue.async_object.read() == [[1, 2]]


def test_a_queue_that_is_followed_is_no_end(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(inc).to(">>", "q").to(name="last", handler=inc, function="child")
    assert ask(mock(graph), 1) == 3


def test_the_responder_answers_among_several_ends(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(name="a", handler=inc)
    graph.to(name="b", handler="(event * 100)").respond()
    assert ask(mock(graph), 1) == 100


def test_final_step_answers_among_several_ends(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(name="a", handler=inc)
    graph.to(name="b", handler="(event * 100)")
    graph.final_step = "b"
    assert ask(mock(graph), 1) == 100


def test_a_final_step_in_the_middle_answers_and_what_follows_cannot_change_it(new_graph: Any, ask: Any) -> None:
    seen = []

    def grow(body: list[int]) -> list[int]:
        body.append(9)
        seen.append(list(body))
        return body

    graph = new_graph()
    graph.to(name="kept", handler="(event)").to(name="grown", handler=grow)
    graph.final_step = "kept"
    assert ask(mock(graph), [1]) == [1]
    assert seen == [[1, 9]]


def test_none_goes_in_and_out(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    seen = []
    graph.to(name="see", handler=lambda body: seen.append(body))
    assert ask(mock(graph), None) is None
    assert seen == [None]


def test_an_answer_that_was_filtered_out_is_none(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to("Filter", "none", _fn="(False)")
    assert ask(mock(graph), 5) is None


def test_the_first_in_declared_order_answers_where_a_step_is_reached_several_times(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(name="b", handler="(event + 10)").to(name="b2", handler="(event + 10)")
    graph.to(name="a", handler="(event + 1)")
    graph.add_step(name="end", handler="(event)", after=["a", "b2"])
    assert ask(mock(graph), 0) == 20


def test_it_is_the_first_declared_also_where_it_is_the_slowest(new_graph: Any, ask: Any) -> None:
    async def slow(x: int) -> str:
        await asyncio.sleep(0.02)
        return "slow"

    async def quick(x: int) -> str:
        await asyncio.sleep(0)
        return "quick"

    graph = new_graph()
    graph.to(slow)
    graph.to(quick)
    graph.add_step(name="end", handler="(event)", after=["quick", "slow"])
    assert ask(mock(graph), 0) == "slow"


def test_it_is_the_first_declared_also_beside_steps_that_emit_several(new_graph: Any, ask: Any) -> None:
    async def slow(x: Any) -> Any:
        await asyncio.sleep(0.02)
        return x

    async def quick(x: Any) -> Any:
        await asyncio.sleep(0)
        return x

    graph = new_graph()
    graph.to(slow).to("FlatMap", "many", _fn="(['first', 'second'])")
    graph.to(quick)
    graph.add_step(name="end", handler="(event)", after=["many", "quick"])
    assert ask(mock(graph), "other") == "first"


def test_a_merge_joins_in_declared_order_whichever_branch_comes_first(new_graph: Any, ask: Any) -> None:
    class Listed(Merge):
        def merge(self, events: list[Any]) -> Any:
            return list(events)

    async def slow(x: int) -> str:
        await asyncio.sleep(0.02)
        return "slow"

    async def quick(x: int) -> str:
        return "quick"

    graph = new_graph()
    graph.to(slow)
    graph.to(quick)
    graph.add_step(Listed, name="end", after=["quick", "slow"])
    assert ask(mock(graph), 0) == ["slow", "quick"]


# ---- complete answers ---------------------------------------------------------------------------------------------

BUSY = Response(body="busy", status_code=201)


def busy(event: Event) -> Response:
    return Response(body="busy", status_code=201)


def test_a_response_of_the_terminal_step_is_the_answer(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(busy)
    assert ask(mock(graph), 1) == BUSY


def test_a_response_of_the_responding_step_is_the_answer(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(inc)
    graph.to(busy).respond()
    assert ask(mock(graph), 1) == BUSY


def test_a_response_of_a_full_event_step_ends_the_flow(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(busy, full_event=True).to(fail)
    assert ask(mock(graph), 1) == BUSY


def test_a_response_of_a_step_in_the_middle_is_a_body_like_any_other(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(busy).to(name="read", handler=lambda response: response.status_code)
    assert ask(mock(graph), 1) == 201


def test_a_response_of_a_router_ends_the_flow(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to("*", name="router").to(fail)
    graph["router"].add_route("only", handler=busy)
    assert ask(mock(graph), {}, path="/only/infer") == BUSY


@pytest.mark.parametrize("full_event", [True, False])
def test_a_response_of_an_error_handler_ends_the_flow(new_graph: Any, ask: Any, full_event: bool) -> None:
    graph = new_graph()
    step = graph.to(fail)
    step.to(name="more", handler=fail)
    step.error_handler(name="catch", handler=busy, before="more", full_event=full_event)
    assert ask(mock(graph), 1) == BUSY


def test_a_foreign_response_is_known_by_its_form(new_graph: Any, ask: Any) -> None:
    foreign = type("Response", (), {"body": "x", "status_code": 202, "content_type": "text/plain", "headers": {}})()
    graph = new_graph()
    graph.to(name="made", handler=lambda event: foreign, full_event=True).to(fail)
    assert ask(mock(graph), 1) is foreign


def test_a_table_with_columns_named_like_a_response_is_no_response(new_graph: Any, ask: Any) -> None:
    table = pd.DataFrame({"status_code": [500], "body": ["x"], "content_type": ["y"]})
    graph = new_graph()
    graph.to(name="made", handler=lambda event: table, full_event=True).to(name="size", handler=len)
    assert ask(mock(graph), 1) == 1


def end(event: Event) -> Event:
    event.body = "ended"
    event.terminated = True
    return event


def test_a_terminated_event_ends_the_flow(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(end, full_event=True).to(fail)
    assert ask(mock(graph), 1) == "ended"


@pytest.mark.parametrize("handler", [end, busy])
def test_what_ends_a_nested_flow_ends_the_request(new_graph: Any, ask: Any, handler: Any) -> None:
    graph = new_graph()
    flow = graph.insert_step("inner", FlowStep("inner"))
    flow.to(name="ends", handler=handler, full_event=True).to(fail)
    graph.add_step(name="behind", handler=fail, after="inner")
    assert ask(mock(graph), 1) in ("ended", BUSY)


def test_a_branch_that_ends_the_flow_answers_though_others_reach_the_end(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(name="plain", handler=inc)
    graph.to(end, full_event=True)
    graph.add_step(name="last", handler=inc, after=["plain", "end"])
    assert ask(mock(graph), 1) == "ended"


# ---- what a step gets and returns ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "expected"),
    [(None, None), (5, 5), (Event("new"), "new"), ({"status_code": 500}, {"status_code": 500})],
)
def test_a_full_event_step_may_return_a_value_or_another_event(
    new_graph: Any, ask: Any, returned: Any, expected: Any
) -> None:
    graph = new_graph()
    graph.to(name="step", handler=lambda event: returned, full_event=True).to(name="same", handler="(event)")
    assert ask(mock(graph), 1) == expected


def test_fields_of_the_event_reach_the_steps_behind(new_graph: Any, ask: Any) -> None:
    def mark(event: Event) -> Event:
        event.key = "k"
        event.note = "seen"  # type: ignore[attr-defined]
        return event

    graph = new_graph()
    graph.to(mark, full_event=True).to(inc).to(
        name="read", handler=lambda event: (event.key, event.note, event.body, event.path), full_event=True
    )
    assert ask(mock(graph), 1, path="/p") == ("k", "seen", 2, "/p")


def test_a_branch_does_not_see_the_fields_that_another_sets(new_graph: Any, ask: Any) -> None:
    seen = []

    def mark(event: Event) -> Event:
        seen.append(event.key)
        event.key = "marked"
        return event

    graph = new_graph()
    graph.to(name="a", handler=mark, full_event=True)
    graph.to(name="b", handler=mark, full_event=True)
    ask(mock(graph), 1)
    assert seen == ["", ""]


def test_branches_share_the_identity_of_their_event(new_graph: Any, ask: Any) -> None:
    seen = []
    graph = new_graph()
    for name in "ab":
        graph.to(name=name, handler=lambda event: seen.append(event.id), full_event=True)
    answer = ask(mock(graph), 1)
    assert seen == [answer["id"]] * 2


def test_the_event_and_body_of_the_caller_are_not_changed(engine: str, new_graph: Any) -> None:
    graph = new_graph()
    graph.to(inc, input_path="a.x", result_path="a.y").to(
        name="put", handler=lambda event: {**event.body, "more": 1}, full_event=True
    ).to(fail).error_handler(name="catch", handler="(event)")
    server = mock(graph)
    body = {"a": {"x": 1}}
    event = Event(body, path="/p", headers={"h": "1"}, method="POST")
    for answer in (
        server.test(body=body),
        server.run(event, get_body=True),
        asyncio.run(_run_async(server, event)),
    ):
        assert answer == {"a": {"x": 1, "y": 2}, "more": 1}
    assert body == {"a": {"x": 1}}
    assert event.body is body
    assert (event.error, event.origin_state, event.terminated, event.path, event.headers) == (
        None,
        None,
        False,
        "/p",
        {"h": "1"},
    )
    assert event.event_id is None


async def _run_async(server: GraphServer, event: Event) -> Any:
    return await server.run_async(event, get_body=True)


# ---- branches -----------------------------------------------------------------------------------------------------


def test_a_branch_never_sees_what_another_does_to_the_body(new_graph: Any, ask: Any) -> None:
    seen = []

    def spoil(body: dict[str, Any]) -> None:
        seen.append(body["rows"][0]["x"])
        body["rows"][0]["x"] = "spoilt"

    graph = new_graph()
    first = graph.to(name="same", handler="(event)")
    for name in "abc":
        first.to(name=name, handler=spoil)
    ask(mock(graph), {"rows": [{"x": 1}]})
    assert seen == [1, 1, 1]


@pytest.mark.parametrize("shared", [np.arange(3), pd.DataFrame({"x": [1]}), pd.Series([1])], ids=["array", "df", "s"])
def test_arrays_and_frames_are_shared_by_branches(new_graph: Any, ask: Any, shared: Any) -> None:
    seen = []
    graph = new_graph()
    for name in "ab":
        graph.to(name=name, handler=lambda body: seen.append((id(body), id(body["data"]))))
    server = mock(graph)
    body = {"data": shared}
    server.run(Event(body))
    (one, data_one), (two, data_two) = seen
    assert data_one == data_two == id(shared)
    assert one != two


class Stuck:
    def __deepcopy__(self, memo: Any) -> Any:
        raise RuntimeError("never")


UNCOPYABLE = "the body holds a Stuck, which cannot be copied for a branch: RuntimeError: never"


def test_a_body_that_cannot_be_copied_is_an_error_that_names_the_step(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    first = graph.to(name="made", handler=lambda body: [Stuck()])
    first.to(name="a", handler=str)
    first.to(name="b", handler=str)
    graph.add_step(Merge, name="join", after=["a", "b"])
    with pytest.raises(StepError) as caught:
        ask(mock(graph), 1)
    assert caught.value.message == f"step 'made': {UNCOPYABLE}"


def test_a_request_that_cannot_be_copied_names_the_step_that_starts(
    new_graph: Any, request: pytest.FixtureRequest
) -> None:
    graph = new_graph()
    graph.to(name="a", handler=str)
    graph.to(name="b", handler=str)
    server = mock(graph, error_stream=f"memory://{request.node.name}")
    for answer in (server.run(Event(Stuck())), server.test(body=Stuck(), silent=True)):
        assert (answer.status_code, answer.body) == (500, f"step 'a': {UNCOPYABLE}")
    assert [record["source"] for record in server._error_stream_object.read()] == ["a", "a"]
    graph.error_handler(name="catch", handler=lambda event: event.error, full_event=True)
    for told in (server.run(Event(Stuck()), get_body=True), server.test(body=Stuck())):
        assert told == {"a": f"TypeError: {UNCOPYABLE}"}


def test_an_error_handler_takes_what_cannot_be_copied(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    first = graph.to(name="made", handler=lambda body: Stuck())
    first.to(name="a", handler=str)
    first.to(name="b", handler=str)
    graph.error_handler(name="catch", handler=lambda event: [event.error, event.origin_state], full_event=True)
    assert ask(mock(graph), 1) == [{"made": f"TypeError: {UNCOPYABLE}"}, "made"]


class Meeting:
    """A coroutine function that returns once so many calls of it are under way at the same time."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.arrived = 0

    async def __call__(self, body: Any) -> Any:
        self.arrived += 1
        for _ in range(1000):
            if self.arrived >= self.size:
                return body
            await asyncio.sleep(0)
        raise TimeoutError("nobody else came")


def test_branches_that_await_run_side_by_side(new_graph: Any, ask: Any) -> None:
    first_meeting, second_meeting = Meeting(3), Meeting(3)
    graph = new_graph()
    first = graph.to(name="same", handler="(event)")
    for name in "abc":
        first.to(name=name, handler=first_meeting).to(name=f"{name}2", handler=second_meeting)
    assert ask(mock(graph), 1, event_id="e") == {"id": "e"}
    assert (first_meeting.arrived, second_meeting.arrived) == (3, 3)


def test_starts_that_await_run_side_by_side_also_in_a_nested_flow(new_graph: Any, ask: Any) -> None:
    meeting = Meeting(2)
    graph = new_graph()
    flow = graph.insert_step("inner", FlowStep("inner"))
    flow.to(name="a", handler=meeting)
    flow.to(name="b", handler=meeting)
    flow.add_step("Merge", name="join", after=["a", "b"])
    assert ask(mock(graph), {"x": 1}) == {"x": 1}


def test_a_failing_branch_does_not_leave_others_running(new_graph: Any, ask: Any) -> None:
    ended: list[str] = []

    async def slow(body: Any) -> Any:
        await asyncio.sleep(0.02)
        ended.append("slow")

    async def quick(body: Any) -> Any:
        raise ValueError("no")

    graph = new_graph()
    graph.to(quick)
    graph.to(slow)
    with pytest.raises(StepError, match="step 'quick' failed: ValueError: no"):
        ask(mock(graph), 1)
    assert ended == ["slow"]


# ---- how many events ----------------------------------------------------------------------------------------------


def ladder(graph: Any, rungs: int) -> None:
    graph.to(name="s0", handler="(event)")
    for number in range(1, rungs):
        for side in "ab":
            graph.add_step(name=f"{side}{number}", handler=inc, after=f"s{number - 1}")
        graph.add_step(name=f"s{number}", handler=inc, after=[f"a{number}", f"b{number}"])


def test_a_ladder_of_branches_hits_the_bound(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    ladder(graph, 200)
    with pytest.raises(StepError, match=r"step '\w+': one request gave rise to more than 10,000 events; .*Merge joins"):
        ask(mock(graph), 1)


def test_the_bound_is_a_parameter_and_hitting_it_is_written_to_the_error_stream(
    new_graph: Any, ask: Any, request: pytest.FixtureRequest
) -> None:
    graph = new_graph()
    graph.to("FlatMap", "many", _fn="([event] * 6)").to(inc)
    url = f"memory://{request.node.name}"
    server = mock(graph, parameters={"max_events": 6}, error_stream=url)
    with pytest.raises(StepError, match="more than 6 events"):
        ask(server, 1)
    (record,) = server._error_stream_object.read()
    assert record["source"] == "inc"
    server.parameters["max_events"] = 7
    graph.to(name="other", handler=inc)
    del graph["other"]
    assert ask(server, 1) == 2


# ---- steps that emit ----------------------------------------------------------------------------------------------


class Emits:
    emits = True

    def __init__(self, what: str) -> None:
        self.what = what

    def do_event(self, event: Event) -> Any:
        event.body = [event.body]
        return {
            "event": event,
            "value": "value",
            "two": Emit((event.fork(1), 2)),
            "nothing": NOTHING,
            "left": Emit((7,), outlets=["left"]),
            "unknown": Emit((7,), outlets=["lift"]),
            "response": Response(body="r", status_code=201),
            "terminated": end(event.fork(None)),
        }[self.what]


@pytest.mark.parametrize(
    ("what", "seen", "answer"),
    [
        ("event", ["left [1]", "right [1]"], "left [1]"),
        ("value", ["left value", "right value"], "left value"),
        ("two", ["left 1", "right 1", "left 2", "right 2"], "left 1"),
        ("nothing", [], None),
        ("left", ["left 7"], "left 7"),
        ("response", [], Response(body="r", status_code=201)),
        ("terminated", [], "ended"),
    ],
)
def test_a_step_that_emits(new_graph: Any, ask: Any, what: str, seen: list[str], answer: Any) -> None:
    got = []

    def note(side: str) -> Callable[[Any], Any]:
        return lambda body: got.append(f"{side} {body}") or f"{side} {body}"

    graph = new_graph()
    step = graph.to(Emits, what=what)
    step.to(name="left", handler=note("left"))
    step.to(name="right", handler=note("right"))
    graph.add_step(name="end", handler="(event)", after=["left", "right"])
    assert ask(mock(graph), 1) == answer
    assert got == seen


def test_an_unknown_follower_is_an_error_that_handlers_take(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    step = graph.to(Emits, what="unknown")
    step.to(name="left", handler=str)
    message = "step 'Emits' chose 'lift', which does not follow it: there is 'left', did you mean 'left'?"
    with pytest.raises(StepError) as caught:
        ask(mock(graph), 1)
    assert caught.value.message == message
    step.error_handler(name="catch", handler=lambda event: event.error, full_event=True)
    assert ask(mock(graph), 1) == {"Emits": message}


class Chooses:
    """Chooses among its followers after its normal call."""

    def __init__(self, names: Any) -> None:
        self.names = names

    def do(self, body: Any) -> Any:
        return body + 1

    def select_outlets(self, body: Any) -> Any:
        return self.names


class ChoosesLater(Chooses):
    async def select_outlets(self, body: Any) -> Any:
        return self.names


class ChoosesByEvent(Chooses):
    def do(self, event: Any) -> Any:
        event.body += 1
        return event

    def select_outlets(self, event: Any) -> Any:
        return [event.path.strip("/")]


class ChoosesOfEvent(Chooses):
    async def do_event(self, event: Any) -> Any:
        return event.body + 1


@pytest.mark.parametrize("cls", [Chooses, ChoosesLater, ChoosesOfEvent])
@pytest.mark.parametrize(
    ("names", "seen"), [("left", ["left"]), (["right", "left"], ["right", "left"]), ([], []), (None, ["left", "right"])]
)
def test_select_outlets_chooses_the_followers(new_graph: Any, ask: Any, cls: Any, names: Any, seen: Any) -> None:
    got = []
    graph = new_graph()
    step = graph.to(cls, names=names)
    step.to(name="left", handler=lambda body: got.append(("left", body)))
    step.to(name="right", handler=lambda body: got.append(("right", body)))
    ask(mock(graph), 1)
    assert got == [(name, 2) for name in seen]


class EndsOrChooses(Chooses):
    def do_event(self, event: Event) -> Any:
        return end(event) if event.body else Response(body="busy", status_code=201)


@pytest.mark.parametrize(("body", "answer"), [(1, "ended"), (0, BUSY)])
def test_a_step_that_chooses_may_end_the_flow(new_graph: Any, ask: Any, body: Any, answer: Any) -> None:
    graph = new_graph()
    graph.to(EndsOrChooses, names=None).to(fail)
    assert ask(mock(graph), body) == answer


def test_a_step_that_chooses_has_no_place_for_its_result(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(Chooses, names=None, result_path="x").to(fail)
    with pytest.raises(StepError, match="step 'Chooses': result_path cannot be used with select_outlets"):
        ask(mock(graph), 1)


def test_select_outlets_gets_the_event_with_full_event(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    step = graph.to(ChoosesByEvent, names=None, full_event=True)
    step.to(name="left", handler="(event * 10)")
    step.to(name="right", handler="(event * 100)").respond()
    assert ask(mock(graph), 1, path="/right") == 200
    assert ask(mock(graph), 1, path="/left") is None


def test_an_unknown_outlet_names_the_step(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(Chooses, names="lift").to(name="left", handler=str)
    with pytest.raises(StepError, match="step 'Chooses' chose 'lift', which does not follow it"):
        ask(mock(graph), 1)


# ---- threads ------------------------------------------------------------------------------------------------------


def test_many_threads_at_once_get_their_own_answers(new_graph: Any, ask: Any) -> None:
    async def wait(body: int) -> int:
        await asyncio.sleep(0)
        return body

    graph = new_graph()
    first = graph.to(inc)
    first.to(name="a", handler="({'a': event})")
    first.to(name="b", handler=lambda body: {"b": body})
    graph.add_step("Merge", name="join", after=["a", "b"]).to(wait)
    server = mock(graph)
    wrong: list[Any] = []

    def many(start: int) -> None:
        for number in range(start, start + 40):
            answer = ask(server, number)
            if answer != {"a": number + 1, "b": number + 1}:
                wrong.append(answer)

    threads = [threading.Thread(target=many, args=(100 * index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
