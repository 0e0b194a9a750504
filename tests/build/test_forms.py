"""The written forms of handles, and what they keep of the objects that were given."""

import functools
import json

import pytest
import yaml

import graphkit
from graphkit import ErrorStep, FlowStep, GraphError, QueueStep, RootFlowStep, RouterStep, SpecError, TaskStep


def clean(body):
    return body


class Clean:
    def do(self, body):
        return body


def sample():
    graph = graphkit.new_flow("pipeline")
    graph.comment = "what it is for"
    first = graph.to("A", "first", x={"y": [1, 2.5, None, True, "é"]})
    first.error_handler("catch", handler="f", before="models", full_event=True)
    models = first.to("*VotingEnsemble", name="models", vote_type="regression", input_path="a", result_path="b.c")
    models.add_route("iris:v1", class_name="M", model_path="p")
    models.add_route("nested", RouterStep(routes={"deep": {"handler": "(event)"}}))
    queue = models.to(">>", "q", path="memory://q", shards=2, retention_in_hours=3, trigger_args={"t": 1}, batch=2)
    queue.to("B", function="child", graph_shape="box")
    inner = first.to(FlowStep("inner", engine="sync", final_step="one"))
    inner.to("C", name="one")
    graph.error_handler("all", handler="g")
    return graph


STEPS = [
    TaskStep("A", {"x": 1}, "h", "a", ["b"], True, "f", True, "i", "r"),
    RouterStep("R", {"x": 1}, "h", {"m": TaskStep("M")}, "r", "f", "i", "r"),
    QueueStep("q", "memory://q", ["a"], 1, 2, {"t": 3}, batch=4),
    ErrorStep("E", {"x": 1}, "h", "e", ["b"], True, "f", None, "i", "r", ["z"]),
    FlowStep("f", {"a": TaskStep("A")}, ["b"], "sync", "a"),
    sample(),
]


@pytest.mark.parametrize("step", STEPS)
def test_every_kind_of_step_goes_to_a_dict_and_back(step):
    again = type(step).from_dict(step.to_dict())
    assert type(again) is type(step)
    assert again == step
    assert again.to_dict() == step.to_dict()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_every_kind_of_step_goes_to_text_and_back(step, form):
    text = getattr(step, f"to_{form}")()
    assert getattr(type(step), f"from_{form}")(text) == step
    assert getattr(type(step), f"from_{form}")(text.encode()) == step
    assert {"json": json.loads, "yaml": yaml.safe_load}[form](text) == step.to_dict()


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json", ".YAML"])
def test_a_graph_is_saved_and_loaded(suffix, tmp_path):
    path = tmp_path / f"graph{suffix}"
    sample().save(path)
    assert RootFlowStep.load(path) == sample()
    assert RootFlowStep.load(str(path)) == sample()


def test_a_graph_with_problems_is_not_saved(tmp_path):
    graph = sample()
    graph["inner"].after = ["nothing"]
    with pytest.raises(GraphError, match="step 'inner': after names 'nothing'"):
        graph.save(tmp_path / "graph.yaml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["graph", "graph.txt"])
def test_a_file_of_an_unknown_form_is_refused(name, tmp_path):
    with pytest.raises(SpecError, match=r"use the suffix \.yaml, \.yml or \.json"):
        sample().save(tmp_path / name)
    (tmp_path / name).write_text("kind: root")
    with pytest.raises(SpecError, match=r"use the suffix \.yaml, \.yml or \.json"):
        RootFlowStep.load(tmp_path / name)


def test_a_missing_file_is_a_spec_error(tmp_path):
    with pytest.raises(SpecError, match=r"none\.yaml' cannot be read: No such file"):
        RootFlowStep.load(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["", "null", "# nothing here"])
def test_an_empty_file_is_no_empty_graph(text, tmp_path):
    path = tmp_path / "graph.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match="the text says nothing"):
        RootFlowStep.load(path)
    with pytest.raises(SpecError, match="the text says nothing"):
        RootFlowStep.from_json("null")


def test_an_empty_dict_is_an_empty_graph():
    assert RootFlowStep.from_dict({}).to_dict() == {"kind": "root"}
    assert TaskStep.from_dict().to_dict() == {"kind": "task"}


def test_a_dict_without_a_kind_is_of_the_kind_that_was_asked():
    assert type(RouterStep.from_dict({"class_name": "R"})) is RouterStep
    assert type(TaskStep.from_dict({"kind": "router"})) is RouterStep


def test_what_was_loaded_is_independent_of_the_dict_that_it_came_from():
    written = sample().to_dict()
    graph = RootFlowStep.from_dict(written)
    written["steps"]["first"]["class_args"]["x"]["y"].append(3)
    written["steps"]["models"]["routes"].clear()
    assert graph == sample()


def test_what_was_written_is_independent_of_the_graph():
    graph = sample()
    written = graph.to_dict()
    written["steps"]["first"]["class_args"]["x"]["y"].append(3)
    assert graph == sample()


def test_functions_and_classes_of_the_callers_namespace_are_written_by_name():
    graph = graphkit.new_flow()
    graph.to(Clean).to(clean)
    steps = graph.to_dict()["steps"]
    assert steps["Clean"]["class_name"] == "Clean"
    assert steps["clean"]["handler"] == "clean"


def test_functions_of_another_module_are_written_by_their_path():
    graph = graphkit.new_flow()
    graph.to(json.dumps)
    assert graph.to_dict()["steps"]["dumps"]["handler"] == "json.dumps"


def make_closure():
    def inner(body):
        return body

    return inner


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (lambda body: body, "$object:<lambda>"),
        (make_closure(), "$object:inner"),
        (Clean().do, "$object:do"),
        (functools.partial(clean), "$object:partial"),
    ],
)
def test_an_object_without_a_name_leaves_a_placeholder(value, text):
    step = graphkit.new_flow().to(value, name="x")
    assert step.to_dict()["handler"] == text
    assert step._held["handler"].value is value


def test_a_placeholder_cannot_be_run_and_says_so():
    graph = graphkit.new_flow()
    graph.to(lambda body: body, name="x")
    loaded = RootFlowStep.from_dict(graph.to_dict())
    assert loaded == graph
    with pytest.raises(
        RuntimeError, match=r"step 'x': handler: '<lambda>' was an object that a saved spec cannot hold"
    ):
        loaded.to_mock_server(namespace={}).test("/", 1)


def test_an_object_among_the_class_arguments_leaves_a_placeholder():
    thing = object()
    graph = graphkit.new_flow()
    graph.to("Clean", thing=thing, path="x")
    assert graph.to_dict()["steps"]["Clean"]["class_args"] == {"thing": {"$object": "object"}, "path": "x"}
    assert graph["Clean"].class_args["thing"] is thing


def test_what_a_step_says_is_checked_when_it_is_read():
    with pytest.raises(SpecError) as caught:
        RootFlowStep.from_dict({"steps": {"a": {"handlr": "f"}, "b": {"kind": "taks"}, "c": {"shards": 1}}})
    assert len(caught.value.problems) == 3
