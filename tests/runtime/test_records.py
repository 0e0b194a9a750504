"""Run records: what each step received and returned, as it was at that moment; bounded; only of ``test``."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from graphkit import Event, FlowStep, GraphServer, Response, RunRecord, StepError, V2ModelServer, create_graph_server
from graphkit.runtime import records, snapshot
from graphkit.runtime.records import Recorder, Runs


def inc(x: Any) -> Any:
    return x + 1


async def inc_later(x: Any) -> Any:
    await asyncio.sleep(0)
    return x + 1


def fail(x: Any) -> Any:
    raise ValueError(f"no {x}")


def mock(graph: Any, **options: Any) -> GraphServer:
    server: GraphServer = graph.to_mock_server(namespace=globals(), **options)
    return server


def last(server: GraphServer) -> RunRecord:
    assert server.last_run is not None
    return server.last_run


def edges(server: GraphServer) -> list[tuple[str, Any, Any, str | None]]:
    return [(step.name, step.input, step.output, step.error) for step in last(server).steps]


# ---- what is in a record ------------------------------------------------------------------------------------------


def test_a_record_says_what_came_in_and_went_out_of_each_step(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(inc).to(inc_later).to(name="text", handler="(str(event))")
    server = mock(graph)
    server.test("/p", 1, method="PUT", event_id="e1")
    record = last(server)
    assert (record.id, record.path, record.method, record.status, record.answer) == ("e1", "/p", "PUT", 200, "3")
    assert edges(server) == [("inc", 1, 2, None), ("inc_later", 2, 3, None), ("text", 3, "3", None)]
    assert {step.kind for step in record.steps} == {"task"}
    assert record.started.tzinfo is dt.timezone.utc
    assert 0 < sum(step.duration_us for step in record.steps) <= record.duration_us


def test_a_record_has_the_id_that_the_steps_saw(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(name="see", handler=lambda event: event.id, full_event=True)
    server = mock(graph)
    assert server.test(body=1) == last(server).id


def test_durations_are_in_microseconds(new_graph: Any) -> None:
    async def nap(x: Any) -> Any:
        await asyncio.sleep(0.02)

    graph = new_graph()
    graph.to(nap)
    server = mock(graph)
    server.test()
    (step,) = last(server).steps
    assert 15_000 < step.duration_us <= last(server).duration_us < 20_000_000


def test_snapshots_stay_as_they_were_though_a_later_step_changes_the_body(new_graph: Any) -> None:
    def grow(body: dict[str, Any]) -> dict[str, Any]:
        body["rows"].append(len(body["rows"]))
        body["frame"].loc[0, "x"] = len(body["rows"])
        body["array"][0] = len(body["rows"])
        return body

    graph = new_graph()
    graph.to(name="a", handler=grow).to(name="b", handler=grow)
    server = mock(graph)
    server.test(body={"rows": [], "frame": pd.DataFrame({"x": [0]}), "array": np.zeros(1, int)})
    seen = [
        (side["rows"], int(side["frame"].x[0]), int(side["array"][0]))
        for step in last(server).steps
        for side in (step.input, step.output)
    ]
    assert seen == [([], 0, 0), ([0], 1, 1), ([0], 1, 1), ([0, 1], 2, 2)]


def test_an_edge_has_one_snapshot(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(name="a", handler="({'x': [event]})").to(name="b", handler="(event)")
    server = mock(graph)
    server.test(body=1)
    first, second = last(server).steps
    assert first.output is second.input


def test_full_event_steps_are_recorded_with_their_bodies(new_graph: Any) -> None:
    def change(event: Event) -> Event:
        event.body = {"was": event.body}
        return event

    graph = new_graph()
    graph.to(change, full_event=True).to(name="value", handler=lambda event: 7, full_event=True)
    server = mock(graph)
    server.test(body=1)
    assert edges(server) == [("change", 1, {"was": 1}, None), ("value", {"was": 1}, 7, None)]


def test_what_a_path_selects_is_the_input(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(inc, input_path="a", result_path="b").to(name="all", handler="(event)")
    server = mock(graph)
    server.test(body={"a": 1})
    assert edges(server) == [("inc", 1, 2, None), ("all", {"a": 1, "b": 2}, {"a": 1, "b": 2}, None)]


def test_a_step_that_fails_has_its_error_and_no_output(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(inc).to(fail).to(inc, name="never")
    server = mock(graph)
    with pytest.raises(StepError):
        server.test(body=1)
    assert edges(server) == [("inc", 1, 2, None), ("fail", 2, None, "ValueError: no 2")]
    assert last(server).status == 500
    assert last(server).answer == "step 'fail' failed: ValueError: no 2"


def test_a_failure_that_is_handled_is_in_the_record_too(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(fail).error_handler(name="catch", handler="(event * 10)")
    server = mock(graph)
    server.test(body=1)
    assert edges(server) == [("fail", 1, None, "ValueError: no 1"), ("catch", 1, 10, None)]
    assert [step.kind for step in last(server).steps] == ["task", "error_step"]
    assert last(server).status == 200


def test_routes_are_recorded_after_their_router(new_graph: Any) -> None:
    graph = new_graph()
    router = graph.to("*ParallelRun", "all", executor_type="thread")
    router.add_route("a", handler="({'a': event['x'] + 1})")
    router.add_route("b", handler="({'b': event['x'] + 2})")
    server = mock(graph)
    server.test(body={"x": 1})
    first, *routes = edges(server)
    assert first == ("all", {"x": 1}, {"a": 2, "b": 3}, None)
    assert sorted(routes) == [("all/a", {"x": 1}, {"a": 2}, None), ("all/b", {"x": 1}, {"b": 3}, None)]


def test_a_route_that_fails_and_its_router_have_the_error(new_graph: Any) -> None:
    graph = new_graph()
    graph.to("*", "router").add_route("bad", handler=fail)
    server = mock(graph)
    with pytest.raises(StepError):
        server.test("/bad/infer", {"x": 1})
    message = "ValueError: no {'x': 1}"
    assert edges(server) == [("router", {"x": 1}, None, message), ("router/bad", {"x": 1}, None, message)]


def test_a_nested_flow_is_recorded_before_its_steps(new_graph: Any) -> None:
    graph = new_graph()
    flow = graph.insert_step("inner", FlowStep("inner"))
    flow.to(name="a", handler=inc).to(name="b", handler=inc)
    server = mock(graph)
    server.test(body=1)
    assert edges(server) == [("inner", 1, 3, None), ("inner/a", 1, 2, None), ("inner/b", 2, 3, None)]


def test_a_nested_flow_that_fails_has_the_error(new_graph: Any) -> None:
    graph = new_graph()
    flow = graph.insert_step("inner", FlowStep("inner"))
    flow.to(fail)
    server = mock(graph)
    with pytest.raises(StepError):
        server.test(body=1)
    assert edges(server) == [
        ("inner", 1, None, "ValueError: no 1"),
        ("inner/fail", 1, None, "ValueError: no 1"),
    ]


def test_a_nested_flow_that_ends_the_request_has_its_answer(new_graph: Any) -> None:
    graph = new_graph()
    flow = graph.insert_step("inner", FlowStep("inner"))
    flow.to(name="busy", handler=lambda event: Response(body="busy", status_code=201), full_event=True)
    server = mock(graph)
    server.test(body=1)
    assert [(step.name, step.error) for step in last(server).steps] == [("inner", None), ("inner/busy", None)]
    assert (last(server).status, last(server).answer) == (201, "busy")


def test_every_event_of_a_request_is_recorded(new_graph: Any) -> None:
    graph = new_graph()
    graph.to("FlatMap", "many", _fn="([event, event + 1])").to(inc)
    server = mock(graph)
    server.test(body=1)
    assert [(name, given) for name, given, _, _ in edges(server)] == [("many", 1), ("inc", 1), ("inc", 2)]


def test_branches_and_joins_are_recorded_though_they_would_be_folded(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(name="a", handler="({'a': event})")
    graph.to(name="b", handler="({'b': event})")
    graph.add_step("Merge", name="join", after=["a", "b"])
    server = mock(graph)
    server.test(body=1)
    assert [(step.name, step.input) for step in last(server).steps] == [
        ("a", 1),
        ("join", {"a": 1}),
        ("b", 1),
        ("join", {"b": 1}),
    ]
    assert last(server).steps[-1].output == {"a": 1, "b": 1}


# ---- forms --------------------------------------------------------------------------------------------------------


def test_a_record_is_plain_data(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(fail)
    server = mock(graph)
    server.test(body=1, event_id="e1", silent=True)
    told = last(server).to_dict()
    assert list(told) == ["id", "path", "method", "status", "started", "duration_us", "answer", "steps"]
    (step,) = told["steps"]
    assert {key: step[key] for key in ("name", "kind", "input", "output", "error")} == {
        "name": "fail",
        "kind": "task",
        "input": 1,
        "output": None,
        "error": "ValueError: no 1",
    }


def test_a_record_is_a_frame_with_a_row_for_each_step(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(inc).to(fail)
    server = mock(graph)
    server.test(body=1, silent=True)
    frame = last(server).to_frame()
    assert list(frame.columns) == ["name", "kind", "input", "output", "duration_us", "error"]
    assert frame["name"].tolist() == ["inc", "fail"]
    assert frame["error"].tolist() == [None, "ValueError: no 2"]
    assert frame["output"].tolist() == [2, None]
    assert frame["duration_us"].dtype == float


def test_a_record_shows_itself_as_text_and_html(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(inc).to(fail)
    server = mock(graph)
    server.test(body=1, silent=True)
    for shown in (repr(last(server)), last(server)._repr_html_()):
        assert all(word in shown for word in ("inc", "fail", "ValueError: no 2", "500"))


# ---- only of test, and bounded ------------------------------------------------------------------------------------


def test_run_records_nothing(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(inc)
    server = mock(graph)
    server.run(Event(1))
    asyncio.run(_await(server))
    assert (server.last_run, len(server.runs)) == (None, 0)


async def _await(server: GraphServer) -> None:
    await server.run_async(Event(1))


def test_the_last_runs_are_kept_oldest_first(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(inc)
    server = mock(graph, parameters={"keep_runs": 3})
    for number in range(5):
        server.test(body=number)
    assert [record.answer for record in server.runs] == [3, 4, 5]
    assert server.runs[-1] is server.last_run
    assert [record.answer for record in server.runs[:2]] == [3, 4]
    assert repr(server.runs) == "Runs(3 kept)"
    server.runs.clear()
    assert (len(server.runs), server.last_run) == (0, None)


def test_fifty_runs_are_kept_when_nothing_else_is_said(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(inc)
    server = mock(graph)
    for number in range(55):
        server.test(body=number)
    assert len(server.runs) == 50


def record_of(number: int) -> RunRecord:
    return RunRecord(str(number), "/", "GET", 200, dt.datetime.now(dt.timezone.utc), 1.0, None, ())


def test_runs_are_bounded_in_bytes_but_the_newest_stays() -> None:
    runs = Runs(most=10, most_bytes=100)
    for number in range(5):
        runs.add(record_of(number), 40)
    assert [record.id for record in runs] == ["3", "4"]
    runs.add(record_of(9), 1000)
    assert [record.id for record in runs] == ["9"]


def test_threads_may_add_runs_at_once() -> None:
    runs = Runs(most=10, most_bytes=10_000)

    def add() -> None:
        for number in range(500):
            runs.add(record_of(number), 100)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(runs) == 10
    assert runs._bytes == 1000


def test_the_steps_of_one_run_are_bounded_and_the_others_counted(
    new_graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_STEPS", 3)
    graph = new_graph()
    graph.to("FlatMap", "many", _fn="([event] * 6)").to(inc)
    server = mock(graph)
    assert server.test(body=1) == 2
    assert (len(last(server).steps), last(server).dropped) == (3, 4)


def test_the_bytes_of_one_run_are_bounded(new_graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MOST_RUN_BYTES", 3000)
    graph = new_graph()
    step = graph
    for number in range(6):
        step = step.to(name=f"s{number}", handler=lambda body: ["x" * 900])
    server = mock(graph)
    server.test(body=1)
    kinds = [type(step.output) for step in last(server).steps]
    assert kinds == [list] * 3 + [snapshot.Preview] * 3
    assert str(last(server).steps[-1].output).startswith("['xxx")


def test_large_values_are_previews(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(name="frame", handler=lambda body: pd.DataFrame({"x": range(1_000_000)})).to(name="rows", handler=len)
    server = mock(graph)
    assert server.test(body=1) == 1_000_000
    output = last(server).steps[0].output
    assert isinstance(output, snapshot.Preview)
    assert output.type == "DataFrame"
    assert "1000000" in repr(output).replace(",", "")
    assert len(repr(output)) < 500


def test_a_recorder_may_be_left_without_a_result() -> None:
    recorder = Recorder(Event(1))
    record, size = recorder.finish(200, None)
    assert (record.steps, record.answer) == ((), None)
    assert size == 0


# ---- many threads -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("awaits", [False, True])
def test_records_of_many_threads_are_not_mixed(new_graph: Any, awaits: bool) -> None:
    graph = new_graph()
    graph.to(inc_later if awaits else inc, name="first").to(name="second", handler="(event * 2)")
    server = mock(graph, parameters={"keep_runs": 1600})
    wrong: list[Any] = []

    def many(start: int) -> None:
        for number in range(start, start + 200):
            if server.test(body=number, event_id=f"e{number}") != 2 * (number + 1):
                wrong.append(number)

    threads = [threading.Thread(target=many, args=(1000 * index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(server.runs) == 1600
    for record in server.runs:
        number = int(record.id[1:])
        assert [(step.name, step.input, step.output) for step in record.steps] == [
            ("first", number, number + 1),
            ("second", number + 1, 2 * (number + 1)),
        ]
        assert record.answer == 2 * (number + 1)


def test_loading_a_model_is_no_part_of_the_run_that_it_is_loaded_for() -> None:
    loaded = []

    class Slow(V2ModelServer):
        def load(self) -> None:
            time.sleep(0.05)
            loaded.append(time.perf_counter_ns())

        def predict(self, request: Any) -> Any:
            return request["inputs"]

    server = create_graph_server()
    server.add_model("slow", class_name=Slow)
    server.test("slow/infer", {"inputs": [1]})
    took_ns = time.perf_counter_ns() - loaded[0]
    assert last(server).duration_us * 1000 <= took_ns
