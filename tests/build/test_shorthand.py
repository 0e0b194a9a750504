"""What may be written in ``to(...)`` and ``add_route(...)``, and what handle it makes."""

import functools

import pytest

import graphkit
from graphkit import FlowStep, GraphError, QueueStep, RootFlowStep, RouterStep, SpecError, TaskStep, VotingEnsemble
from graphkit.core.describe import Described


def clean(body):
    return body


class Clean:
    def do(self, body):
        return body


class Scale(Described):
    def __init__(self, factor, name=None):
        self.factor = factor

    def do(self, body):
        return body * self.factor


def to(*args, **kwargs):
    return graphkit.new_flow().to(*args, **kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs", "written"),
    [
        ((Clean,), {}, {"name": "Clean", "class_name": "Clean"}),
        (("Clean",), {}, {"name": "Clean", "class_name": "Clean"}),
        (("package.module.Clean",), {}, {"name": "Clean", "class_name": "package.module.Clean"}),
        ((clean,), {}, {"name": "clean", "handler": "clean"}),
        ((), {"handler": clean}, {"name": "clean", "handler": "clean"}),
        ((), {"handler": "package.clean"}, {"name": "clean", "handler": "package.clean"}),
        ((clean, "tidy"), {}, {"name": "tidy", "handler": "clean"}),
        ((len,), {}, {"name": "len", "handler": "builtins.len"}),
        ((str,), {}, {"name": "str", "class_name": "builtins.str"}),
        ((Clean, "tidy", "do"), {"x": 1}, {"class_name": "Clean", "class_args": {"x": 1}, "handler": "do"}),
        (("(event + 1)", "inc"), {}, {"name": "inc", "handler": "(event + 1)"}),
        ((), {"name": "inc", "handler": "(event + 1)"}, {"name": "inc", "handler": "(event + 1)"}),
        (("$remote",), {"url": "http://x"}, {"name": "remote", "class_name": "$remote"}),
    ],
)
def test_classes_functions_names_and_expressions_become_tasks(args, kwargs, written):
    step = to(*args, **kwargs)
    assert type(step) is TaskStep
    assert written.items() <= step.to_dict().items()


@pytest.mark.parametrize("arrow", [">>", "$queue"])
def test_a_queue_is_written_as_an_arrow_or_by_its_name(arrow):
    step = to(arrow, "jobs", path="memory://jobs", shards=2, batch=10)
    assert type(step) is QueueStep
    assert step.to_dict() == {
        "kind": "queue",
        "name": "jobs",
        "path": "memory://jobs",
        "shards": 2,
        "options": {"batch": 10},
    }


def test_a_queue_without_a_name_is_called_queue():
    assert to(">>").name == "queue"


@pytest.mark.parametrize(
    ("field", "value"), [("function", "f"), ("input_path", "a"), ("result_path", "a"), ("handler", "h")]
)
def test_what_a_queue_cannot_do_is_refused(field, value):
    with pytest.raises(GraphError, match=f"step 'q': a queue takes no {field}="):
        to(">>", "q", **{field: value})


@pytest.mark.parametrize(
    ("written", "name", "class_name"),
    [
        ("*", "router", None),
        ("*VotingEnsemble", "VotingEnsemble", "VotingEnsemble"),
        ("*package.MyRouter", "MyRouter", "package.MyRouter"),
    ],
)
def test_a_star_makes_a_router(written, name, class_name):
    step = to(written, graph_shape="box", input_path="a", rate=5)
    assert type(step) is RouterStep
    assert (step.name, step.class_name, step.class_args) == (name, class_name, {"rate": 5})
    assert (step.shape, step.input_path) == ("box", "a")


def test_a_router_takes_its_routes_along():
    step = to("*", name="models", routes={"a": {"class_name": "A"}, "b": Clean})
    assert [(key, step[key].class_name) for key in step] == [("a", "A"), ("b", "Clean")]
    assert step.class_args == {}


def test_a_step_object_moves_in_as_it_is():
    step = TaskStep("Clean", name="tidy")
    assert to(step) is step


def test_a_step_object_can_be_given_more():
    step = to(TaskStep("Clean"), "tidy", "run", "box", "child", True, "a", "b", factor=3)
    assert (step.name, step.handler, step.shape, step.function) == ("tidy", "run", "box", "child")
    assert (step.full_event, step.input_path, step.result_path, step.class_args) == (True, "a", "b", {"factor": 3})


def test_a_step_object_without_a_name_is_called_after_its_class():
    assert to(TaskStep("package.Clean")).name == "Clean"


def test_a_step_of_another_graph_is_copied():
    there = to("Clean", name="tidy")
    here = to(there)
    assert here is not there
    assert (here.to_dict(), there.parent) == (there.to_dict(), there.parent)
    here.class_args["x"] = 1
    assert there.class_args == {}


def test_a_dict_is_read_as_a_steps_spec():
    step = to({"class_name": "Clean", "class_args": {"x": 1}, "full_event": True}, "tidy")
    assert type(step) is TaskStep
    assert step.to_dict() == {
        "kind": "task",
        "name": "tidy",
        "class_name": "Clean",
        "class_args": {"x": 1},
        "full_event": True,
    }


@pytest.mark.parametrize(("kind", "made"), [("router", RouterStep), ("queue", QueueStep), ("flow", FlowStep)])
def test_a_dict_may_be_of_any_kind(kind, made):
    assert type(to({"kind": kind, "name": "x"})) is made


def test_a_dict_with_a_mistake_is_refused_with_the_nearest_key():
    with pytest.raises(SpecError, match=r"unknown key 'handlr'.*did you mean 'handler'\?"):
        to({"handlr": "f", "name": "x"})


def test_an_object_that_describes_itself_becomes_the_step_that_makes_an_equal_one():
    step = to(Scale(3))
    assert type(step) is TaskStep
    assert (step.name, step.class_args) == ("Scale", {"factor": 3})
    assert step.class_name.endswith("Scale")


def test_a_router_object_becomes_a_router():
    step = to(VotingEnsemble(vote_type="regression"), name="vote")
    assert type(step) is RouterStep
    assert (step.name, step.class_name) == ("vote", "graphkit.VotingEnsemble")


def test_a_nested_flow_takes_no_child_function():
    with pytest.raises(GraphError, match="step 'inner': a flow takes no function="):
        to(FlowStep("inner"), function="child")


def test_a_nested_flow_takes_no_class_arguments():
    with pytest.raises(GraphError, match="step 'inner': a flow takes no factor"):
        to(FlowStep("inner"), factor=3)


def test_a_graph_may_stand_in_another_graph():
    inner = graphkit.new_flow("inner")
    graph = graphkit.new_flow()
    assert graph.to(inner) is inner
    inner.to(name="later", handler="f")
    assert graph.to_dict()["steps"]["inner"]["kind"] == "flow"
    assert RootFlowStep.from_dict(graph.to_dict()) == graph


def test_a_graph_cannot_stand_in_itself():
    graph = graphkit.new_flow("g")
    inner = graph.to(FlowStep("inner"))
    with pytest.raises(GraphError, match="'g' cannot stand inside itself"):
        graph.to(graph)
    with pytest.raises(GraphError, match="cannot stand inside itself"):
        inner.to(graph)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"handler": lambda body: body}, "'.*<lambda>' gives no name to its step: give name="),
        ({"class_name": lambda body: body}, "gives no name to its step: give name="),
        ({"class_name": functools.partial(clean)}, "gives no name to its step: give name="),
        ({"handler": "(event + 1)"}, r"the expression '\(event \+ 1\)' gives no name to its step: give name="),
        ({"class_name": "(event + 1)"}, "gives no name to its step: give name="),
    ],
)
def test_what_has_no_name_needs_one(given, message):
    with pytest.raises(GraphError, match=message):
        to(**given)
    assert to(**given, name="x").name == "x"


@pytest.mark.parametrize("nothing", [{}, {"name": "x"}, {"class_name": ""}, {"class_name": "", "name": "x"}])
def test_a_step_needs_a_class_or_a_function(nothing):
    with pytest.raises(GraphError, match="a step needs class_name or handler"):
        to(**nothing)


def test_something_else_is_no_step():
    with pytest.raises(GraphError, match="found int"):
        to(5)


def test_a_function_has_no_methods():
    with pytest.raises(GraphError, match="'clean' is a function, so that handler='run'"):
        to(clean, handler="run")


@pytest.mark.parametrize("name", ["a/b", "/"])
def test_a_name_holds_no_slash(name):
    with pytest.raises(GraphError, match="is no step name"):
        to("Clean", name)


def test_a_name_is_a_text():
    with pytest.raises(GraphError, match="name is a text, found 'clean'"):
        to("Clean", clean)


def test_a_step_in_no_flow_cannot_be_followed():
    with pytest.raises(GraphError, match="step 'a' is in no flow"):
        TaskStep(name="a").to("B")


def test_a_route_cannot_be_followed():
    router = graphkit.new_router()
    with pytest.raises(GraphError, match="step 'a' is in no flow"):
        router.add_route("a", handler="f").to("B")


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"route": clean}, {"handler": "clean"}),
        ({"route": Clean}, {"class_name": "Clean"}),
        ({"route": "Clean"}, {"class_name": "Clean"}),
        ({"class_name": Clean, "x": 1}, {"class_name": "Clean", "class_args": {"x": 1}}),
        ({"class_name": clean}, {"handler": "clean"}),
        ({"handler": lambda body: body}, {"handler": "$object:<lambda>"}),
        ({"handler": "(event)"}, {"handler": "(event)"}),
        ({"route": {"class_name": "Clean"}, "function": "child"}, {"class_name": "Clean", "function": "child"}),
        ({"route": TaskStep("Clean"), "x": 1}, {"class_name": "Clean", "class_args": {"x": 1}}),
        ({"route": RouterStep()}, {"kind": "router"}),
        ({"class_name": "*VotingEnsemble"}, {"kind": "router", "class_name": "VotingEnsemble"}),
    ],
)
def test_a_route_is_made_of_a_class_a_function_a_step_or_its_dict(given, written):
    router = graphkit.new_router()
    route = router.add_route("r", **given)
    assert router["r"] is route
    assert (route.name, route.parent) == ("r", router)
    assert written.items() <= route.to_dict().items()


@pytest.mark.parametrize(
    ("key", "given", "message"),
    [
        ("a", {}, "route 'a' needs a class_name, a handler or a route object"),
        ("", {"handler": "f"}, "'' is no route key"),
        ("a/b", {"handler": "f"}, "'a/b' is no route key"),
        (5, {"handler": "f"}, "5 is no route key"),
        ("a", {"route": QueueStep("q")}, "route 'a' is a queue"),
        ("a", {"class_name": ">>"}, "route 'a' is a queue"),
        ("a", {"route": FlowStep("f")}, "route 'a' is a flow"),
        ("a", {"route": Clean, "class_name": "Other"}, "route 'a' is given twice"),
    ],
)
def test_what_cannot_be_a_route_is_refused(key, given, message):
    with pytest.raises(GraphError, match=message):
        graphkit.new_router().add_route(key, **given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "an error handler needs class_name or handler|a step needs class_name or handler"),
        ({"name": "x"}, "needs class_name or handler"),
        ({"name": 3}, "name is a text, found 'int': a function is given as handler="),
        ({"name": clean, "class_name": clean}, "name is a text, found 'clean': a function is given as handler="),
        ({"name": "x", "hander": "aa"}, "needs class_name or handler, found 'hander', did you mean 'handler'"),
        ({"handler": lambda event: event}, "gives no name to its step"),
    ],
)
def test_an_error_handler_needs_a_name_and_something_to_call(given, message):
    step = to("A")
    with pytest.raises(GraphError, match=message):
        step.error_handler(**given)
    assert step.on_error is None
