"""A step on its own: ``step.run`` and ``step.init_object``, with a server's objects or with private ones."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest

from graphkit import (
    ErrorStep,
    Event,
    FlowStep,
    GraphContext,
    GraphError,
    QueueStep,
    RootFlowStep,
    RouterStep,
    StepError,
    TaskStep,
    V2ModelServer,
    new_flow,
)


class Counter:
    """A step that counts its calls."""

    made = 0

    def __init__(self, start: int = 0, context: Any = None) -> None:
        type(self).made += 1
        self.count = start
        self.context = context

    def do(self, x: Any, by: int = 1) -> int:
        self.count += by
        return self.count


@pytest.fixture(autouse=True)
def _none_made() -> None:
    Counter.made = 0


def double(x: int) -> int:
    return 2 * x


class Model(V2ModelServer):
    def load(self) -> None:
        self.loaded = True

    def predict(self, request: Any) -> Any:
        return request["inputs"]


@pytest.mark.parametrize("kind", [TaskStep, RouterStep, ErrorStep, QueueStep, FlowStep, RootFlowStep])
def test_every_step_has_the_same_signatures(kind: Any) -> None:
    assert str(inspect.signature(kind.run)).startswith("(self, event: 'Any', *args: 'Any', **kwargs: 'Any')")
    parameters = inspect.signature(kind.init_object).parameters
    assert list(parameters)[:5] == ["self", "context", "namespace", "mode", "reset"]
    assert (parameters["mode"].default, parameters["reset"].default) == ("sync", False)


# ---- private objects ----------------------------------------------------------------------------------------------


def test_a_step_in_no_graph_binds_itself() -> None:
    step = TaskStep(Counter, {"start": 5}, name="counter")
    assert step.async_object is None
    event = Event("x", path="/a")
    answered = step.run(event)
    assert (answered.body, answered.path) == (6, "/a")
    assert step.run(Event("y")).body == 7
    assert Counter.made == 1
    assert isinstance(step.async_object, Counter)
    assert isinstance(step.context, GraphContext)


def test_names_are_those_of_the_caller() -> None:
    assert TaskStep(handler="double", name="d").run(Event(2)).body == 4


def test_further_arguments_are_handed_on() -> None:
    step = TaskStep(Counter, name="counter")
    assert step.run(Event("x"), 5).body == 5
    assert step.run(Event("x"), by=10).body == 15


def test_an_event_of_another_make_will_do() -> None:
    assert TaskStep(handler="double", name="d").run(SimpleNamespace(body=2)).body == 4


def test_init_object_takes_context_namespace_and_further_arguments() -> None:
    context = GraphContext()
    step = TaskStep("Named", {"start": 1}, name="counter")
    step.init_object(context, {"Named": Counter}, start=10)
    assert step.async_object.context is context
    assert step.context is context
    assert step.run(Event("x")).body == 11
    assert step.to_dict()["class_args"] == {"start": 1}


def test_init_object_makes_nothing_twice_unless_it_is_told_to() -> None:
    step = TaskStep(Counter, name="counter")
    step.init_object(None, {})
    step.init_object(None, {})
    assert Counter.made == 1
    step.init_object(None, {}, reset=True)
    assert Counter.made == 2


def test_what_it_was_given_is_kept_when_a_name_changes_its_meaning() -> None:
    context = GraphContext()
    namespace: dict[str, Any] = {"f": lambda x, context: (1, context)}
    step = TaskStep(handler="f", name="step")
    step.init_object(context, namespace)
    assert step.run(Event(0)).body == (1, context)
    namespace["f"] = lambda x, context: (2, context)
    assert step.run(Event(0)).body == (2, context)


def test_the_mode_says_how_models_load() -> None:
    step = TaskStep(Model, name="m")
    step.init_object(None, {}, mode="skip")
    assert step.async_object.ready is False
    step.init_object(None, {}, mode="sync", reset=True)
    assert step.async_object.loaded


def test_what_is_wrong_is_told() -> None:
    with pytest.raises(GraphError, match="step 'nowhere': handler: 'nothing' is not defined"):
        TaskStep(handler="nothing", name="nowhere").run(Event(1))
    with pytest.raises(GraphError, match="takes no argument 'strat', did you mean 'start'"):
        TaskStep(Counter, {"strat": 1}, name="c").init_object(None, {})


def test_a_step_that_fails_says_which_it_is() -> None:
    with pytest.raises(StepError, match="step 'bad' failed: ZeroDivisionError") as caught:
        TaskStep(handler="(1 / event)", name="bad").run(Event(0))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_routers_and_flows_run_alone_as_well(engine: str) -> None:
    router = RouterStep(name="models")
    router.add_route("m", class_name=Model)
    assert router.run(Event({"inputs": [1]}, path="m/infer", method="POST")).body["outputs"] == [1]
    flow = FlowStep("inner", engine=engine)
    flow.to(double, "one").to(double, "two")
    assert flow.run(Event(1)).body == 4
    root = new_flow(engine=engine)
    root.to(double).respond()
    assert root.run(Event(1)).body == 2


def test_an_error_handler_runs_alone_as_well() -> None:
    step = ErrorStep(handler=lambda event: event.error, name="catch", full_event=True)
    event = Event(1)
    event.error = {"a": "broken"}
    assert step.run(event).body == {"a": "broken"}


# ---- a server's objects -------------------------------------------------------------------------------------------


def test_a_bound_servers_objects_are_used(graph: Any) -> None:
    step = graph.to(Counter, "counter").respond()
    server = graph.to_mock_server()
    assert server.test(body=0) == 1
    assert step.run(Event(0)).body == 2
    assert server.test(body=0) == 3
    assert step.context is server.context
    assert Counter.made == 1


def test_those_of_the_server_that_was_bound_last(graph: Any) -> None:
    step = graph.to(Counter, "counter").respond()
    first, second = graph.to_mock_server(), graph.to_mock_server()
    first.test(body=0)
    second.test(body=0)
    assert step.context is second.context
    first.init()
    assert step.context is first.context


def test_a_step_of_another_function_binds_itself(graph: Any) -> None:
    graph.to(double, "first").to("$queue", "q", path="memory://of-single").to(Counter, "second", function="child")
    server = graph.to_mock_server(current_function="")
    server.init()
    assert graph["second"].run(Event(0)).body == 1
    assert graph["first"].run(Event(2)).body == 4
    assert server.context is graph["first"].context
    server.wait_for_completion()


def test_routes_and_nested_steps_are_found_by_their_paths(graph: Any) -> None:
    inner = FlowStep("inner")
    inner.to(Counter, "counter")
    graph.add_step(inner)
    graph.add_step("*", "models", after="inner")
    graph["models"].add_route("m", class_name=Model)
    server = graph.to_mock_server()
    server.init()
    assert graph.path_to_step("inner/counter").run(Event(0)).body == 1
    assert graph["inner"].run(Event(0)).body == 2
    assert graph["models"]["m"].async_object.loaded
    assert Counter.made == 1


def test_a_step_that_changed_since_runs_as_it_is_now(graph: Any) -> None:
    step = graph.to(Counter, "counter", start=5).respond()
    server = graph.to_mock_server()
    assert server.test(body=0) == 6
    step.class_args["start"] = 50
    assert step.run(Event(0)).body == 51
    assert server.test(body=0) == 51


class Calls:
    def __init__(self, fn: Any) -> None:
        self.fn = fn

    def do(self, body: Any) -> Any:
        return self.fn(body)


def test_a_function_that_is_given_instead_counts() -> None:
    step = TaskStep(Calls, {"fn": double}, name="calls")
    assert step.run(Event(4)).body == double(4)
    step.init_object(None, globals(), reset=True, fn=str)
    assert step.run(Event(4)).body == "4"
