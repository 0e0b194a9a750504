"""Joins whose parts never come are told, and records say what a step sent on in a user's words."""

from __future__ import annotations

from typing import Any

import pytest

import graphkit
from graphkit import Event, StepError
from graphkit.streams.memory import MemoryStream


@pytest.fixture(params=["sync", "async", "awaiting"])
def chosen(request: pytest.FixtureRequest) -> Any:
    """Return a function that makes a flow of a choice between x and y, which a join waits for."""

    async def later(body: Any) -> Any:
        return body

    def make(**join: Any) -> Any:
        graph = graphkit.new_flow(engine=request.param.replace("awaiting", "async"))
        choice = graph.to("ChoiceByField", "choose", field_name="to")
        choice.to(later if request.param == "awaiting" else dict, "x")
        choice.to(dict, "y")
        graph.add_step("Merge", name="join", after=["x", "y"], **join).respond()
        return graph

    return make


def outputs(server: Any) -> dict[str, Any]:
    return {step.name: str(step.output) for step in server.last_run.steps}


def test_a_join_that_waits_in_vain_is_an_error_that_names_what_is_missing(chosen: Any) -> None:
    server = chosen().to_mock_server()
    with pytest.raises(StepError) as caught:
        server.test(body={"to": "x"})
    assert str(caught.value).startswith(
        "step 'join' got 1 of the 2 parts of this event: nothing came from 'y', so that there is no answer"
    )
    assert (caught.value.step, caught.value.status) == ("join", 500)
    assert server.last_run.status == 500
    shown = outputs(server)
    assert shown["choose"] == "→ x"
    assert shown["join"] == "waits: 1 of 2 came"
    assert server.test(body={"to": ["x", "y"]}) == {"to": ["x", "y"]}


def test_what_was_given_up_does_not_join_the_same_event_sent_again(chosen: Any) -> None:
    server = chosen().to_mock_server()
    for _ in range(2):
        with pytest.raises(StepError, match="got 1 of the 2 parts"):
            server.test(body={"to": "x"}, event_id="7")
    join = server.graph["join"].async_object
    assert (join.pending, join.evicted) == (0, 2)


def test_production_answers_the_same(chosen: Any) -> None:
    server = chosen().to_mock_server()
    errors = MemoryStream("memory://errors-of-joins")
    server.init()
    server._error_stream_object = errors
    answer = server.run(Event({"to": "y"}))
    assert answer.status_code == 500
    assert "step 'join' got 1 of the 2 parts" in answer.body
    assert any("got 1 of the 2 parts" in str(entry) for entry in errors.read())


@pytest.mark.parametrize("join", [{"key_path": "n"}, {"full_event": True, "key_path": "event.id"}])
def test_joins_that_may_be_completed_later_wait(chosen: Any, join: dict[str, Any]) -> None:
    server = chosen(**join).to_mock_server()
    assert server.test(body={"to": "x", "n": 1, "a": 1}, event_id="7") is None
    assert server.test(body={"to": "y", "n": 1, "b": 2}, event_id="7") == {"to": "y", "n": 1, "a": 1, "b": 2}
    server.wait_for_completion()


def test_a_number_of_parts_other_than_that_of_the_branches_may_come_with_several_requests(chosen: Any) -> None:
    server = chosen(expected_num_events=3).to_mock_server()
    for body in ({"to": "x", "a": 1}, {"to": "y", "b": 2}):
        assert server.test(body=body, event_id="7") is None
    assert server.test(body={"to": "x", "c": 3}, event_id="7") == {"to": "x", "a": 1, "b": 2, "c": 3}
    server.wait_for_completion()


def test_the_number_of_the_branches_is_what_is_meant_without_it(chosen: Any) -> None:
    server = chosen(expected_num_events=2).to_mock_server()
    with pytest.raises(StepError, match="got 1 of the 2 parts of this event"):
        server.test(body={"to": "x"}, event_id="7")
    with pytest.raises(StepError, match="got 1 of the 2 parts of this event"):
        server.test(body={"to": "y"}, event_id="7")
    assert server.test(body={"to": ["x", "y"]}) == {"to": ["x", "y"]}


def test_parts_that_a_batch_holds_may_still_come() -> None:
    graph = graphkit.new_flow()
    graph.to(name="a", handler="(event)")
    graph.to("Batch", "batch", max_events=2).to(name="b", handler="({'n': len(event)})")
    graph.add_step("Merge", name="join", after=["a", "b"]).respond()
    server = graph.to_mock_server()
    assert server.test(body={"x": 1}, event_id="1") is None
    assert outputs(server)["batch"] == "waits: 1 collected"
    assert server.test(body={"x": 2}, event_id="1") is not None
    server.wait_for_completion()


def test_a_join_beside_the_answer_is_not_to_blame_for_a_request_that_was_filtered_out() -> None:
    graph = graphkit.new_flow()
    graph.to("Filter", "keep", _fn="(event['n'] > 1)").to(name="answer", handler="(event)").respond()
    choice = graph.to("ChoiceByField", "choose", field_name="to")
    choice.to(dict, "x")
    choice.to(dict, "y")
    graph.add_step("Merge", name="join", after=["x", "y"])
    server = graph.to_mock_server()
    assert server.test(body={"n": 1, "to": "x"}) is None
    assert outputs(server)["keep"] == "dropped"


def test_the_handler_of_a_nested_flow_takes_its_joins_failure(chosen: Any) -> None:
    graph = graphkit.new_flow()
    inner = graph.add_step(graphkit.FlowStep("inner", steps=dict(chosen().steps)))
    inner.error_handler("sorry", handler="({'sorry': event['to']})")
    assert graph.to_mock_server().test(body={"to": "x"}) == {"sorry": "x"}


def test_several_events_are_told_with_their_bodies() -> None:
    graph = graphkit.new_flow()
    graph.to("FlatMap", "rows", _fn="(event['rows'])").to("Filter", "large", _fn="(event > 1)").to(str)
    server = graph.to_mock_server()
    assert server.test(body={"rows": [1, 2]}) == "2"
    told = [(step.name, str(step.output)) for step in server.last_run.steps]
    assert told == [("rows", "2 events: 1, 2"), ("large", "dropped"), ("large", "2"), ("str", "2")]


def test_a_class_that_computes_and_chooses_shows_both() -> None:
    class Sort:
        def do(self, body: int) -> int:
            return body * 10

        def select_outlets(self, body: int) -> str:
            return "big" if body > 50 else "small"

    graph = graphkit.new_flow()
    step = graph.to(Sort, "sort")
    step.to(str, "big")
    step.to(str, "small")
    graph["big"].respond()
    server = graph.to_mock_server()
    assert server.test(body=6) == "60"
    assert outputs(server)["sort"] == "→ big: 60"


def test_secrets_are_no_part_of_what_is_told() -> None:
    graph = graphkit.new_flow()
    graph.to("FlatMap", "rows", _fn="(event)").to(str)
    server = graph.to_mock_server(secret_sources=[{"kind": "inline", "source": {"KEY": "s3cr3t-value"}}])
    server.init()
    assert server.context.get_secret("KEY") == "s3cr3t-value"
    server.test(body=["s3cr3t-value", "other"])
    assert "s3cr3t" not in repr(server.last_run)


def test_an_answer_that_is_an_id_is_explained_in_the_record() -> None:
    graph = graphkit.new_flow()
    first = graph.to(dict, "a")
    first.to(dict, "b")
    first.to(dict, "c")
    server = graph.to_mock_server()
    assert list(server.test(body={})) == ["id"]
    assert server.last_run.note.startswith("Several ends ('b', 'c')")
    assert "mark the step that answers with .respond()" in repr(server.last_run)
    graph["b"].respond()
    assert server.test(body={}) == {}
    assert server.last_run.note == ""


def test_an_answer_whose_id_is_an_array_is_an_answer_like_any_other() -> None:
    import numpy as np

    graph = graphkit.new_flow()
    graph.to(name="ids", handler=lambda body: {"id": np.array(body)})
    assert graph.to_mock_server().test(body=[1, 2])["id"].tolist() == [1, 2]
