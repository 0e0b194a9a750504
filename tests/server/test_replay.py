"""Replays: a recorded event sent again, whole or from a step on, through the graph as it is now."""

from __future__ import annotations

import ast
import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from graphkit import Event, FlowStep, GraphError, GraphServer, Response, RunRecord, StepError, V2ModelServer, new_router
from graphkit.steps.choice import Choice


@pytest.fixture(params=[False, True], ids=["plain", "awaits"])
def add(request: pytest.FixtureRequest) -> Any:
    """Return ``add(number)``: a step function that adds a number, plain or async, and counts its calls."""

    def adding(number: int) -> Any:
        def plain(x: Any) -> Any:
            plain.calls += 1
            return x + number

        async def awaits(x: Any) -> Any:
            plain.calls += 1
            await asyncio.sleep(0)
            return x + number

        plain.calls = 0
        function = awaits if request.param else plain
        function.count = lambda: plain.calls
        return function

    return adding


def steps_of(record: RunRecord) -> list[tuple[str, Any, Any, bool]]:
    return [(step.name, step.input, step.output, step.replayed) for step in record.steps]


def named(tag: str) -> Any:
    return lambda body: {tag: body["x"]}


# ---- whole runs ---------------------------------------------------------------------------------------------------


def test_a_whole_run_is_repeated_with_its_event(graph: Any) -> None:
    seen: list[Any] = []

    def see(event: Event) -> Any:
        seen.append((event.body, event.path, event.method, dict(event.headers), event.key))
        return event.body

    graph.to(see, full_event=True)
    server = graph.to_mock_server()
    server.test("/p/q", {"x": [1]}, method="PUT", headers={"a": "b"})
    record = server.replay()
    assert seen[0] == seen[1] == ({"x": [1]}, "/p/q", "PUT", {"a": "b"}, "")
    assert (record.answer, record.replay_of, record.start) == ({"x": [1]}, server.runs[0].id, None)
    assert record is server.last_run
    assert record.id != server.runs[0].id


def test_an_id_that_the_caller_gave_is_kept(graph: Any) -> None:
    graph.to(name="id", handler=lambda event: event.id, full_event=True)
    server = graph.to_mock_server()
    server.test(body=1, event_id="mine")
    assert server.replay().answer == "mine"
    assert server.replay(start="id").answer == "mine"


def test_a_body_given_as_text_is_decoded_again(graph: Any) -> None:
    graph.to(name="same", handler="(event)")
    server = graph.to_mock_server()
    server.test(body='{"x": 1}')
    assert server.replay().answer == {"x": 1}


def test_a_replay_sees_changed_code(graph: Any) -> None:
    step = graph.to(name="step", handler="(event + 1)")
    server = graph.to_mock_server()
    assert server.test(body=1) == 2
    step.handler = "(event + 10)"
    assert server.replay().answer == 11


def test_a_replay_does_not_change_the_record_that_it_repeats(graph: Any) -> None:
    def spoil(body: Any) -> Any:
        body["frame"]["y"] = 1
        body["array"][0] = 9
        body["rows"].append(1)
        return len(body["rows"])

    graph.to(name="first", handler="(event)").to(spoil)
    server = graph.to_mock_server()
    server.test(body={"frame": pd.DataFrame({"x": [1]}), "array": np.zeros(2), "rows": []})
    first = server.last_run
    assert [server.replay(first).answer, server.replay(first, "spoil").answer] == [1, 1]
    given = first.steps[1].input
    assert (list(given["frame"].columns), given["array"].tolist(), given["rows"]) == (["x"], [0.0, 0.0], [])


def test_a_run_that_fails_again_is_recorded_and_not_raised(graph: Any) -> None:
    graph.to(name="fail", handler="(event['no'])")
    server = graph.to_mock_server()
    server.test(body={}, silent=True)
    record = server.replay()
    assert record.status == server.runs[0].status >= 400
    assert "fail" in record.answer


@pytest.mark.parametrize("choose", [lambda run: run, lambda run: run.id, lambda run: 0, lambda run: -2])
def test_a_run_is_named_by_record_id_or_place(graph: Any, choose: Any) -> None:
    graph.to(name="same", handler="(event)")
    server = graph.to_mock_server()
    server.test(body="first")
    first = server.last_run
    server.test(body="second")
    assert server.replay(choose(first)).answer == "first"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [("nobody", "no run with the id 'nobody'"), (7, "there is no run 7; 1 are kept")],
)
def test_a_run_that_is_not_kept_is_an_error(graph: Any, wanted: Any, message: str) -> None:
    graph.to(name="same", handler="(event)")
    server = graph.to_mock_server()
    with pytest.raises(GraphError, match="no recorded run"):
        server.replay()
    server.test(body=1)
    with pytest.raises(GraphError, match=message):
        server.replay(wanted)


# ---- from a step on -----------------------------------------------------------------------------------------------


def test_the_steps_before_are_taken_over_and_do_not_run(graph: Any, add: Any) -> None:
    one, two, three = add(1), add(2), add(3)
    graph.to(one, "a").to(two, "b").to(three, "c").to(name="d", handler="(event * 10)")
    server = graph.to_mock_server()
    assert server.test(body=0) == 60
    record = server.replay(start="c")
    assert (record.answer, record.start) == (60, "c")
    assert [one.count(), two.count(), three.count()] == [1, 1, 2]
    assert steps_of(record) == [("a", 0, 1, True), ("b", 1, 3, True), ("c", 3, 6, False), ("d", 6, 60, False)]


def test_every_step_of_a_line_can_be_the_start(graph: Any, add: Any) -> None:
    graph.to(add(1), "a").to(add(2), "b").to(add(3), "c")
    server = graph.to_mock_server()
    server.test(body=0)
    first = server.last_run
    assert [server.replay(first, start).answer for start in "abc"] == [6, 6, 6]


def test_a_step_that_failed_is_replayed_when_it_is_right(graph: Any) -> None:
    step = graph.to(name="first", handler="({'x': event})").to(name="bad", handler="(event['y'])")
    step.to(name="last", handler="(event + 1)")
    server = graph.to_mock_server()
    with pytest.raises(StepError):
        server.test(body=1)
    step.handler = "(event['x'])"
    record = server.replay(start="bad")
    assert (record.status, record.answer) == (200, 2)
    assert steps_of(record) == [("first", 1, {"x": 1}, True), ("bad", {"x": 1}, 1, False), ("last", 1, 2, False)]


def test_input_and_result_paths_apply_again(graph: Any, add: Any) -> None:
    graph.to(add(1), "a", input_path="n.x", result_path="n.y").to(add(5), "b", input_path="n.y", result_path="z")
    server = graph.to_mock_server()
    answer = server.test(body={"n": {"x": 1}, "keep": [1]})
    assert answer == {"n": {"x": 1, "y": 2}, "keep": [1], "z": 7}
    assert server.replay(start="b").answer == answer
    step = server.last_run.steps[1]
    assert (step.input, step.body) == (2, {"n": {"x": 1, "y": 2}, "keep": [1]})


def test_a_replay_can_be_replayed(graph: Any, add: Any) -> None:
    graph.to(add(1), "a").to(add(2), "b").to(add(3), "c")
    server = graph.to_mock_server()
    server.test(body=0)
    server.replay(start="c")
    record = server.replay(start="b")
    assert (record.answer, [step.replayed for step in record.steps]) == (6, [True, False, False])


def test_what_full_event_steps_did_to_the_event_is_there_again(graph: Any) -> None:
    def mark(event: Event) -> Event:
        event.key, event.headers["h"], event.path, event.tag = "k", "v", "/new", [1]
        return event

    def read(event: Event) -> Any:
        return [event.key, event.headers["h"], event.path, event.tag, event.id]

    graph.to(mark, full_event=True).to(name="plain", handler="(event)").to(read, full_event=True)
    server = graph.to_mock_server()
    *answer, _ = server.test(body=1)
    *again, identity = server.replay(start="plain").answer
    assert again == answer == ["k", "v", "/new", [1]]
    assert identity == server.last_run.id


def test_branches_that_the_start_does_not_lead_to_are_taken_over(graph: Any, add: Any) -> None:
    left, right = add(1), add(2)
    graph.to(left, "left").respond()
    graph.to(right, "right").to(name="end", handler="(event)")
    server = graph.to_mock_server()
    assert server.test(body=0) == 1
    record = server.replay(start="right")
    assert (record.answer, left.count(), right.count()) == (1, 1, 2)
    assert sorted(steps_of(record)) == [("end", 2, 2, False), ("left", 0, 1, True), ("right", 0, 2, False)]


def joined_graph(graph: Any, add: Any) -> tuple[Any, Any]:
    left, right = add(1), add(2)
    first = graph.to(name="first", handler="(event)")
    first.to(left, "left", result_path="l", input_path="x").to(name="deeper", handler="(event)")
    first.to(right, "right", result_path="r", input_path="x")
    graph.add_step("Merge", name="join", after=["deeper", "right"]).to(name="end", handler="(event)")
    return left, right


@pytest.mark.parametrize("start", ["left", "deeper", "right", "join", "end", "first"])
def test_joins_get_the_other_branches_events_again(graph: Any, add: Any, start: str) -> None:
    left, right = joined_graph(graph, add)
    server = graph.to_mock_server()
    answer = {"x": 1, "l": 2, "r": 3}
    assert server.test(body={"x": 1}) == answer
    record = server.replay(start=start)
    assert (record.status, record.answer) == (200, answer)
    runs = {"left": (2, 1), "right": (1, 2), "first": (2, 2)}.get(start, (1, 1))
    assert (left.count(), right.count()) == runs


def test_the_order_of_branches_at_a_join_is_kept(graph: Any, add: Any) -> None:
    for tag in "abc":
        graph.to(name=tag, handler=named(tag)).to(
            name=f"{tag}2", handler=lambda body: {**body, "last": next(iter(body))}
        )
    graph.add_step("Merge", name="join", after=["a2", "b2", "c2"])
    server = graph.to_mock_server()
    answer = server.test(body={"x": 1})
    assert answer == {"a": 1, "b": 1, "c": 1, "last": "c"}
    for start in ("a", "b2", "c", "join"):
        assert server.replay(0, start).answer == answer
        assert list(server.last_run.answer) == list(answer)


def test_branches_that_a_failed_run_never_came_to_run_in_the_replay(graph: Any) -> None:
    first = graph.to(name="first", handler="({'x': event})")
    bad = first.to(name="bad", handler="(event['no'])", result_path="l")
    first.to(name="other", handler="(event['x'] * 5)", result_path="r")
    graph.add_step("Merge", name="join", after=["bad", "other"])
    server = graph.to_mock_server()
    server.test(body=1, silent=True)
    bad.handler = "(event['x'] * 3)"
    record = server.replay(start="bad")
    assert (record.status, record.answer) == (200, {"x": 1, "l": 3, "r": 5})


def test_a_later_branch_that_failed_is_replayed_beside_the_ones_that_did_not(graph: Any) -> None:
    first = graph.to(name="first", handler="({'x': event})")
    first.to(name="good", handler="(event['x'] * 3)", result_path="l")
    bad = first.to(name="bad", handler="(event['no'])", result_path="r")
    graph.add_step("Merge", name="join", after=["good", "bad"])
    server = graph.to_mock_server()
    server.test(body=1, silent=True)
    bad.handler = "(event['x'] * 5)"
    for _ in range(2):  # nothing of the failed run waits in the join
        record = server.replay(0, start="bad")
        assert (record.status, record.answer) == (200, {"x": 1, "l": 3, "r": 5})


def test_a_replay_can_be_replayed_where_branches_part_and_meet_again_and_again(graph: Any) -> None:
    first = graph.to(name="first", handler="(event)")
    for side in "xy":
        fork = first.to(name=side, handler="(event)")
        fork.to(name=f"{side}1", handler=f"({{'{side}1': event}})")
        fork.to(name=f"{side}2", handler=f"({{'{side}2': event}})")
        graph.add_step("Merge", name=f"join_{side}", after=[f"{side}1", f"{side}2"])
    graph.add_step("Merge", name="all", after=["join_x", "join_y"])
    server = graph.to_mock_server()
    answer = server.test(body=1)
    assert answer == {"x1": 1, "x2": 1, "y1": 1, "y2": 1}
    for start in ("x", "y", "x1", "first", "y", "x2", "all", "y1", "join_x"):
        record = server.replay(-1, start)  # of the replay before
        assert (record.status, record.answer) == (200, answer), start


def test_a_replay_can_be_replayed_where_each_of_several_events_is_joined(graph: Any) -> None:
    rows = graph.to("FlatMap", "rows", _fn="([1, 2, 3])")
    rows.to(name="left", handler="({'l': event})")
    rows.to(name="right", handler="({'r': event})")
    graph.add_step("Merge", name="join", after=["left", "right"])
    server = graph.to_mock_server()
    server.test(body=0)
    for start in ("left", "right", "left", "rows", "right", "join", "left"):
        record = server.replay(-1, start)  # of the replay before
        assert record.status == 200
        told = [str(step.output) for step in record.steps if step.name == "join"]
        joined = [ast.literal_eval(text) for text in told if not text.startswith("waits")]
        assert sorted(joined, key=lambda body: body["l"]) == [{"l": n, "r": n} for n in (1, 2, 3)], start


def test_each_of_several_events_is_sent_again(graph: Any, add: Any) -> None:
    one = add(1)
    graph.to("FlatMap", "many", _fn="([event, event + 1])").to(one, "each").to(name="end", handler="(event * 2)")
    server = graph.to_mock_server()
    answer = server.test(body=1)
    record = server.replay(start="each")
    assert record.answer == answer == 4
    assert [step[:2] for step in steps_of(record)] == [("many", 1), ("each", 1), ("end", 2), ("each", 2), ("end", 3)]
    assert one.count() == 4


def test_a_chosen_branch_stays_the_only_one(graph: Any) -> None:
    class Sizes(Choice):
        def select_outlets(self, event: Any) -> Any:
            return ["big" if event > 5 else "small"]

    choice = graph.to(Sizes, "choice")
    for name in ("big", "small"):
        choice.to(name=name, handler=f"('{name}')")
    graph.add_step(name="end", handler="(event)", after=["big", "small"])
    server = graph.to_mock_server()
    server.test(body=1)
    record = server.replay(start="small")
    assert [step.name for step in record.steps] == ["choice", "small", "end"]
    assert record.answer == "small"


# ---- routers, nested flows, error handlers, queues ------------------------------------------------------------------


class Model(V2ModelServer):
    loads = 0

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return [x * 2 for x in request["inputs"]]


def test_a_route_is_replayed_with_its_router(graph: Any) -> None:
    router = graph.to(name="first", handler="(event)").to("*", "models")
    router.add_route("m1", class_name=Model)
    router.add_route("m2", class_name=Model)
    server = graph.to_mock_server()
    server.test("/v2/models/m2/infer", {"inputs": [3]})
    record = server.replay(start="models/m2")
    assert (record.answer["outputs"], record.start) == ([6], "models")
    assert [(step.name, step.replayed) for step in record.steps] == [
        ("first", True),
        ("models", False),
        ("models/m2", False),
    ]


def test_a_router_at_the_root_is_replayed_whole() -> None:
    router = new_router()
    router.add_route("m", class_name=Model)
    server = GraphServer(router)
    server.test("/v2/models/m/infer", {"inputs": [3]})
    for start in ("m", ""):
        record = server.replay(0, start)
        assert (record.answer["outputs"], record.start, [step.replayed for step in record.steps]) == (
            [6], None, [False, False],
        )  # fmt: skip


def nested_graph(graph: Any, add: Any) -> Any:
    before, inside, last = add(1), add(2), add(3)
    outer = graph.to(name="first", handler="(event)").to(FlowStep("outer"))
    inner = outer.to(before, "before").to(FlowStep("inner"))
    inner.to(inside, "x").to(last, "y")
    outer.add_step(name="after", handler="(event * 10)", after="inner")
    graph.add_step(name="end", handler="(event + 1)", after="outer")
    return before, inside, last


@pytest.mark.parametrize(
    ("start", "calls"),
    [
        ("first", (2, 2, 2)),
        ("outer", (2, 2, 2)),
        ("outer/before", (2, 2, 2)),
        ("outer/inner", (1, 2, 2)),
        ("outer/inner/x", (1, 2, 2)),
        ("outer/inner/y", (1, 1, 2)),
        ("outer/after", (1, 1, 1)),
        ("end", (1, 1, 1)),
    ],
)
def test_nested_flows_begin_in_their_middle(graph: Any, add: Any, start: str, calls: Any) -> None:
    counted = nested_graph(graph, add)
    server = graph.to_mock_server()
    assert server.test(body=0) == 61
    before = [step[:3] for step in steps_of(server.last_run)]
    record = server.replay(start=start)
    assert (record.status, record.answer) == (200, 61)
    assert tuple(function.count() for function in counted) == calls
    assert [step[:3] for step in steps_of(record)] == before


def test_a_nested_flow_that_ran_several_times_says_so(graph: Any) -> None:
    inner = graph.to("FlatMap", "many", _fn="([event, event + 1])").to(FlowStep("inner"))
    inner.to(name="x", handler="(event)")
    server = graph.to_mock_server()
    server.test(body=1)
    with pytest.raises(GraphError, match=r"the flow 'inner' ran 2 times .* replay from 'inner'"):
        server.replay(start="inner/x")
    assert server.replay(start="inner").status == 200


def test_an_error_handler_can_be_the_start(graph: Any) -> None:
    def catch(event: Event) -> Any:
        return {"error": event.error, "at": event.origin_state, "body": event.body}

    step = graph.to(name="first", handler="(event)").to(name="bad", handler="(event['no'])")
    step.error_handler("catch", handler=catch, full_event=True)
    server = graph.to_mock_server()
    answer = server.test(body={"x": 1})
    assert answer["at"] == "bad"
    record = server.replay(start="catch")
    assert record.answer == answer
    assert [(step.name, step.replayed) for step in record.steps] == [
        ("first", True),
        ("bad", True),
        ("catch", False),
    ]


def test_the_handler_of_a_whole_graph_can_be_the_start_and_does_not_catch_itself(graph: Any) -> None:
    graph.to(name="bad", handler="(event['no'])")
    graph.error_handler("catch", handler="('caught')")
    server = graph.to_mock_server()
    assert server.test(body={}) == "caught"
    assert server.replay(start="catch").answer == "caught"
    graph["catch"].handler = "(event['neither'])"
    record = server.replay(0, start="catch")
    assert record.status >= 400
    assert [step.name for step in record.steps] == ["bad", "catch"]


def test_a_replay_has_its_errors_handled_too(graph: Any) -> None:
    step = graph.to(name="first", handler="(event)").to(name="ok", handler="(event)")
    step.error_handler("catch", handler="('caught')")
    server = graph.to_mock_server()
    server.test(body={"x": 1})
    step.handler = "(event['no'])"
    assert server.replay(start="ok").answer == "caught"


def test_a_step_behind_a_queue_in_memory_can_be_the_start(graph: Any) -> None:
    graph.to(name="first", handler="(event + 1)").to(">>", "q").to(
        name="behind", handler="(event * 2)", function="child"
    )
    server = graph.to_mock_server()
    server.test(body=1)
    record = server.replay(start="behind")
    assert steps_of(record)[-1] == ("behind", 2, 4, False)


def test_a_response_of_a_replayed_step_is_the_answer(graph: Any) -> None:
    graph.to(name="first", handler="(event)").to(
        name="busy", handler=lambda event: Response(body="busy", status_code=503), full_event=True
    )
    server = graph.to_mock_server()
    server.test(body=1, silent=True)
    record = server.replay(start="busy")
    assert (record.status, record.answer) == (503, "busy")


# ---- what cannot be replayed ----------------------------------------------------------------------------------------


class Odd:
    pass


@dataclass
class Row:
    x: int
    tags: list[str]


def test_an_input_that_was_too_large_is_a_clear_error(graph: Any) -> None:
    graph.to(name="big", handler=lambda body: np.zeros(10_000_000)).to(name="sum", handler=lambda a: float(a.sum()))
    server = graph.to_mock_server()
    server.test(body=1)
    with pytest.raises(GraphError, match=r"recorded input of step 'sum' was not kept whole.*ndarray was too large"):
        server.replay(start="sum")
    assert server.replay().status == 200


def test_an_input_that_cannot_be_copied_is_a_clear_error_that_says_where(graph: Any) -> None:
    graph.to(name="odd", handler=lambda body: {"rows": [1, Odd()]}).to(name="len", handler=lambda body: len(body))
    server = graph.to_mock_server()
    server.test(body=1)
    with pytest.raises(GraphError, match=r"type Odd at 'rows\[1\]' could not be copied"):
        server.replay(start="len")


def test_dataclasses_tuples_and_odd_scalars_are_kept_whole(graph: Any) -> None:
    import decimal
    import uuid

    row = Row(1, ["a"])
    value = {"row": row, "d": decimal.Decimal("1.5"), "u": uuid.UUID(int=5), "t": pd.Timestamp("2026-01-01")}
    graph.to(name="make", handler=lambda body: value).to(name="same", handler=lambda body: dict(body))
    server = graph.to_mock_server()
    server.test(body=1)
    row.tags.append("changed")
    answer = server.replay(start="same").steps[-1].output
    assert answer == {**value, "row": Row(1, ["a"])}


def test_a_body_with_a_secret_is_never_sent_again(graph: Any) -> None:
    def use(body: Any, context: Any) -> Any:
        return {"token": context.get_secret("token")}

    graph.to(name="use", handler=use).to(name="len", handler=lambda body: len(body))
    server = graph.to_mock_server(secret_sources=[{"kind": "inline", "source": {"token": "s3cret"}}])
    server.test(body=1)
    with pytest.raises(GraphError, match="holds a secret"):
        server.replay(start="len")
    assert server.replay(start="use").answer == 1


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("fist", "no step 'fist'.*did you mean 'first'"),
        ("never", "'never' has no recorded input.*did not run"),
    ],
)
def test_a_step_that_is_not_there_or_did_not_run_is_a_clear_error(graph: Any, start: str, message: str) -> None:
    graph.to(name="first", handler="(event['no'])").to(name="never", handler="(event)")
    server = graph.to_mock_server()
    server.test(body={}, silent=True)
    with pytest.raises(GraphError, match=message):
        server.replay(start=start)
    assert len(server.runs) == 1


def test_a_step_of_another_function_is_a_clear_error(graph: Any) -> None:
    graph.to(name="first", handler="(event)").to(">>", "q", path="memory://q").to(
        name="far", handler="(event)", function="child"
    )
    server = graph.to_mock_server(current_function="")
    server.test(body=1)
    with pytest.raises(GraphError, match="'far' runs in the function 'child'"):
        server.replay(start="far")


def test_bytes_of_replays_are_counted(graph: Any) -> None:
    graph.to(name="text", handler="('x' * 1000)").to(name="end", handler="(event)")
    server = graph.to_mock_server()
    server.test(body=1)
    before = server.runs._bytes
    server.replay(start="end")
    assert server.runs._bytes > 2 * before


def test_the_source_of_each_event_is_recorded(graph: Any, add: Any) -> None:
    joined_graph(graph, add)
    server = graph.to_mock_server()
    server.test(body={"x": 1})
    found = sorted((step.name, step.source or "") for step in server.last_run.steps)
    assert found == [
        ("deeper", "left"),
        ("end", "join"),
        ("first", ""),
        ("join", "deeper"),
        ("join", "right"),
        ("left", "first"),
        ("right", "first"),
    ]


def test_what_replays_need_is_kept_within_the_bytes_of_a_run(graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from graphkit.runtime import snapshot

    monkeypatch.setattr(snapshot, "MOST_RUN_BYTES", 5_000)
    step = graph
    for number in range(8):
        step = step.to(name=f"s{number}", handler="(event + 1)", input_path="n", result_path="n")
    server = graph.to_mock_server()
    server.test(body={"n": 0, "text": "x" * 1000})
    assert server.runs._bytes < 5_000 + 8 * 1_000  # previews and the steps themselves take little
    assert server.replay(0, "s2").status == 200
    with pytest.raises(GraphError, match="recorded input of step 's7' was not kept whole"):
        server.replay(0, "s7")
