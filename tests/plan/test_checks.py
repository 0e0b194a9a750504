"""Every problem of structure, all at once, in linear time."""

import pytest

from graphkit.plan.trace import trace_topology
from graphkit.spec.steps import Error, Flow, Queue, RootFlow, Router, Task


def task(*after, **fields):
    return Task(**{"handler": "f", "after": after, **fields})


def problems(final_step=None, on_error=None, engine=None, **steps):
    root = RootFlow(steps=steps, final_step=final_step, on_error=on_error, engine=engine)
    return [(problem.path, problem.message) for problem in trace_topology(root).problems]


def test_a_sound_graph_has_no_problem():
    assert problems(a=task(), b=task("a"), q=Queue(after=("b",)), c=task("q", function="child")) == []


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (
            problems(first=task(), b=task("frist")),
            [("b", "after names 'frist', which is no step of the flow, did you mean 'first'?")],
        ),
        (problems(a=task(), b=task("zzz")), [("b", "after names 'zzz', which is no step of the flow")]),
        (
            problems(a=task(on_error="cach"), catch=Error(handler="f")),
            [
                ("a", "on_error names 'cach', which is no step of the flow, did you mean 'catch'?"),
                ("catch", "it is never reached: no step names it as its error handler (on_error)"),
            ],
        ),
        (
            problems(a=task(on_error="catch"), last=task("a"), catch=Error(handler="f", before=("lst",))),
            [("catch", "before names 'lst', which is no step of the flow, did you mean 'last'?")],
        ),
        (problems(on_error="all", a=task()), [("", "on_error names 'all', which is no step of the flow")]),
        (problems(final_step="z", a=task()), [("", "final_step names 'z', which is no step of the flow")]),
        (
            problems(a=task(), b=task("a", responder=True), c=task("a", responder=True)),
            [("", "several steps respond, one may: 'b', 'c'")],
        ),
        (
            problems(a=task(responder=True), b=task("a")),
            [("b", "it comes after the step 'a', which responds and so must be the last")],
        ),
        (
            problems(q=Queue(), b=task("q")),
            [("b", "it follows the queue 'q', so it must name the function that it runs in (function=...)")],
        ),
        (
            problems(q=Queue(), p=Queue(after=("q",)), b=task("p", function="x")),
            [("p", "it follows the queue 'q' directly; put a step between them")],
        ),
        (
            problems(
                a=task(),
                q=Queue(after=("a",)),
                p=Queue(after=("a",)),
                b=task("q", function="x"),
                c=task("p", function="x"),
            ),
            [("c", "the function 'x' reads from two queues, 'q' and 'p'; it may read from one")],
        ),
        (problems(a=task(handler=None)), [("a", "neither class_name nor handler is given")]),
        (
            problems(engine="asinc", a=task()),
            [("", "the engine 'asinc' is not known; there is 'async', 'sync', did you mean 'async'?")],
        ),
        (problems(q=Queue(shards=0)), [("q", "shards is 0, it must be 1 or more")]),
        (problems(**{"a/b": task()}), [("a/b", "'a/b' is no step name: it may not be empty or hold '/'")]),
        (problems(**{"": task()}), [("", "'' is no step name: it may not be empty or hold '/'")]),
        (problems(a=task(name="b")), [("a", "it stands under another name: 'b'")]),
        (
            problems(a=task(), catch=Error(handler="f", after=("a",))),
            [("catch", "an error handler stands after no step: the steps name it, as on_error")],
        ),
        (
            problems(a=task(), lone=Error(handler="f"), c=task("lone")),
            [
                ("lone", "it is never reached: no step names it as its error handler (on_error)"),
                ("c", "it is never reached from a start of the flow"),
            ],
        ),
        (problems(a=task("a")), [("a", "the steps run in a loop: a -> a")]),
        (
            problems(a=task("c"), b=task("a"), c=task("b"), d=task("c")),
            [("a", "the steps run in a loop: a -> b -> c -> a")],
        ),
        (
            problems(a=task(on_error="catch"), catch=Error(handler="f", before=("a",))),
            [("a", "the steps run in a loop: a -> catch -> a")],
        ),
    ],
)  # fmt: skip
def test_a_problem_names_its_step_and_what_comes_close(found, wanted):
    assert found == wanted


@pytest.mark.parametrize(
    ("route", "message"),
    [
        (Queue(), "a route is a task or a router, not a queue"),
        (Flow(), "a route is a task or a router, not a flow"),
        (Error(handler="f"), "a route is a task or a router, not an error_step"),
        (task("m"), "a route has no after: only the router has a place in the flow"),
        (task(on_error="x"), "a route has no on_error: only the router has a place in the flow"),
        (task(responder=True), "a route has no responder: only the router has a place in the flow"),
        (task(handler=None), "neither class_name nor handler is given"),
    ],
)
def test_a_route_is_checked_too(route, message):
    assert problems(r=Router(routes={"m": route})) == [("r/m", message)]


def test_all_problems_are_reported_at_once():
    found = problems(
        on_error="nothing",
        engine="fast",
        a=task("b"),
        b=task("a"),
        c=task("zzz", handler=None),
        lone=Error(handler="f"),
        q=Queue(shards=-1),
        d=task("q"),
        r=Router(routes={"m/n": task()}),
        f=Flow(steps={"x": task("y"), "y": task("x"), "z": task("nix")}),
        one=task(responder=True),
        two=task("one", responder=True),
    )
    assert sorted({path for path, _ in found}) == ["", "a", "c", "d", "f/x", "f/z", "lone", "q", "r/m/n", "two"]
    assert len(found) == 13


def test_problems_of_fields_made_by_hand_are_found():
    assert problems(a=task(full_event="yes", input_path=5), q=Queue(shards="two")) == [
        ("a", "full_event: Expected `bool | null`, got `str`"),
        ("a", "input_path: Expected `str | null`, got `int`"),
        ("q", "shards: Expected `int | null`, got `str`"),
    ]


def test_a_name_with_a_slash_is_found_even_if_another_step_has_that_path():
    for steps in (
        {"a/b": task(), "a": Flow(steps={"b": task()})},
        {"a": Flow(steps={"b": task()}), "a/b": task()},
    ):
        assert ("a/b", "'a/b' is no step name: it may not be empty or hold '/'") in problems(**steps)


def test_one_misspelt_name_is_one_problem_however_many_steps_follow():
    steps = {"a": task("nothing"), **{f"s{n}": task(f"s{n - 1}" if n else "a") for n in range(50)}}
    assert [path for path, _ in problems(**steps)] == ["a"]


def test_a_loop_does_not_hide_an_unreachable_step_elsewhere():
    found = problems(a=task("b"), b=task("a"), lone=Error(handler="f"))
    assert [path for path, _ in found] == ["a", "lone"]


def test_loops_of_their_own_are_each_named():
    found = problems(a=task("b"), b=task("a"), c=task("d", "b"), d=task("c"))
    assert [message for _, message in found] == [
        "the steps run in a loop: a -> b -> a",
        "the steps run in a loop: c -> d -> c",
    ]


def test_a_knot_of_loops_is_one_problem():
    found = problems(a=task("b", "c"), b=task("a"), c=task("a"))
    assert len(found) == 1


def test_a_loop_in_a_nested_flow_is_named_by_full_paths():
    found = problems(f=Flow(steps={"x": task("y"), "y": task("x")}))
    assert found == [("f/x", "the steps run in a loop: f/x -> f/y -> f/x")]


def test_a_flows_own_error_handler_closes_no_loop():
    assert problems(on_error="all", a=task(), b=task("a"), all=Error(handler="f")) == []
    inner = Flow(steps={"x": task(), "all": Error(handler="f")}, on_error="all")
    assert problems(f=inner) == []


def test_the_same_function_may_read_one_queue_in_several_steps():
    assert problems(q=Queue(), b=task("q", function="x"), c=task("q", function="x")) == []


def test_queues_of_the_same_name_in_two_flows_are_told_apart():
    inner = Flow(steps={"q": Queue(), "c": task("q", function="x")})
    found = problems(q=Queue(), b=task("q", function="x"), f=inner)
    assert found == [("f/c", "the function 'x' reads from two queues, 'q' and 'f/q'; it may read from one")]


def test_a_responder_in_each_flow_is_fine():
    assert problems(f=Flow(steps={"x": task(responder=True)}), b=task("f", responder=True)) == []


def test_a_responder_may_have_an_error_handler():
    assert problems(a=task(responder=True, on_error="catch"), catch=Error(handler="f")) == []


# ---- size: each of these would take hours, or the recursion limit, if it were not linear and iterative ----


def test_a_chain_of_100_000_steps_has_no_problem():
    steps = {f"s{n}": task(*([f"s{n - 1}"] if n else [])) for n in range(100_000)}
    topology = trace_topology(RootFlow(steps=steps))
    assert topology.problems == ()
    assert (topology.starts, topology.answer) == (("s0",), "s99999")


def test_a_ladder_of_200_rungs_has_no_problem():
    steps = {"l0": task(), "r0": task()}
    for n in range(1, 200):
        steps[f"l{n}"] = task(f"l{n - 1}", f"r{n - 1}")
        steps[f"r{n}"] = task(f"l{n - 1}", f"r{n - 1}")
    topology = trace_topology(RootFlow(steps=steps))
    assert topology.problems == ()
    assert topology.ends == ("l199", "r199")


def test_a_loop_of_50_000_steps_is_named_as_a_whole():
    steps = {f"s{n}": task(f"s{(n - 1) % 50_000}") for n in range(50_000)}
    ((path, message),) = problems(**steps)
    names = message.removeprefix("the steps run in a loop: ").split(" -> ")
    assert path == "s0"
    assert names == [*steps, "s0"]


def test_many_loops_behind_one_another_are_all_named():
    steps = {}
    for n in range(5_000):
        steps[f"a{n}"] = task(f"b{n}", *([f"b{n - 1}"] if n else []))
        steps[f"b{n}"] = task(f"a{n}")
    assert len(problems(**steps)) == 5_000


def test_many_misspelt_names_are_all_reported():
    steps = {f"step{n}": task(f"step{n}x") for n in range(20_000)}
    found = problems(**steps)
    assert len(found) == 20_000
    assert "did you mean 'step0'?" in found[0][1]


def test_a_wide_router_has_no_problem():
    routes = {f"m{n}": task() for n in range(50_000)}
    assert trace_topology(Router(routes=routes)).problems == ()


def test_a_deep_nest_of_flows_has_no_problem():
    flow = Flow(steps={"x": task()})
    for _ in range(200):
        flow = Flow(steps={"f": flow})
    assert trace_topology(RootFlow(steps={"f": flow})).problems == ()
