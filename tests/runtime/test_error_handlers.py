"""Error handlers of steps and graphs: what they get, where the flow goes on, what the caller sees."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from graphkit import BadRequest, Event, FlowStep, GraphServer, Merge, Response, StepError, StreamError
from graphkit.core.errors import ModelNotFound


def fail(x: Any) -> Any:
    raise ValueError(f"no {x}")


async def fail_later(x: Any) -> Any:
    await asyncio.sleep(0)
    raise ValueError(f"no {x}")


def fail_with_promise(x: Any) -> Any:
    return fail_later(x)


class Fails:
    def do_event(self, event: Event) -> Event:
        raise ValueError(f"no {event.body}")


def told(event: Event) -> Any:
    return [event.error, event.origin_state, event.body]


FAILURES = [fail, fail_later, fail_with_promise, Fails]


def mock(graph: Any, **options: Any) -> GraphServer:
    server: GraphServer = graph.to_mock_server(namespace=globals(), **options)
    return server


@pytest.fixture(params=FAILURES, ids=lambda cls: cls.__name__)
def failing(request: pytest.FixtureRequest) -> Any:
    """Return each kind of step that fails."""
    return request.param


# ---- of a step ----------------------------------------------------------------------------------------------------


def test_the_handler_gets_error_and_origin_and_its_result_is_the_answer(new_graph: Any, ask: Any, failing: Any) -> None:
    graph = new_graph()
    step = graph.to(name="first", handler="(event + 1)").to(failing, name="bad")
    step.to(name="never", handler=fail)
    step.error_handler(name="catch", handler=told, full_event=True)
    assert ask(mock(graph), 1) == [{"bad": "ValueError: no 2"}, "bad", 2]


def test_without_full_event_the_handler_gets_the_body_that_the_step_got(new_graph: Any, ask: Any, failing: Any) -> None:
    graph = new_graph()
    graph.to(name="first", handler="(event + 1)").to(failing, name="bad").error_handler(
        name="catch", handler="(event * 10)"
    )
    assert ask(mock(graph), 1) == 20


def test_error_handler_returns_the_step_it_was_called_on(new_graph: Any) -> None:
    graph = new_graph()
    step = graph.to(fail)
    assert step.error_handler(name="catch", handler=str) is step
    assert graph.error_handler(name="catch_all", handler=str) is graph


def test_with_before_the_flow_goes_on_there(new_graph: Any, ask: Any, failing: Any) -> None:
    graph = new_graph()
    graph.to(failing, name="bad").to(name="skipped", handler=fail).to(name="last", handler="(event + 1)")
    graph["bad"].error_handler(name="catch", handler="(event * 10)", before="last")
    assert ask(mock(graph), 1) == 11


def test_with_full_event_the_handler_may_return_the_event_or_any_value(new_graph: Any, ask: Any) -> None:
    def mend(event: Event) -> Event:
        event.body = {"mended": event.error}
        return event

    graph = new_graph()
    graph.to(fail).to(name="last", handler="(event)")
    graph["fail"].error_handler(name="catch", handler=mend, full_event=True, before="last")
    assert ask(mock(graph), 1) == {"mended": {"fail": "ValueError: no 1"}}
    graph["fail"].error_handler(name="catch", handler=lambda event: None, full_event=True, before="last")
    assert ask(mock(graph), 1) is None


def test_a_class_may_be_the_handler(new_graph: Any, ask: Any) -> None:
    class Mend:
        def __init__(self, by: int) -> None:
            self.by = by

        def do(self, body: int) -> int:
            return body * self.by

    graph = new_graph()
    graph.to(fail).error_handler(name="catch", class_name=Mend, by=7)
    assert ask(mock(graph), 2) == 14


def test_a_handler_may_be_async_and_use_paths(new_graph: Any, ask: Any) -> None:
    async def mend(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    graph = new_graph()
    graph.to(fail).error_handler(name="catch", handler=mend, input_path="a", result_path="b")
    assert ask(mock(graph), {"a": 1}) == {"a": 1, "b": 2}


def test_errors_of_one_event_add_up(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(name="one", handler=fail).to(name="two", handler=fail)
    graph["one"].error_handler(name="h1", handler="(event)", before="two")
    graph["two"].error_handler(name="h2", handler=told, full_event=True)
    assert ask(mock(graph), 1) == [{"one": "ValueError: no 1", "two": "ValueError: no 1"}, "two", 1]


def test_a_handler_in_a_branch_concerns_that_branch_alone(new_graph: Any, ask: Any) -> None:
    class Listed(Merge):
        def merge(self, events: list[Any]) -> Any:
            return list(events)

    graph = new_graph()
    first = graph.to(name="first", handler="(event)")
    first.to(name="good", handler="(event + 1)")
    first.to(name="bad", handler=fail).error_handler(name="catch", handler="(event + 100)", before="join")
    graph.add_step(Listed, name="join", after=["good", "bad"])
    assert ask(mock(graph), 1) == [2, 101]


@pytest.mark.parametrize("whose", ["step", "graph"])
def test_a_handler_that_fails_does_not_hide_what_it_was_to_handle(new_graph: Any, ask: Any, whose: str) -> None:
    def worse(body: Any) -> Any:
        raise KeyError("worse")

    graph = new_graph()
    step = graph.to(name="bad", handler=fail)
    (step if whose == "step" else graph).error_handler("catch", handler=worse)
    with pytest.raises(StepError) as caught:
        ask(mock(graph), 1)
    told = "step 'catch' failed: KeyError: 'worse' (while it handled step 'bad': ValueError: no 1)"
    assert caught.value.message == told


def test_a_handler_that_leads_nowhere_answers_only_where_the_answering_step_is_not_reached(
    new_graph: Any, ask: Any
) -> None:
    graph = new_graph()
    first = graph.to(name="first", handler="(event)")
    first.to(name="bad", handler=fail).error_handler(name="catch", handler="('caught')")
    first.to(name="good", handler="('good')").respond()
    assert ask(mock(graph), 1) == "good"
    graph["good"].handler = fail
    graph["good"].error_handler(name="catch_good", handler="('caught too')")
    assert ask(mock(graph), 1) == "caught"


def test_the_event_that_others_hold_is_not_changed_by_a_failure(new_graph: Any, ask: Any) -> None:
    held = []

    def hold(event: Event) -> Event:
        held.append(event)
        return event

    graph = new_graph()
    graph.to(hold, full_event=True).to(fail).error_handler(name="catch", handler="(0)")
    ask(mock(graph), 1)
    assert [(event.error, event.origin_state) for event in held] == [(None, None)]


def test_a_message_that_is_empty_is_the_name_of_the_exception(new_graph: Any, ask: Any) -> None:
    def stop(x: Any) -> Any:
        raise KeyError

    graph = new_graph()
    graph.to(stop).error_handler(name="catch", handler=told, full_event=True)
    assert ask(mock(graph), 1) == [{"stop": "KeyError"}, "stop", 1]


def test_a_result_that_has_no_place_is_a_failure_of_its_step(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(name="put", handler="(event)", result_path="a.b").error_handler(name="catch", handler="(event)")
    assert ask(mock(graph), 5) == 5


# ---- of a graph ---------------------------------------------------------------------------------------------------


def test_the_handler_of_the_graph_ends_it(new_graph: Any, ask: Any, failing: Any) -> None:
    graph = new_graph()
    graph.to(failing, name="bad").to(name="never", handler=fail)
    graph.error_handler(name="catch", handler=told, full_event=True)
    assert ask(mock(graph), 1) == [{"bad": "ValueError: no 1"}, "bad", 1]


def test_a_handler_of_a_step_goes_before_that_of_the_graph(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(fail).error_handler(name="own", handler="('own')")
    graph.error_handler(name="all", handler="('all')")
    assert ask(mock(graph), 1) == "own"


def test_a_handler_that_fails_is_taken_by_that_of_the_graph(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(fail).error_handler(name="own", handler=fail)
    graph.error_handler(name="all", handler=told, full_event=True)
    assert ask(mock(graph), 1) == [{"fail": "ValueError: no 1", "own": "ValueError: no 1"}, "own", 1]


@pytest.mark.parametrize("steps_behind", [0, 1, 2])
def test_a_handler_of_the_graph_that_fails_is_the_error(new_graph: Any, ask: Any, steps_behind: int) -> None:
    graph = new_graph()
    graph.to(fail)
    graph.error_handler(name="all", handler=fail if steps_behind == 0 else str)
    step = graph["all"]
    for number in range(steps_behind):
        step = step.to(name=f"behind{number}", handler=fail if number == steps_behind - 1 else str)
    with pytest.raises(StepError, match=f"step {step.name!r} failed: ValueError: no 1"):
        ask(mock(graph), 1)


def test_the_handler_of_the_graph_takes_failures_of_each_branch(new_graph: Any, ask: Any) -> None:
    taken = []
    graph = new_graph()
    graph.to(name="a", handler=fail)
    graph.to(name="b", handler=fail)
    graph.error_handler(name="all", handler=lambda event: taken.append(event.origin_state), full_event=True)
    ask(mock(graph), 1)
    assert taken == ["a", "b"]


def test_a_failing_answer_of_a_branch_is_taken_before_one_that_succeeds(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(name="a", handler="(event)")
    graph.to(name="b", handler=fail)
    graph.add_step(name="end", handler="('end')", after=["a", "b"])
    graph.error_handler(name="all", handler="('caught')")
    assert ask(mock(graph), 1) == "caught"


# ---- nested flows and routers -------------------------------------------------------------------------------------


def nested(graph: Any, **step: Any) -> Any:
    flow = graph.insert_step("inner", FlowStep("inner"))
    flow.to(name="ok", handler="(event + 1)").to(name="bad", **step)
    return flow


def test_a_failure_in_a_nested_flow_reaches_the_outer_handlers(new_graph: Any, ask: Any, failing: Any) -> None:
    graph = new_graph()
    nested(graph, class_name=failing).error_handler(name="catch", handler=told, full_event=True)
    assert ask(mock(graph), 1) == [{"inner": "ValueError: no 2"}, "inner/bad", 1]


def test_a_nested_flow_handles_its_own_failures(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    flow = nested(graph, handler=fail)
    flow["bad"].error_handler(name="own", handler="(event * 10)")
    graph.add_step(name="behind", handler="(event + 1)", after="inner")
    graph.error_handler(name="all", handler="('all')")
    assert ask(mock(graph), 1) == 21


def test_a_nested_failure_names_the_step_with_its_path(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    nested(graph, handler=fail)
    with pytest.raises(StepError, match=r"^step 'inner/bad' failed: ValueError: no 2$"):
        ask(mock(graph), 1)


def test_a_failing_route_is_a_failure_of_its_router(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    router = graph.to("*", name="router")
    router.add_route("one", handler=fail)
    router.error_handler(name="catch", handler=told, full_event=True)
    answer = [{"router": "ValueError: no {'x': 1}"}, "router/one", {"x": 1}]
    assert ask(mock(graph), {"x": 1}, path="/one/infer") == answer


# ---- what the caller and the error stream see ---------------------------------------------------------------------


def test_an_error_names_the_step_and_chains_its_own(new_graph: Any, failing: Any) -> None:
    graph = new_graph()
    graph.to(failing, name="bad")
    with pytest.raises(RuntimeError, match="step 'bad' failed: ValueError: no 1") as caught:
        mock(graph).test(body=1)
    error = caught.value
    assert isinstance(error, StepError)
    assert (error.step, error.status) == ("bad", 500)
    assert isinstance(error.__cause__, ValueError)
    assert str(error.__cause__) == "no 1"


@pytest.mark.parametrize(
    ("raised", "message", "status"),
    [
        (BadRequest("bad input"), "step 'bad': bad input", 400),
        (ModelNotFound("no such"), "step 'bad': no such", 404),
        (StepError("busy", status=429), "step 'bad': busy", 429),
        (StreamError("gone"), "step 'bad' failed: gone", 500),
        (StepError("mine", step="other"), "mine", 500),
        (ZeroDivisionError(), "step 'bad' failed: ZeroDivisionError", 500),
    ],
    ids=lambda item: type(item).__name__,
)
def test_errors_of_graphkit_keep_their_status(
    new_graph: Any, ask: Any, raised: Exception, message: str, status: int
) -> None:
    def give(x: Any) -> Any:
        raise raised

    graph = new_graph()
    graph.to(name="bad", handler=give)
    with pytest.raises(StepError) as caught:
        ask(mock(graph), 1)
    assert (caught.value.message, caught.value.status) == (message, status)


@pytest.mark.parametrize("kind", [BadRequest, ModelNotFound])
def test_the_class_of_an_error_stays_what_it_was(new_graph: Any, kind: type[StepError]) -> None:
    def give(x: Any) -> Any:
        raise kind("no")

    graph = new_graph()
    graph.to(give)
    with pytest.raises(kind):
        mock(graph).test(body=1)


def test_every_failure_is_written_to_the_error_stream_once(
    new_graph: Any, ask: Any, request: pytest.FixtureRequest
) -> None:
    graph = new_graph()
    nested(graph, handler=fail)
    router = graph.add_step("*", name="router", after="inner")
    router.add_route("one", handler=fail)
    graph["inner"].error_handler(name="catch", handler="({'x': event})", before="router")
    graph.error_handler(name="all", handler="('all')")
    server = mock(graph, error_stream=f"memory://{request.node.name}", function_uri="shop/clean")
    assert ask(server, 1, path="/one/infer", event_id="e1") == "all"
    first, second = server._error_stream_object.read()
    assert (first["source"], first["message"]) == ("inner/bad", "step 'inner/bad' failed: ValueError: no 2")
    assert (second["source"], second["message"]) == ("router/one", "step 'router/one' failed: ValueError: no {'x': 1}")
    assert first["event"]["id"] == second["event"]["id"] == "e1"
    assert first["function_uri"] == "shop/clean"


class FailingStream:
    def push(self, record: Any, **options: Any) -> None:
        raise OSError("disk is full")


def test_an_error_stream_that_fails_is_logged_and_the_first_error_stays(
    new_graph: Any, ask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    graph = new_graph()
    graph.to(fail)
    server = mock(graph)
    server._error_stream_object = FailingStream()
    with (
        caplog.at_level(logging.ERROR, "graphkit"),
        pytest.raises(StepError, match="step 'fail' failed: ValueError: no 1"),
    ):
        ask(server, 1)
    assert "the error stream could not be written: OSError: disk is full" in caplog.text


def test_an_odd_body_does_not_cost_the_error_record(new_graph: Any, ask: Any, request: pytest.FixtureRequest) -> None:
    graph = new_graph()
    graph.to(name="odd", handler=lambda body: {"x": object, "f": lambda: None}).to(fail)
    server = mock(graph, error_stream=f"memory://{request.node.name}")
    with pytest.raises(StepError):
        ask(server, 1)
    assert len(server._error_stream_object.read()) == 1


def test_after_a_failure_the_server_goes_on_serving(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(name="invert", handler="(10 / event)")
    server = mock(graph)
    for _ in range(3):
        with pytest.raises(StepError, match="step 'invert' failed: ZeroDivisionError"):
            ask(server, 0)
        assert ask(server, 2) == 5


def test_an_exception_that_is_raised_again_and_again_is_told_to_the_right_step(new_graph: Any, ask: Any) -> None:
    same = ValueError("same")

    def raise_same(x: Any) -> Any:
        raise same

    graph = new_graph()
    graph.to(name="a", handler=raise_same).error_handler(name="to_b", handler="(event)", before="b")
    graph.add_step(name="b", handler=raise_same, after="a").error_handler(name="tell", handler=told, full_event=True)
    server = mock(graph)
    for _ in range(2):
        assert ask(server, 1) == [{"a": "ValueError: same", "b": "ValueError: same"}, "b", 1]


# ---- the spec -----------------------------------------------------------------------------------------------------


def test_running_testing_and_plotting_never_change_the_spec(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(name="a", handler=fail).to(name="b", handler="(event)")
    graph["a"].error_handler(name="catch", handler="(event)", before="b")
    graph.error_handler(name="all", handler="(event)")
    before, revision = graph.to_dict(), graph._revision
    server = mock(graph)
    ask(server, 1)
    server.test(body=1)
    graph.plot()
    graph._repr_mimebundle_()
    graph["b"].run(Event(1))
    server.wait_for_completion()
    assert (graph.to_dict(), graph._revision) == (before, revision)


def test_the_answer_of_a_handler_may_be_a_response(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(fail).error_handler(name="catch", handler=lambda event: Response(body="sorry", status_code=418))
    with pytest.raises(StepError, match="sorry") as caught:
        ask(mock(graph), 1)
    assert caught.value.status == 418
