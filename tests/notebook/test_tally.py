from __future__ import annotations

from typing import Any

import pytest

import graphkit
from graphkit.notebook.tally import Did, Tally, together


@pytest.fixture
def graph() -> Any:
    graph = graphkit.new_flow()
    graph.to(name="double", handler="(event * 2)").to(name="inc", handler="(event + 1)").respond()
    return graph


def test_a_run_is_told_step_by_step(graph: Any) -> None:
    changes: list[str] = []
    tally = Tally(lambda: changes.append(tally.seen()[0].state))
    graph.watch.add(tally)
    assert graph.to_mock_server(namespace={}).test(body=20) == 41
    outcome, steps = tally.seen()
    assert (outcome.state, outcome.status, outcome.request, outcome.runs) == ("ok", 200, "POST /", 1)
    assert {path: (did.order, did.count, did.record.output) for path, did in steps.items()} == {
        "double": (1, 1, 40),
        "inc": (2, 1, 41),
    }
    assert changes == ["running"] * 5 + ["ok"]


def test_a_new_run_takes_the_place_of_the_last(graph: Any) -> None:
    tally = Tally()
    graph.watch.add(tally)
    server = graph.to_mock_server(namespace={})
    server.test(body="ab", silent=True)  # 'abab' + 1 fails
    assert tally.seen()[0].state == "bad"
    assert tally.seen()[1]["inc"].failed == 1
    server.test(body=1)
    assert (tally.seen()[0].state, tally.seen()[1]["inc"].failed) == ("ok", 0)


def test_runs_that_overlap_are_counted_together() -> None:
    tally = Tally()
    done = [run_record("a", 200), run_record("b", 500)]
    for name in "ab":
        tally.run_started(None, name, "/", "POST")
        tally.step_started(None, name, "s", "task")
    assert tally.seen()[1]["s"].active == 2
    for record in done:
        tally.step_ended(None, record.id, record.steps[0])
    tally.run_ended(None, done[1])
    assert tally.seen()[0].state == "bad"
    tally.run_ended(None, done[0])
    outcome, steps = tally.seen()
    assert (outcome.state, outcome.runs, steps["s"].count, steps["s"].active) == ("bad", 2, 2, 0)


def test_a_recorded_run_can_be_shown_whole_or_up_to_a_step(graph: Any) -> None:
    server = graph.to_mock_server(namespace={})
    server.test(body=20)
    tally = Tally()
    tally.show(server.last_run, 1)
    outcome, steps = tally.seen()
    assert (outcome.state, outcome.status) == ("running", None)
    assert (steps["double"].count, steps["inc"].count, steps["inc"].active) == (1, 0, 1)
    tally.show(server.last_run)
    assert (tally.seen()[0].state, tally.seen()[1]["inc"].count) == ("ok", 1)
    tally.show(None)
    assert tally.seen()[0].state == ""
    assert tally.seen()[1] == {}


def test_several_steps_as_one_tell_of_the_failure_first() -> None:
    failed, fine = step_record("a", "ValueError: no"), step_record("b")
    whole = together([Did(order=2, count=1, record=fine), Did(order=1, count=1, failed=1, record=failed)])
    assert (whole.count, whole.failed, whole.record) == (1, 1, failed)


def step_record(name: str, error: str | None = None) -> Any:
    from graphkit.runtime.records import StepRecord

    return StepRecord(name, "task", 1, None if error else 2, 3.0, error)


def run_record(name: str, status: int) -> Any:
    import datetime as dt

    from graphkit.runtime.records import RunRecord

    return RunRecord(name, "/", "POST", status, dt.datetime.now(dt.timezone.utc), 5.0, None, (step_record("s"),))
