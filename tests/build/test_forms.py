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


# ---- what a spec cannot hold ---------------------------------------------------------------------------------------


class Apply:
    def __init__(self, fn, kind=None, other=None):
        self.fn, self.kind, self.other = fn, kind, other

    def do(self, body):
        return [self.fn(body), self.kind and self.kind.__name__, self.other and self.other(body)]


def shout(body):
    return f"{body}!"


def test_a_function_with_a_name_is_saved_as_one_by_name(tmp_path):
    graph = graphkit.new_flow()
    graph.to(Apply, fn=shout, kind=Clean, _other=len)
    args = graph["Apply"].to_dict()["class_args"]
    assert args == {"_fn": "shout", "_kind": "Clean", "_other": "builtins.len"}
    graph.save(tmp_path / "graph.yaml")
    loaded = RootFlowStep.load(tmp_path / "graph.yaml")
    assert loaded == graph
    answers = [root.to_mock_server(namespace=globals()).test(body="hi") for root in (graph, loaded)]
    assert answers == [["hi!", "Clean", 2]] * 2
    assert graph["Apply"].class_args["fn"] is shout


def test_a_function_among_the_arguments_is_followed_when_its_cell_runs_again():
    cells = {"Apply": Apply, "__name__": "cells"}
    exec("def by_cell(body): return 1", cells)
    graph = graphkit.new_flow()
    graph.to(Apply, fn=cells["by_cell"])
    server = graph.to_mock_server(namespace=cells)
    assert server.test(body=0)[0] == 1
    made = graph["Apply"].async_object
    assert (server.test(body=0)[0], graph["Apply"].async_object is made) == (1, True)
    exec("def by_cell(body): return 2", cells)
    assert server.test(body=0)[0] == 2
    assert graph["Apply"].to_dict()["class_args"] == {"_fn": "by_cell"}
    cells["by_cell"] = 5
    with pytest.raises(graphkit.StepError, match="class_args: 'fn' was a function, and is now a value of type int"):
        server.test(body=0)


def test_a_name_that_is_taken_keeps_the_placeholder():
    graph = graphkit.new_flow()
    graph.to(Apply, fn=shout, _fn="(event)")
    assert graph["Apply"].to_dict()["class_args"] == {"fn": {"$object": "function"}, "_fn": "(event)"}


@pytest.mark.parametrize("of_server", [False, True])
def test_saving_names_the_steps_whose_objects_are_lost(tmp_path, of_server):
    graph = graphkit.new_flow()
    graph.to(lambda body: body, "first").to(Apply, "second", fn=[lambda body: body]).to("*", name="models")
    graph["models"].add_route("m", handler=functools.partial(shout))
    graph["second"].to(">>", "q", sized=object())
    owner = graphkit.GraphServer(graph, graph_initializer=lambda server: None) if of_server else graph
    with pytest.warns(graphkit.SpecWarning) as caught:
        owner.save(tmp_path / "graph.yaml")
    (warning,) = caught
    assert warning.filename == __file__
    text = str(warning.message)
    assert "step 'first': handler (<lambda>); step 'second': class_args['fn'] (function); " in text
    assert "step 'models/m': handler (partial); step 'q': options['sized'] (object)" in text
    assert ("graph_initializer (<lambda>)" in text) == of_server
    assert "give it to the step again after loading" in text


def test_saving_a_graph_with_nothing_lost_warns_of_nothing(tmp_path):
    sample().save(tmp_path / "graph.yaml")


def test_what_was_lost_names_the_remedy_where_it_is_loaded():
    graph = graphkit.new_flow()
    graph.to(Apply, "second", fn=lambda body: body)
    loaded = RootFlowStep.from_dict(graph.to_dict())
    server = loaded.to_mock_server(namespace=globals())
    with pytest.raises(graphkit.StepError, match=r"give it to the step again: class_args\['fn'\] = \.\.\."):
        server.test(body="a")
    loaded["second"].class_args["fn"] = shout
    assert server.test(body="a")[0] == "a!"


def test_saving_a_graph_with_a_model_object_says_what_to_do(tmp_path):
    class Tree:
        def predict(self, rows):
            return rows

    router = graphkit.new_router()
    router.add_route("m", class_name="V2ModelServer", model=Tree())
    for graph in (router, graphkit.GraphServer(router)):
        with pytest.warns(graphkit.SpecWarning) as caught:
            graph.save(tmp_path / "g.yaml")
        text = str(caught[0].message)
        assert "step 'm': class_args['model'] (" in text
        assert "Tree). Of a model object: save it to a file" in text
        assert 'model_path="models/model.joblib"' in text
        assert "def load(self): file, _ = self.get_model(); self.model = joblib.load(file)" in text
        assert "allow_pickle=True" in text
        assert "Define it as" not in text
