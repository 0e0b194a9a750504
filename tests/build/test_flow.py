"""Flows as containers: making them, looking into them, taking steps out."""

import pytest

import graphkit
from graphkit import FlowStep, GraphError, QueueStep, RootFlowStep, TaskStep


def chain():
    graph = graphkit.new_flow()
    graph.to("A").to("B").to("C")
    return graph


def functions():
    graph = graphkit.new_flow()
    first = graph.to("A").to(">>", "one", path="memory://1")
    first.to("B", function="left").to(">>", "two", path="memory://2").to("C", function="right")
    first.to("D", function="extra")
    inner = graph["A"].to(FlowStep("inner"))
    inner.to("*", name="models", function="models").add_route("x", class_name="M", function="*")
    graph["A"].to("E", function="left")
    return graph


def test_a_new_flow_is_an_empty_root():
    graph = graphkit.new_flow()
    assert type(graph) is RootFlowStep
    assert (graph.name, graph.engine, len(graph), graph.is_empty()) == (None, "async", 0, True)
    assert graphkit.new_flow("g", "sync").to_dict() == {"kind": "root", "name": "g", "engine": "sync"}


def test_new_router_is_a_root_router():
    router = graphkit.new_router("VotingEnsemble", vote_type="regression")
    assert (router.kind, router.class_name, router.class_args) == (
        "router",
        "VotingEnsemble",
        {"vote_type": "regression"},
    )


def test_a_flow_is_made_of_handles_and_dicts():
    graph = FlowStep("f", {"a": TaskStep("A"), "b": {"class_name": "B", "after": "a"}}, "x", "sync", "b")
    assert [(name, graph[name].name, graph[name].after) for name in graph] == [("a", "a", []), ("b", "b", ["a"])]
    assert (graph.after, graph.engine, graph.final_step) == (["x"], "sync", "b")


def test_steps_taken_from_another_flow_are_copies_in_the_same_place():
    graph = chain()
    twin = RootFlowStep(steps=graph.steps)
    assert twin["B"] is not graph["B"]
    assert (twin["B"].after, graph["B"].parent) == (["A"], graph)


def test_setting_the_steps_takes_the_old_ones_out():
    graph = chain()
    old = graph["A"]
    graph.steps = {"X": TaskStep("X")}
    assert (list(graph), old.parent, graph._last_added) == (["X"], None, "X")
    graph.steps = graph.steps
    assert list(graph) == ["X"]
    graph.steps = None
    assert list(graph) == []


def test_a_flow_is_looked_into_like_a_dict():
    graph = chain()
    assert list(graph) == ["A", "B", "C"]
    assert ("B" in graph, "X" in graph, len(graph), bool(graph)) == (True, False, 3, True)
    assert graph["B"].name == "B"


def test_an_empty_flow_is_true():
    assert bool(graphkit.new_flow())
    assert bool(graphkit.new_router())


@pytest.mark.parametrize("name", ["D", "b"])
def test_a_missing_step_is_a_key_error_that_says_what_is_there(name):
    graph = chain()
    with pytest.raises(KeyError, match=f"no step '{name}'; there is 'A', 'B', 'C'"):
        graph[name]
    with pytest.raises(KeyError, match=f"no step '{name}'; there is 'A', 'B', 'C'"):
        del graph[name]
    with pytest.raises(KeyError, match="did you mean 'B'"):
        graph["b"]


def test_steps_may_be_taken_out_while_going_over_them():
    graph = chain()
    for name in graph:
        del graph[name]
    assert graph.is_empty()


def test_a_step_taken_out_is_free():
    graph = chain()
    step = graph["B"]
    del graph["B"]
    assert (step.parent, list(graph)) == (None, ["A", "C"])
    assert graph["A"].to(step) is step


def test_taking_out_the_last_step_moves_prev():
    graph = chain()
    del graph["C"]
    assert graph.add_step("D", after="$prev").after == ["B"]


@pytest.mark.parametrize(
    ("steps", "left"), [(None, []), ([], []), ("B", ["A", "C"]), (["A", "C"], ["B"]), (("A",), ["B", "C"])]
)
def test_clear_children_takes_out_some_steps_or_all(steps, left):
    graph = chain()
    graph.clear_children(steps)
    assert list(graph) == left


@pytest.mark.parametrize(("routes", "left"), [(None, []), ([], []), ("b", ["a"]), (["a"], ["b"])])
def test_clear_children_takes_out_some_routes_or_all(routes, left):
    router = graphkit.new_router()
    router.add_route("a", handler="f")
    router.add_route("b", handler="f")
    router.clear_children(routes)
    assert list(router) == left


def test_setting_a_key_replaces_in_place_or_adds_at_the_start():
    graph = chain()
    graph["B"] = TaskStep("Better")
    graph["D"] = "D"
    assert list(graph) == ["A", "B", "C", "D"]
    assert (graph["B"].class_name, graph["B"].after, graph["C"].after, graph["D"].after) == (
        "Better",
        ["A"],
        ["B"],
        [],
    )


def test_set_flow_makes_a_line_and_returns_its_last_step():
    graph = graphkit.new_flow()
    step = TaskStep("B")
    last = graph.set_flow(["A", step, {"name": "c", "handler": "f"}, {"kind": "queue", "name": "q"}])
    assert last is graph["q"]
    assert [(name, graph[name].after) for name in graph] == [("A", []), ("B", ["A"]), ("c", ["B"]), ("q", ["c"])]
    assert graph["B"] is step


def test_set_flow_on_a_flow_with_steps_needs_force():
    graph = chain()
    with pytest.raises(
        GraphError, match=r"has steps already \('A', 'B', 'C'\); set_flow\(..., force=True\) drops them"
    ):
        graph.set_flow(["X"])
    assert graph.set_flow(["X"], force=True) is graph["X"]
    assert list(graph) == ["X"]


def test_set_flow_puts_step_objects_into_another_order():
    graph = graphkit.new_flow()
    a, b = TaskStep("A"), TaskStep("B")
    graph.set_flow([a, b])
    graph.set_flow([b, a], force=True)
    assert [(step.name, step.after) for step in graph.steps.values()] == [("B", []), ("A", ["B"])]


def test_set_flow_of_the_flows_own_steps_drops_the_others():
    graph = chain()
    graph.set_flow(graph.steps.values(), force=True)
    assert [(step.name, step.after) for step in graph.steps.values()] == [("A", []), ("B", ["A"]), ("C", ["B"])]


def test_set_flow_of_nothing_is_an_empty_flow():
    graph = chain()
    assert graph.set_flow([], force=True) is graph
    assert graph.is_empty()


def test_child_functions_are_listed_once_in_declared_order():
    assert functions().list_child_functions() == ["left", "right", "extra", "models"]
    assert chain().list_child_functions() == []


def test_queue_links_say_which_queue_each_child_function_reads():
    links = functions().get_queue_links()
    assert {function: queue.name for function, queue in links.items()} == {
        "left": "one",
        "extra": "one",
        "right": "two",
    }
    assert all(type(queue) is QueueStep for queue in links.values())


def test_a_step_behind_a_queue_without_a_function_has_no_link():
    graph = graphkit.new_flow()
    graph.to(">>", "q")
    graph.add_step("B", after="q")
    with pytest.raises(GraphError, match="step 'B' follows the queue 'q', so it must name its function"):
        graph.get_queue_links()


def test_a_function_that_reads_two_queues_has_no_link():
    graph = functions()
    graph["two"].to("F", function="left")
    with pytest.raises(GraphError, match="'left' reads from two queues, 'one' and 'two'; it may read from one"):
        graph.get_queue_links()


@pytest.mark.parametrize("given", [{}, {"function": None}, {"function": ""}])
def test_a_step_after_a_queue_must_name_its_function(given):
    graph = graphkit.new_flow()
    queue = graph.to(">>", "q")
    with pytest.raises(GraphError, match=r"step 'B' follows the queue 'q', so it must name the function"):
        queue.to("B", **given)
    assert list(graph) == ["q"]


@pytest.mark.parametrize("step", [TaskStep("B", function="child"), {"class_name": "B", "function": "child"}])
def test_a_step_after_a_queue_may_name_its_function_itself(step):
    assert graphkit.new_flow().to(">>", "q").to(step).function == "child"


def test_a_queue_cannot_follow_a_queue():
    queue = graphkit.new_flow().to(">>", "q")
    for given in (">>", "$queue", QueueStep(), {"kind": "queue"}):
        with pytest.raises(GraphError, match="'next' follows the queue 'q' directly: put a step between them"):
            queue.to(given, "next")


def test_a_large_flow_is_built_in_linear_time():
    graph = graphkit.new_flow()
    step = graph
    for number in range(100_000):
        step = step.to(name=f"s{number}", handler="f")
    assert len(graph) == 100_000
    assert graph.list_child_functions() == []
    assert graph.get_queue_links() == {}
    graph._check()
