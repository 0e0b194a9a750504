"""From a spec to nodes, edges, starts, ends and the answering step."""

import graphkit
from graphkit.plan.topology import Edge, EdgeKind, join
from graphkit.plan.trace import trace_topology
from graphkit.spec.steps import Error, Flow, Kind, Queue, RootFlow, Router, Task


def task(*after, **fields):
    return Task(**{"handler": "f", "after": after, **fields})


def named(steps):
    kept = {}
    for name, step in steps.items():
        fields = {field: getattr(step, field) for field in step.__struct_fields__}
        kept[name] = type(step)(**{**fields, "name": name})
    return kept


def trace(final_step=None, on_error=None, **steps):
    return trace_topology(RootFlow(steps=named(steps), final_step=final_step, on_error=on_error))


def edges(topology, kind=EdgeKind.FLOW):
    return [(edge.tail, edge.head) for edge in topology.edges if edge.kind is kind]


def test_nodes_stand_in_declared_order_parents_first():
    topology = trace(
        a=task(),
        r=Router(routes={"m": task(name="m"), "n": Router(name="n", routes={"o": task(name="o")})}, after=("a",)),
        f=Flow(steps={"x": task(name="x")}),
        b=task("a"),
    )
    assert list(topology.nodes) == ["", "a", "r", "r/m", "r/n", "r/n/o", "f", "f/x", "b"]
    node = topology.nodes["r/n/o"]
    assert (node.path, node.name, node.kind, node.parent) == ("r/n/o", "o", Kind.TASK, "r/n")
    assert (topology.nodes[""].parent, topology.nodes[""].kind, topology.nodes["a"].parent) == (None, Kind.ROOT, "")
    assert topology.problems == ()


def test_a_path_is_made_of_names():
    assert (join("", "a"), join("a", "b"), join("a/b", "c")) == ("a", "a/b", "a/b/c")


def test_a_chain_starts_at_its_first_and_answers_with_its_last_step():
    topology = trace(a=task(), b=task("a"), c=task("b"))
    assert edges(topology) == [("a", "b"), ("b", "c")]
    assert (topology.starts, topology.ends, topology.answer) == (("a",), ("c",), "c")


def test_a_flow_with_several_ends_has_no_answering_step():
    topology = trace(a=task(), b=task("a"), c=task("a"))
    assert (topology.starts, topology.ends, topology.answer) == (("a",), ("b", "c"), None)


def test_a_flow_with_several_starts_may_have_one_answer():
    topology = trace(a=task(), b=task(), c=task("a", "b"))
    assert (topology.starts, topology.ends, topology.answer) == (("a", "b"), ("c",), "c")


def test_the_responder_answers_whatever_the_ends():
    topology = trace(a=task(), b=task("a", responder=True), c=task("a"))
    assert (topology.ends, topology.answer) == (("b", "c"), "b")


def test_the_final_step_answers_where_none_responds():
    assert trace(final_step="b", a=task(), b=task("a"), c=task("a")).answer == "b"
    assert trace(final_step="b", a=task(), b=task("a"), c=task("a", responder=True)).answer == "c"


def test_a_flow_that_ends_in_a_queue_has_no_answering_step():
    topology = trace(a=task(), q=Queue(after=("a",)))
    assert (topology.ends, topology.answer) == (("q",), None)


def test_a_queue_that_is_followed_is_no_end():
    topology = trace(a=task(), q=Queue(after=("a",)), b=task("q", function="child"))
    assert (topology.ends, topology.answer) == (("b",), "b")


def test_error_steps_are_neither_starts_nor_ends():
    topology = trace(
        on_error="all",
        a=task(on_error="catch"),
        b=task("a"),
        catch=Error(handler="f"),
        all=Error(handler="f"),
    )
    assert (topology.starts, topology.ends, topology.answer) == (("a",), ("b",), "b")
    assert edges(topology, EdgeKind.ERROR) == [("a", "catch"), ("", "all")]
    assert topology.problems == ()


def test_what_follows_an_error_step_is_no_end():
    topology = trace(a=task(on_error="catch"), b=task("a"), catch=Error(handler="f"), c=task("catch"))
    assert (topology.ends, topology.answer) == (("b",), "b")
    assert topology.problems == ()


def test_an_error_step_leads_back_into_the_flow():
    topology = trace(a=task(on_error="catch"), b=task("a"), c=task("b"), catch=Error(handler="f", before=("b", "c")))
    assert edges(topology, EdgeKind.RESUME) == [("catch", "b"), ("catch", "c")]
    assert topology.answer == "c"


def test_an_empty_flow_has_nothing():
    topology = trace()
    assert (list(topology.nodes), topology.starts, topology.ends, topology.answer) == ([""], (), (), None)
    assert topology.problems == ()


def test_a_router_at_the_root_is_its_own_start_and_answer():
    topology = trace_topology(Router(routes={"m": task(name="m")}))
    assert (topology.starts, topology.ends, topology.answer) == (("",), ("",), "")
    assert topology.edges == (Edge(tail="", head="m", kind=EdgeKind.ROUTE),)


def test_edges_of_a_nested_flow_are_its_own():
    inner = Flow(steps=named({"x": task(), "y": task("x")}), after=("a",))
    topology = trace(a=task(), f=inner, b=task("f"))
    assert edges(topology) == [("a", "f"), ("f", "b"), ("f/x", "f/y")]
    assert topology.answer == "b"


def test_child_functions_are_inherited():
    topology = trace(
        a=task(),
        q=Queue(after=("a",)),
        r=Router(
            after=("q",),
            function="models",
            routes={"m": task(name="m"), "n": task(name="n", function="gpu")},
        ),
        f=Flow(steps=named({"x": task(function="*"), "y": task("x")})),
    )
    assert {path: node.function for path, node in topology.nodes.items()} == {
        "": "",
        "a": "",
        "q": "",
        "r": "models",
        "r/m": "models",
        "r/n": "gpu",
        "f": "",
        "f/x": "*",
        "f/y": "",
    }


def test_a_nested_flows_handler_may_stand_inside_or_beside_it():
    inside = Flow(steps=named({"x": task(), "catch": Error(handler="f")}), on_error="catch")
    assert edges(trace(f=inside), EdgeKind.ERROR) == [("f", "f/catch")]
    beside = Flow(steps=named({"x": task()}), on_error="catch")
    assert edges(trace(f=beside, catch=Error(handler="f")), EdgeKind.ERROR) == [("f", "catch")]


def test_of_two_handlers_of_the_same_name_the_one_beside_a_nested_flow_is_its_own():
    inner = Flow(steps=named({"x": task(on_error="catch"), "catch": Error(handler="f")}), on_error="catch")
    topology = trace(f=inner, catch=Error(handler="g"))
    assert edges(topology, EdgeKind.ERROR) == [("f", "catch"), ("f/x", "f/catch")]
    assert topology.problems == ()


def test_handlers_of_the_same_name_inside_and_beside_a_flow_can_be_written():
    graph = graphkit.new_flow()
    inner = graph.to(graphkit.FlowStep("inner"))
    inner.to(name="x", handler="f").error_handler("catch", handler="f")
    inner.error_handler("catch", handler="g")
    graph._check()
    assert (graph["catch"].handler, inner["catch"].handler) == ("g", "f")


def test_tracing_a_wrong_graph_lists_its_problems_and_draws_the_rest():
    topology = trace(a=task(), b=task("a", "x"))
    assert edges(topology) == [("a", "b")]
    assert len(topology.problems) == 1
