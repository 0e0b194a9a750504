"""Joins of branches keep requests apart: how many there are at once, whatever ids they bear, however they end."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from graphkit import Event, FlowStep, GraphServer, Merge, Response, StepError, new_flow
from graphkit.streams.memory import MemoryStream

SOON_S = 20


async def slow(body: Any) -> Any:
    await asyncio.sleep(0.01)
    return {"b": body["x"]}


def joined(*, quick: Any = "({'a': event['x']})", slow: Any = slow, **join: Any) -> GraphServer:
    """Return a server of two branches, the first of which is quicker, and their join."""
    graph = new_flow()
    start = graph.to(name="start", handler="(event)")
    start.to(name="quick", handler=quick)
    start.to(name="slow", handler=slow)
    graph.add_step("Merge", name="join", after=["quick", "slow"], **join).respond()
    server = graph.to_mock_server()
    server.init()
    server._error_stream_object = MemoryStream("memory://errors-of-requests")
    return server


def at_once(server: GraphServer, events: list[Event]) -> list[Any]:
    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(server.run_async(event, get_body=True) for event in events))

    return asyncio.run(all_of_them())


def join_of(server: GraphServer) -> Any:
    return server.graph["join"].async_object


def told(server: GraphServer) -> list[str]:
    return [record["message"] for record in server._error_stream_object.read()]


def both(x: int) -> dict[str, int]:
    return {"a": x, "b": x}


def test_no_request_loses_its_answer_to_others_that_run_at_once() -> None:
    server = joined()
    assert at_once(server, [Event({"x": i}) for i in range(300)]) == [both(i) for i in range(300)]
    assert (join_of(server).pending, join_of(server).evicted) == (0, 0)
    assert told(server) == []


def test_nor_to_others_in_many_threads() -> None:
    server = joined()
    with ThreadPoolExecutor(80) as pool:
        assert list(pool.map(lambda i: server.test(body={"x": i}), range(240))) == [both(i) for i in range(240)]
    assert join_of(server).pending == 0


def test_requests_with_the_same_id_do_not_get_each_others_parts() -> None:
    server = joined()
    events = [Event({"x": i}, event_id="same") for i in range(20)]
    assert at_once(server, events) == [both(i) for i in range(20)]
    one = Event({"x": 7})
    assert at_once(server, [one] * 5) == [both(7)] * 5


def test_a_request_that_fails_leaves_no_part_for_the_next_with_its_id() -> None:
    calls: list[Any] = []

    async def flaky(body: Any) -> Any:
        calls.append(body)
        if len(calls) == 1:
            raise ValueError("first")
        return {"b": body["x"]}

    server = joined(slow=flaky)
    answers = [at_once(server, [Event({"x": i}, event_id="r")])[0] for i in range(3)]
    assert answers[0].status_code == 500
    assert answers[1:] == [both(1), both(2)]
    assert join_of(server).pending == 0


def test_nor_does_one_that_a_handler_answered() -> None:
    async def refuses(body: Any) -> Any:
        if body["x"] == 0:
            raise ValueError("no")
        return {"b": body["x"]}

    server = joined(slow=refuses)
    server.graph.error_handler("sorry", handler="({'sorry': event['x']})")
    answers = [at_once(server, [Event({"x": i}, event_id="r")])[0] for i in range(2)]
    assert answers == [{"sorry": 0}, both(1)]
    assert join_of(server).pending == 0


def test_nor_does_one_that_a_step_ended_with_an_answer_of_its_own() -> None:
    def cached(event: Event) -> Any:
        return Response(body="cached") if event.body["x"] == 0 else event.body

    graph = new_flow()
    graph.to(name="quick", handler="({'a': event['x']})")
    graph.to(name="cached", handler=cached, full_event=True)
    graph.add_step("Merge", name="join", after=["quick", "cached"]).respond()
    server = graph.to_mock_server()
    server.init()
    server._error_stream_object = MemoryStream("memory://errors-of-answered")
    for _ in range(2):
        assert server.test(body={"x": 0}, event_id="r").body == "cached"
        assert server.test(body={"x": 1}, event_id="r") == {"a": 1, "x": 1}
    assert (join_of(server).pending, told(server)) == (0, [])


def test_nor_does_one_that_was_cancelled() -> None:
    begun = threading.Event()

    async def hangs(body: Any) -> Any:
        if body["x"] == 0:
            begun.set()
            await asyncio.sleep(SOON_S)
        return {"b": body["x"]}

    server = joined(slow=hangs)
    run = server.submit(body={"x": 0}, event_id="r")
    assert begun.wait(SOON_S)
    assert run.cancel()
    assert server.test(body={"x": 1}, event_id="r") == both(1)
    assert join_of(server).pending == 0


async def soon(body: Any) -> Any:
    await asyncio.sleep(0)
    return {"a": body["x"]}


async def wait_by(body: Any) -> Any:
    await asyncio.sleep(0.03 / (1 + body["x"]))  # the later, the sooner
    return {"b": body["x"]}


def test_each_of_several_events_has_joins_of_its_own() -> None:
    graph = new_flow()
    rows = graph.to("FlatMap", "rows", _fn="([{'x': i} for i in event])")
    rows.to(name="quick", handler=soon)
    rows.to(name="slow", handler=wait_by)
    got: list[Any] = []
    graph.add_step("Merge", name="join", after=["quick", "slow"]).to(name="end", handler=got.append)
    server = graph.to_mock_server()
    for run in (server.test, lambda body: at_once(server, [Event(body)])):
        got.clear()
        run(body=[0, 1, 2, 3])
        assert sorted(got, key=lambda body: body["a"]) == [both(i) for i in range(4)]


def test_branches_behind_a_step_that_is_reached_twice_are_joined_each_time_by_themselves() -> None:
    def waits(name: str, **seconds: float) -> Any:
        async def wait(body: Any) -> Any:
            await asyncio.sleep(seconds.get(body.get("of", ""), seconds.get("always", 0)))
            return {"of": name} if name in "ab" else {name: body["of"]}

        return wait

    graph = new_flow()
    graph.to(waits("a", always=0.02), name="a")
    graph.to(waits("b"), name="b")
    graph.add_step(name="c", handler="(event)", after=["a", "b"])
    graph.add_step(waits("d", always=0.01), name="d", after="c")
    graph.add_step(waits("e", a=0.05, b=0.08), name="e", after="c")
    got: list[Any] = []
    graph.add_step("Merge", name="join", after=["d", "e"]).to(name="end", handler=got.append)
    server = graph.to_mock_server()
    for run in (lambda: server.test(body={}), lambda: at_once(server, [Event({})])):
        got.clear()
        run()
        assert sorted(got, key=str) == [{"d": "a", "e": "a"}, {"d": "b", "e": "b"}]
    assert join_of(server).pending == 0


@pytest.mark.parametrize("later", [False, True])
def test_a_second_part_from_one_branch_fails_whatever_comes_first(later: bool) -> None:
    async def wait(body: Any) -> Any:
        await asyncio.sleep(0.01)
        return body

    graph = new_flow()
    start = graph.to(name="start", handler="(event)")
    rows = start.to("FlatMap", "rows", _fn="([{'a': 1}, {'a': 2}])")
    (rows if later else start).to(wait, name="waits")
    after = ["waits", "b"] if later else ["rows", "waits"]
    if later:
        start.to(name="b", handler="({'b': 1})")
    graph.add_step("Merge", name="join", after=after).respond()
    server = graph.to_mock_server()
    told = f"step 'join': a second part of one event came from {'waits' if later else 'rows'!r}; a join takes one from"
    for _ in range(2):
        with pytest.raises(StepError, match=told):
            server.test(body={})
        (answer,) = at_once(server, [Event({})])
        assert (answer.status_code, answer.body.startswith(told)) == (500, True)
    assert join_of(server).pending == 0


def test_a_batch_on_the_way_to_one_join_does_not_change_another() -> None:
    graph = new_flow()
    rows = graph.to("FlatMap", "rows", _fn="([{'x': i} for i in event])")
    rows.to(name="quick", handler=soon)
    rows.to(name="slow", handler=wait_by)
    got: list[Any] = []
    graph.add_step("Merge", name="join", after=["quick", "slow"]).to(name="end", handler=got.append).respond()
    rows.to("Batch", "batch", max_events=1).to(name="first", handler="(event[0])")
    graph.add_step("Merge", name="other", after=["first", "slow"])
    graph.to_mock_server().test(body=[0, 1, 2])
    assert sorted(got, key=lambda body: body["a"]) == [both(i) for i in range(3)]


def test_an_error_handler_may_lead_to_the_other_branch() -> None:
    def fails(body: Any) -> Any:
        raise ValueError("no")

    graph = new_flow()
    start = graph.to(name="start", handler="(event)")
    start.to(name="first", handler=fails).error_handler("instead", handler="({'x': 5})", before="second")
    start.to(name="second", handler="({'second': event['x']})")
    got: list[Any] = []

    class Both(Merge):
        def merge(self, events: list[Any]) -> Any:
            got.append(list(events))
            return events[0]

    graph.add_step(Both, name="join", after=["first", "second"])
    server = graph.to_mock_server()
    server.test(body={"x": 1})
    at_once(server, [Event({"x": 1})])
    assert got == [[{"second": 5}, {"second": 1}]] * 2


def test_a_join_of_one_step_lets_all_through() -> None:
    graph = new_flow()
    graph.to(name="a", handler="({'a': 1})")
    graph.to(name="b", handler="({'b': 1})")
    graph.add_step(name="both", handler="(event)", after=["a", "b"])
    got: list[Any] = []
    graph.add_step("Merge", name="join", after="both").to(name="end", handler=got.append)
    graph.to_mock_server().test(body={})
    assert got == [{"a": 1}, {"b": 1}]


def test_every_request_whose_time_is_over_is_told_however_slow_the_error_stream_is() -> None:
    class Slow(MemoryStream):
        def push(self, *args: Any, **kwargs: Any) -> Any:
            time.sleep(0.3)
            return super().push(*args, **kwargs)

    async def hangs(body: Any) -> Any:
        await asyncio.sleep(0.3)
        return {"b": 1}

    server = joined(slow=hangs, timeout_s=0.05)
    server._error_stream_object = Slow("memory://slow-errors")
    assert [answer.status_code for answer in at_once(server, [Event({"x": i}) for i in range(4)])] == [504] * 4
    server.wait_for_completion()


class Busy(Merge):
    def merge(self, events: list[Any]) -> Any:
        return Response(body="busy", status_code=201)


def test_a_join_may_answer_the_request(graph: Any) -> None:
    graph.to(name="a", handler="({'a': 1})")
    graph.to(name="b", handler="({'b': 1})")
    graph.add_step(Busy, name="join", after=["a", "b"]).to(name="end", handler="({'end': 1})")
    server = graph.to_mock_server()
    server.init()
    for answer in (server.test(body={}), server.run(Event({}), get_body=True), at_once(server, [Event({})])[0]):
        assert (answer.body, answer.status_code) == ("busy", 201)


def test_what_several_events_bring_is_joined_where_the_join_is_not_behind_them_alone() -> None:
    graph = new_flow()
    graph.to("FlatMap", "rows", _fn="([{'x': 1}, {'y': 2}])")
    graph.add_step("Merge", name="join", after="rows", expected_num_events=2).respond()
    assert graph.to_mock_server().test(body={}) == {"x": 1, "y": 2}


def test_a_nested_flow_that_an_event_reaches_twice_joins_each_by_itself() -> None:
    graph = new_flow()
    graph.to(name="one", handler="({'x': 1})").to(soon, name="one_later", result_path="y")
    graph.to(name="two", handler="({'x': 2})").to(soon, name="two_later", result_path="y")
    inner = graph.add_step(FlowStep("inner"), after=["one_later", "two_later"])
    inner.to(name="quick", handler=soon)
    inner.to(name="slow", handler=wait_by)
    inner.add_step("Merge", name="join", after=["quick", "slow"]).respond()
    got: list[Any] = []
    graph.add_step(name="end", handler=got.append, after="inner")
    graph.to_mock_server().test(body={})
    assert sorted(got, key=lambda body: body["a"]) == [both(1), both(2)]


def test_a_join_behind_a_batch_is_one_of_its_run() -> None:
    graph = new_flow()
    batch = graph.to("Batch", "pairs", max_events=2)
    batch.to(name="quick", handler="({'a': event})")
    batch.to(name="slow", handler="({'b': len(event)})")
    graph.add_step("Merge", name="join", after=["quick", "slow"]).respond()
    server = graph.to_mock_server()
    assert server.test(body=1, event_id="r") is None
    assert server.test(body=2, event_id="r") == {"a": [1, 2], "b": 2}
    assert join_of(server).pending == 0


def test_max_behind_bounds_requests_too_and_who_loses_its_join_is_told() -> None:
    server = joined(max_behind=2)
    answers = at_once(server, [Event({"x": i}, event_id=str(i)) for i in range(5)])
    assert answers[3:] == [both(3), both(4)]
    for number, answer in enumerate(answers[:3]):
        assert answer.status_code == 503
        assert f"step 'join': the join '{number}' was given up with 1 of 2 parts" in answer.body
        assert "2 newer ones wait (max_behind)" in answer.body
    join = join_of(server)
    assert (join.pending, join.evicted, join.late, join._gone) == (0, 3, 3, {})
    assert len(told(server)) == 3


def test_a_join_whose_time_is_over_fails_its_request() -> None:
    gate = threading.Event()

    async def hangs(body: Any) -> Any:
        while not gate.is_set():
            await asyncio.sleep(0.005)
        return {"b": body["x"]}

    server = joined(slow=hangs, timeout_s=0.02)
    run = server.submit(body={"x": 1})
    for _ in range(1000):
        if join_of(server).evicted:
            break
        threading.Event().wait(0.01)
    gate.set()
    with pytest.raises(StepError, match=r"step 'join': .* 1 of 2 parts, since 0\.02 s are over") as caught:
        run.result(SOON_S)
    assert (caught.value.status, caught.value.step) == (504, "join")
    assert server.test(body={"x": 2}) == both(2)
    server.wait_for_completion()


def test_draining_does_not_take_the_joins_of_requests_under_way() -> None:
    begun, gate = threading.Event(), threading.Event()

    async def hangs(body: Any) -> Any:
        begun.set()
        while not gate.is_set():
            await asyncio.sleep(0.005)
        return {"b": body["x"]}

    server = joined(slow=hangs)
    run = server.submit(body={"x": 1})
    assert begun.wait(SOON_S)
    server._ready(check_names=False).flush()
    assert join_of(server).pending == 1
    gate.set()
    assert run.result(SOON_S) == both(1)


def test_a_request_whose_part_came_too_late_for_a_shared_join_is_told() -> None:
    graph = new_flow()
    graph.to("Merge", "join", expected_num_events=2, max_behind=1).respond()
    server = graph.to_mock_server()
    assert server.test(body={"a": 1}, event_id="1") is None
    assert server.test(body={"a": 2}, event_id="2") is None
    with pytest.raises(StepError, match="a part came too late for the join '1', which had been given up") as caught:
        server.test(body={"b": 1}, event_id="1")
    assert caught.value.status == 503
    assert server.test(body={"b": 2}, event_id="2") == {"a": 2, "b": 2}


def test_what_waits_in_vain_beside_an_answer_is_counted_and_told() -> None:
    graph = new_flow()
    graph.to(name="answer", handler="(event)").respond()
    choice = graph.to("ChoiceByField", "choose", field_name="to")
    choice.to(dict, "x")
    choice.to(dict, "y")
    graph.add_step("Merge", name="join", after=["x", "y"])
    server = graph.to_mock_server()
    server.init()
    server._error_stream_object = MemoryStream("memory://errors-beside")
    assert server.test(body={"to": "x"}, event_id="r") == {"to": "x"}
    join = join_of(server)
    assert (join.pending, join.evicted) == (0, 1)
    (message,) = told(server)
    assert message == "the join 'r' was given up with 1 of 2 parts, since its request is over; the parts are dropped"
