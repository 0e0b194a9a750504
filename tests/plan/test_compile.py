"""Which steps run here, in which straight runs, and where each event goes next."""

import pytest

from graphkit.core.errors import GraphError
from graphkit.plan.compile import RANK_ANSWER, RANK_CATCH, RANK_HANDLER, compile_plan
from graphkit.plan.trace import trace_topology
from graphkit.spec.steps import Error, Flow, Queue, RootFlow, Router, Task


def task(*after, **fields):
    return Task(**{"handler": "f", "after": after, **fields})


def plan(root, function="*"):
    return compile_plan(trace_topology(root), function)


def flow(function="*", on_error=None, **steps):
    return plan(RootFlow(steps=steps, on_error=on_error), function).flows[""]


def lines(flow_plan):
    return [(line.steps, line.next, line.rank) for line in flow_plan.lines]


def jobs(path="memory://q"):
    """Return a graph whose functions are joined by a queue."""
    return RootFlow(
        steps={
            "a": task(),
            "q": Queue(after=("a",), path=path),
            "b": task("q", function="child"),
            "c": task("b", function="child"),
            "d": task("q", function="other"),
        }
    )


def test_a_chain_is_one_line():
    found = flow(a=task(), b=task("a"), c=task("b"))
    assert lines(found) == [(("a", "b", "c"), (), RANK_ANSWER)]
    assert (found.path, found.starts, found.handlers, found.catch, found.answer) == ("", (0,), {}, None, "c")


def test_branches_are_lines_of_their_own_in_declared_order():
    found = flow(a=task(), b=task("a"), c=task("a"), d=task("c"))
    assert lines(found) == [(("a",), (1, 2), None), (("b",), (), None), (("c", "d"), (), None)]
    assert found.answer is None


def test_branches_go_on_in_the_order_of_their_declaration_not_of_their_edges():
    found = flow(z=task(), late=task(), y=task("z"), x=task("z", "late"))
    assert lines(found)[0] == (("z",), (2, 3), None)


def test_a_join_begins_a_line():
    found = flow(a=task(), b=task("a"), c=task("a"), d=task("b", "c"), e=task("d"))
    assert lines(found) == [
        (("a",), (1, 2), None),
        (("b",), (3,), None),
        (("c",), (3,), None),
        (("d", "e"), (), RANK_ANSWER),
    ]


def test_a_line_ends_at_the_responder():
    found = flow(a=task(), b=task("a", responder=True), c=task("a"))
    assert lines(found) == [(("a",), (1, 2), None), (("b",), (), RANK_ANSWER), (("c",), (), None)]


def test_what_follows_the_final_step_runs_after_the_answer():
    steps = {"a": task(), "b": task("a"), "c": task("b")}
    found = plan(RootFlow(steps=steps, final_step="b")).flows[""]
    assert lines(found) == [(("a", "b"), (1,), RANK_ANSWER), (("c",), (), None)]


def test_an_error_handler_that_leads_nowhere_may_answer():
    found = flow(a=task(on_error="catch"), b=task("a"), catch=Error(handler="f"))
    assert lines(found) == [(("a", "b"), (), RANK_ANSWER), (("catch",), (), RANK_HANDLER)]
    assert (found.handlers, found.catch) == ({"a": 1}, None)


def test_what_follows_an_error_handler_answers_in_its_place():
    found = flow(a=task(on_error="catch"), b=task("a"), catch=Error(handler="f"), c=task("catch"))
    assert lines(found)[1:] == [(("catch",), (2,), None), (("c",), (), RANK_HANDLER)]


def test_an_error_handler_leads_back_into_the_flow():
    found = flow(a=task(on_error="catch"), b=task("a"), c=task("b"), catch=Error(handler="f", before=("c",)))
    assert lines(found) == [(("a", "b"), (1,), None), (("c",), (), RANK_ANSWER), (("catch",), (1,), None)]


def test_the_handler_of_the_whole_flow_is_its_catch():
    found = flow(on_error="all", a=task(), b=task("a"), all=Error(handler="f"))
    assert lines(found) == [(("a", "b"), (), RANK_ANSWER), (("all",), (), RANK_CATCH)]
    assert (found.handlers, found.catch) == ({}, 1)


def test_a_nested_flow_is_a_step_of_the_flow_around_it_and_a_flow_of_its_own():
    inner = Flow(steps={"x": task(), "y": task("x")}, after=("a",))
    found = plan(RootFlow(steps={"a": task(), "f": inner, "b": task("f")}))
    assert lines(found.flows[""]) == [(("a", "f", "b"), (), RANK_ANSWER)]
    assert lines(found.flows["f"]) == [(("f/x", "f/y"), (), RANK_ANSWER)]
    assert found.flows["f"].answer == "f/y"


def test_handlers_beside_and_inside_a_nested_flow_are_told_apart():
    inner = Flow(steps={"x": task(), "in": Error(handler="f")}, on_error="in")
    found = plan(
        RootFlow(steps={"f": inner, "g": Flow(steps={"x": task()}, on_error="out"), "out": Error(handler="f")})
    )
    assert (found.flows[""].handlers, found.flows[""].catch) == ({"g": 2}, None)
    assert (found.flows["f"].handlers, found.flows["f"].catch) == ({}, 1)
    assert (found.flows["g"].handlers, found.flows["g"].catch) == ({}, None)


def test_a_handler_of_the_same_name_inside_and_beside_a_flow_is_each_its_own():
    inner = Flow(steps={"x": task(on_error="catch"), "catch": Error(handler="f")}, on_error="catch")
    found = plan(RootFlow(steps={"f": inner, "catch": Error(handler="g")}))
    assert (found.flows[""].handlers, found.flows[""].catch) == ({"f": 1}, None)
    assert (found.flows["f"].handlers, found.flows["f"].catch) == ({"f/x": 1}, None)


def test_routes_stand_on_no_line():
    router = Router(routes={"m": task()}, after=("a",))
    found = plan(RootFlow(steps={"a": task(), "r": router, "b": task("r")}))
    assert lines(found.flows[""]) == [(("a", "r", "b"), (), RANK_ANSWER)]
    assert found.is_local("r/m")


def test_a_router_at_the_root_is_a_flow_of_one_step():
    found = plan(Router(routes={"m": task()}))
    assert lines(found.flows[""]) == [(("",), (), RANK_ANSWER)]
    assert (found.flows[""].starts, found.flows[""].answer, found.local) == ((0,), "", {"", "m"})


def test_an_empty_flow_has_no_lines():
    assert (flow().lines, flow().starts, flow("").answer) == ((), (), None)


def test_a_graph_with_problems_has_no_plan():
    with pytest.raises(GraphError) as caught:
        flow(a=task("b"), b=task("a"), c=task("x"))
    assert caught.value.problems == (
        "step 'c': after names 'x', which is no step of the flow",
        "step 'a': the steps run in a loop: a -> b -> a",
    )


def test_a_problem_of_the_graph_itself_names_no_step():
    with pytest.raises(GraphError, match=r"^on_error names 'all', which is no step of the flow$"):
        flow(on_error="all", a=task())


# ---- child functions --------------------------------------------------------------------------------------


def test_all_functions_in_one_are_one_plan():
    found = plan(jobs(), "*")
    assert lines(found.flows[""]) == [
        (("a", "q"), (1, 2), None),
        (("b", "c"), (), None),
        (("d",), (), None),
    ]
    assert (found.function, found.local) == ("*", {"", "a", "q", "b", "c", "d"})


@pytest.mark.parametrize("function", ["", None])
def test_the_root_function_ends_at_the_stream(function):
    found = plan(jobs(), function)
    assert lines(found.flows[""]) == [(("a", "q"), (), None)]
    assert (found.function, found.local, found.flows[""].answer) == ("", {"", "a", "q"}, None)


def test_a_child_function_starts_behind_the_stream():
    found = plan(jobs(), "child")
    assert lines(found.flows[""]) == [(("b", "c"), (), RANK_ANSWER)]
    assert (found.flows[""].starts, found.flows[""].answer) == ((0,), "c")
    assert found.local == {"", "b", "c"}
    assert not found.is_local("a")


def test_a_queue_belongs_to_whoever_writes_to_it():
    root = jobs()
    root.steps["out"] = Queue(after=("c",), path="memory://out")
    root.steps["e"] = task("out", function="last")
    assert plan(root, "child").local == {"", "b", "c", "out"}
    assert plan(root, "last").local == {"", "e"}
    assert lines(plan(root, "child").flows[""]) == [(("b", "c", "out"), (), None)]


def test_a_queue_that_starts_the_graph_belongs_to_the_root():
    root = RootFlow(steps={"q": Queue(path="memory://q"), "b": task("q", function="child")})
    assert plan(root, "").local == {"", "q"}
    assert plan(root, "child").local == {"", "b"}


@pytest.mark.parametrize("path", [None, ""])
def test_a_queue_in_memory_joins_no_functions_of_different_servers(path):
    assert lines(plan(jobs(path), "*").flows[""])[0] == (("a", "q"), (1, 2), None)
    with pytest.raises(GraphError) as caught:
        plan(jobs(path), "")
    assert caught.value.problems == (
        "step 'q': the queue has no path, so that the function 'child' cannot read from it",
        "step 'q': the queue has no path, so that the function 'other' cannot read from it",
    )


def test_a_step_of_another_function_needs_a_queue_before_it():
    root = RootFlow(steps={"a": task(), "b": task("a", function="child"), "c": task("b", function="other")})
    assert lines(plan(root, "*").flows[""]) == [(("a", "b", "c"), (), RANK_ANSWER)]
    with pytest.raises(GraphError, match="'b' runs in the function 'child', but follows 'a' of 'the root function'"):
        plan(root, "")
    with pytest.raises(
        GraphError, match="'c' runs in the function 'other', but follows 'b' of 'child' without a queue"
    ):
        plan(root, "child")


def test_an_error_handler_runs_where_its_step_runs():
    root = RootFlow(steps={"a": task(on_error="catch"), "catch": Error(handler="f", function="child")})
    with pytest.raises(GraphError, match="step 'catch' runs in the function 'child', but follows 'a'"):
        plan(root, "")


def test_a_step_of_every_function_runs_in_each():
    root = RootFlow(
        steps={
            "a": task(),
            "q": Queue(after=("a",), path="memory://q"),
            "b": task("q", function="child"),
            "log": task("a", "b", function="*"),
        }
    )
    assert lines(plan(root, "").flows[""]) == [(("a",), (1, 2), None), (("q",), (), None), (("log",), (), None)]
    assert lines(plan(root, "child").flows[""]) == [(("b", "log"), (), RANK_ANSWER)]


def test_a_function_within_a_nested_flow_is_entered_through_it():
    inner = Flow(
        steps={"x": task(), "q": Queue(after=("x",), path="memory://q"), "y": task("q", function="child")},
        after=("a",),
    )
    root = RootFlow(steps={"a": task(), "f": inner})
    found = plan(root, "child")
    assert found.local == {"", "f", "f/y"}
    assert lines(found.flows[""]) == [(("f",), (), RANK_ANSWER)]
    assert lines(found.flows["f"]) == [(("f/y",), (), RANK_ANSWER)]


def test_an_unknown_function_is_named_with_the_nearest_one():
    with pytest.raises(GraphError, match=r"no step runs in the function 'chidl'; there is 'child', 'other', did you"):
        plan(jobs(), "chidl")
    with pytest.raises(GraphError, match="no step runs in the function 'x': no step of the graph names a function"):
        flow("x", a=task())


def test_a_plan_of_many_nested_flows_is_made_in_linear_time():
    steps = {
        f"f{n}": Flow(steps={"x": task(), "y": task("x")}, after=(f"f{n - 1}",) if n else ()) for n in range(10_000)
    }
    found = plan(RootFlow(steps=steps))
    assert len(found.flows) == 10_001
    assert len(found.flows[""].lines) == 1


@pytest.mark.parametrize("function", ["", "*"])
def test_a_plan_of_a_chain_of_100_000_steps_is_one_line(function):
    steps = {f"s{n}": task(*([f"s{n - 1}"] if n else [])) for n in range(100_000)}
    (line,) = plan(RootFlow(steps=steps), function).flows[""].lines
    assert line.steps == tuple(steps)
