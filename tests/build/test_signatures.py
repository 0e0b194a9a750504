"""The order of parameters is public: positional use is common."""

import inspect

import pytest

import graphkit
from graphkit import ErrorStep, FlowStep, QueueStep, RootFlowStep, RouterStep, TaskStep

TO = "class_name name handler graph_shape function full_event input_path result_path **class_args"
ERROR_HANDLER = "name class_name handler before function full_event input_path result_path **class_args"
ADD_STEP = "class_name name handler after before graph_shape function full_event input_path result_path **class_args"
TASK = "class_name class_args handler name after full_event function responder input_path result_path"


def parameters(function):
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    found = inspect.signature(function).parameters.values()
    return " ".join(stars.get(parameter.kind, "") + parameter.name for parameter in found if parameter.name != "self")


@pytest.mark.parametrize("step", [TaskStep, ErrorStep, RouterStep, QueueStep, FlowStep, RootFlowStep])
def test_to_takes_the_same_parameters_on_every_step(step):
    assert parameters(step.to) == TO
    assert parameters(step.error_handler) == ERROR_HANDLER


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (TaskStep, TASK),
        (ErrorStep, f"{TASK} before"),
        (RouterStep, "class_name class_args handler routes name function input_path result_path"),
        (QueueStep, "name path after shards retention_in_hours trigger_args **options"),
        (FlowStep, "name steps after engine final_step"),
        (RootFlowStep, "name steps after engine final_step"),
        (FlowStep.add_step, ADD_STEP),
        (FlowStep.insert_step, "key step after before"),
        (FlowStep.set_flow, "steps force"),
        (FlowStep.clear_children, "steps"),
        (FlowStep.plot, "filename format source targets **kw"),
        (RouterStep.add_route, "key route class_name handler function **class_args"),
        (RouterStep.clear_children, "routes"),
        (TaskStep.init_object, "context namespace mode reset **extra_kwargs"),
        (TaskStep.run, "event *args **kwargs"),
        (RootFlowStep._repr_mimebundle_, "include exclude"),
        (graphkit.new_flow, "name engine"),
        (graphkit.new_router, "class_name **class_args"),
    ],
)
def test_parameters_stand_in_the_order_of_the_interface(function, wanted):
    assert parameters(function) == wanted


def test_to_mock_server_begins_with_what_the_interface_says():
    begins = "namespace current_function parameters track_models secret_sources"
    assert parameters(RootFlowStep.to_mock_server).startswith(begins)
    assert inspect.signature(RootFlowStep.to_mock_server).parameters["current_function"].default == "*"


def test_values_given_by_position_end_up_where_they_belong():
    step = graphkit.new_flow().to("Clean", "tidy", "run", "box", "child", True, "a.b", "c", factor=3)
    assert step.to_dict() == {
        "kind": "task",
        "name": "tidy",
        "shape": "box",
        "class_name": "Clean",
        "class_args": {"factor": 3},
        "handler": "run",
        "function": "child",
        "full_event": True,
        "input_path": "a.b",
        "result_path": "c",
    }


def test_values_given_by_position_to_add_step_end_up_where_they_belong():
    graph = graphkit.new_flow()
    graph.to("First")
    graph.to("Last")
    step = graph.add_step("Clean", "tidy", "run", "First", "Last", "box", "child", True, "a.b", "c", factor=3)
    assert (step.after, graph["Last"].after) == (["First"], ["tidy"])
    assert (step.class_name, step.handler, step.shape, step.function) == ("Clean", "run", "box", "child")
    assert (step.full_event, step.input_path, step.result_path, step.class_args) == (True, "a.b", "c", {"factor": 3})


def test_values_given_by_position_to_error_handler_end_up_where_they_belong():
    graph = graphkit.new_flow()
    first = graph.to("First")
    first.to("Last")
    first.error_handler("catch", "Catcher", "run", "Last", "child", True, "a.b", "c", factor=3)
    step = graph["catch"]
    assert (step.class_name, step.handler, step.before, step.function) == ("Catcher", "run", ["Last"], "child")
    assert (step.full_event, step.input_path, step.result_path, step.class_args) == (True, "a.b", "c", {"factor": 3})
