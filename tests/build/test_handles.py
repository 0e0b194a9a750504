"""What every handle has: fields, its place in the graph, equality, copies."""

import copy

import pytest

import graphkit
from graphkit import ErrorStep, FlowStep, GraphError, QueueStep, RootFlowStep, RouterStep, TaskStep


def wide():
    graph = graphkit.new_flow()
    first = graph.to(name="first", handler="f")
    models = first.to("*", name="models")
    models.add_route("iris", class_name="Model")
    inner = first.to(FlowStep("inner"))
    inner.to(name="deep", handler="g")
    return graph


@pytest.mark.parametrize(
    ("step", "kind", "shape"),
    [
        (TaskStep(name="a"), "task", "ellipse"),
        (ErrorStep(name="a"), "error_step", "ellipse"),
        (RouterStep(name="a"), "router", "doubleoctagon"),
        (QueueStep(name="a"), "queue", "cds"),
        (FlowStep(name="a"), "flow", "box"),
        (RootFlowStep(), "root", "box"),
    ],
)
def test_each_kind_of_step_has_its_name_and_shape(step, kind, shape):
    assert (step.kind, step.default_shape, step.get_shape(), step.shape) == (kind, shape, shape, None)


def test_a_shape_of_its_own_wins():
    step = graphkit.new_flow().to(name="a", handler="f", graph_shape="star")
    assert (step.shape, step.get_shape()) == ("star", "star")


def test_fullname_is_the_path_in_the_graph():
    graph = wide()
    assert graph.fullname == ""
    assert graph["first"].fullname == "first"
    assert graph["models"]["iris"].fullname == "models/iris"
    assert graph["inner"]["deep"].fullname == "inner/deep"


def test_the_name_of_the_root_is_no_part_of_the_path():
    graph = graphkit.new_flow("pipeline")
    assert graph.to(name="a", handler="f").fullname == "a"


def test_a_step_in_no_graph_is_called_by_its_name():
    assert TaskStep(name="a").fullname == "a"


def test_parent_and_children_know_one_another():
    graph = wide()
    assert graph.parent is None
    assert graph["models"].parent is graph
    assert graph["models"]["iris"].parent is graph["models"]
    assert [step.name for step in graph.get_children()] == ["first", "models", "inner"]
    assert graph["first"].get_children() == []


def test_next_names_the_steps_that_follow():
    graph = wide()
    assert graph["first"].next == ["models", "inner"]
    assert graph["models"].next == []
    assert graph["models"]["iris"].next == []


def test_path_to_step_walks_down():
    graph = wide()
    assert graph.path_to_step("models/iris") is graph["models"]["iris"]
    assert graph["inner"].path_to_step("deep") is graph["inner"]["deep"]


@pytest.mark.parametrize("path", ["", None])
def test_an_empty_path_leads_to_the_step_itself(path):
    graph = wide()
    assert graph.path_to_step(path) is graph


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("model", r"no step 'model' under the graph; there is 'first', 'inner', 'models', did you mean 'models'\?"),
        ("models/irs", r"no step 'irs' under 'models'; there is 'iris', did you mean 'iris'\?"),
        ("first/x", r"no step 'x' under 'first'; there is none"),
    ],
)
def test_a_wrong_path_says_what_is_there(path, message):
    with pytest.raises(GraphError, match=message):
        wide().path_to_step(path)


def test_after_step_adds_predecessors_by_name_or_object():
    graph = wide()
    step = graph["inner"]
    assert step.after_step("models", graph["first"]) is step
    assert step.after == ["first", "models"]


def test_after_step_can_replace_the_predecessors():
    graph = wide()
    assert graph["inner"].after_step("models", append=False).after == ["models"]


@pytest.mark.parametrize(("given", "names"), [(None, []), ("", []), ("a", ["a"]), (("a", "b"), ["a", "b"])])
def test_after_takes_a_name_or_several(given, names):
    step = TaskStep(name="x", after=given)
    assert step.after == names
    step.after = ["z"]
    step.after = given
    assert step.after == names


@pytest.mark.parametrize("given", [5, [5], TaskStep()])
def test_after_takes_nothing_but_steps(given):
    with pytest.raises(GraphError, match="by name or as step objects"):
        TaskStep(name="x", after=given)


def test_a_field_that_does_not_exist_is_refused_with_the_nearest_one():
    with pytest.raises(AttributeError, match=r"kind 'task' has no field 'input_pth'.*did you mean 'input_path'\?"):
        TaskStep(name="a").input_pth = "x"


def test_a_step_in_a_graph_keeps_its_name():
    step = graphkit.new_flow().to(name="a", handler="f")
    with pytest.raises(GraphError, match="step 'a' has its place in a graph"):
        step.name = "b"
    step.name = "a"


def test_a_step_in_no_graph_may_be_renamed():
    step = TaskStep(name="a", handler="f")
    step.name = "b"
    assert step.to_dict()["name"] == "b"


def test_steps_are_equal_when_their_specs_are():
    assert wide() == wide()
    assert TaskStep(name="a", handler="f") != TaskStep(name="a", handler="g")
    assert TaskStep(name="a") != RouterStep(name="a")
    assert TaskStep(name="a") != "a"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_graph_is_independent(copied):
    graph = wide()
    revision = graph._revision
    twin = copied(graph)
    assert twin == graph
    assert twin["models"]["iris"] is not graph["models"]["iris"]
    twin["models"].add_route("wine", class_name="Model")
    twin["first"].class_args["x"] = 1
    assert "wine" not in graph["models"]
    assert graph["first"].class_args == {}
    assert graph._revision == revision


def test_a_copy_of_a_step_stands_in_no_graph():
    graph = wide()
    twin = copy.copy(graph["models"])
    assert (twin.parent, twin.after, list(twin)) == (None, [], ["iris"])


def test_a_copy_holds_the_same_objects():
    def work(body):
        return body

    graph = graphkit.new_flow()
    graph.to(work, name="w")
    assert copy.copy(graph)["w"]._held["handler"].value is work


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (TaskStep(name="a"), "TaskStep('a')"),
        (RouterStep(name="m"), "RouterStep('m')"),
        (QueueStep(name="q"), "QueueStep('q')"),
        (ErrorStep(name="e"), "ErrorStep('e')"),
        (wide(), "RootFlowStep(3 steps)"),
    ],
)
def test_reprs_are_plain_and_stable(step, text):
    assert repr(step) == text


def test_the_handle_of_a_class_or_function_shows_its_name():
    step = TaskStep(dict, handler=len, name="a")
    assert (step.class_name, step.handler) == ("builtins.dict", "builtins.len")


def test_an_object_that_a_name_replaces_is_let_go():
    step = TaskStep(handler=len, name="a")
    step.handler = "other"
    assert step._held == {}
    assert step.to_dict()["handler"] == "other"


@pytest.mark.parametrize("field", ["class_name", "handler"])
def test_what_is_neither_name_nor_callable_is_refused(field):
    with pytest.raises(GraphError, match=f"step 'a': {field} is a name, a class or a function, found int"):
        TaskStep(name="a", **{field: 5})


def test_respond_marks_the_step_and_returns_it():
    step = graphkit.new_flow().to(name="a", handler="f")
    assert step.respond() is step
    assert step.responder is True


def test_context_and_object_are_none_before_anything_was_bound():
    step = wide()["first"]
    assert (step.context, step.async_object) == (None, None)


def test_steps_are_shown_but_not_changed_through_the_mappings():
    graph = wide()
    with pytest.raises(TypeError):
        graph.steps["x"] = TaskStep()
    with pytest.raises(TypeError):
        graph["models"].routes["x"] = TaskStep()
    assert (list(graph.steps), list(graph["models"].routes)) == (["first", "models", "inner"], ["iris"])
