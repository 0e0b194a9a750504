"""Random valid graphs go through every form of a graph and come back equal."""

import json

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from graphkit.build.freeze import freeze, thaw
from graphkit.plan.compile import compile_plan
from graphkit.plan.trace import trace_topology
from graphkit.spec import codec
from graphkit.spec.steps import Error, Flow, Queue, RootFlow, Router, Server, Task

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=8)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ARGS = st.dictionaries(TEXTS, VALUES, max_size=3)


def maybe(strategy):
    return st.none() | strategy


HEAD = {"comment": maybe(TEXTS), "shape": maybe(TEXTS)}
CALLED = {
    "class_name": NAMES,
    "class_args": ARGS,
    "handler": maybe(NAMES),
    "full_event": maybe(st.booleans()),
    "input_path": maybe(NAMES),
    "result_path": maybe(NAMES),
}
QUEUE = {
    "path": maybe(TEXTS),
    "shards": maybe(st.integers(1, 9)),
    "retention_in_hours": maybe(st.integers()),
    "trigger_args": maybe(ARGS),
    "options": ARGS,
}


def routers(depth=1):
    routes = st.builds(Task, **HEAD, **CALLED) | (routers(depth - 1) if depth else st.nothing())
    made = st.builds(Router, **HEAD, **CALLED, routes=st.dictionaries(NAMES, routes, min_size=1, max_size=3))
    return made.map(named_children)


def named_children(record):
    field = "routes" if isinstance(record, Router) else "steps"
    children = {key: with_fields(child, name=key) for key, child in getattr(record, field).items()}
    return with_fields(record, **{field: children})


def with_fields(record, **fields):
    return type(record)(**{**{name: getattr(record, name) for name in record.__struct_fields__}, **fields})


@st.composite
def steps(draw, depth):
    """Draw the steps of a flow: each follows some of those before it; queues lead to functions of their own."""
    made = {}
    errors = []
    readers = {}
    for name in draw(st.lists(NAMES, unique=True, min_size=1, max_size=5)):
        before = draw(st.lists(st.sampled_from(sorted(made)), unique=True, max_size=2)) if made else []
        before = [other for other in before if other not in errors]
        queues = [other for other in before if isinstance(made[other], Queue)]
        if queues:
            # queues of other flows may have the same name, but a function reads from one queue
            function = readers.setdefault(queues[0], str(draw(st.uuids())))
            step = with_fields(draw(st.builds(Task, **HEAD, **CALLED)), after=(queues[0],), function=function)
        else:
            kinds = [st.builds(Task, **HEAD, **CALLED), routers(), st.builds(Queue, **HEAD, **QUEUE)]
            kinds += [flows(Flow, depth - 1)] if depth else []
            step = with_fields(draw(st.one_of(kinds)), after=tuple(before))
        made[name] = with_fields(step, name=name)
        if draw(st.integers(0, 4)) == 0 and f"{name}-failed" not in made:
            errors.append(f"{name}-failed")
            made[name] = with_fields(made[name], on_error=errors[-1])
            made[errors[-1]] = with_fields(draw(st.builds(Error, **HEAD, **CALLED)), name=errors[-1])
    return made


def flows(kind, depth=1):
    fields = {**HEAD, "engine": st.sampled_from([None, "sync", "async"]), "steps": steps(depth)}
    return st.builds(kind, **fields)


GRAPHS = flows(RootFlow) | routers()
SERVERS = st.builds(
    Server,
    graph=maybe(GRAPHS),
    parameters=ARGS,
    load_mode=maybe(TEXTS),
    function_uri=maybe(TEXTS),
    verbose=st.booleans(),
    functions=ARGS,
    error_stream=maybe(TEXTS),
    track_models=maybe(st.booleans()),
    secret_sources=st.lists(st.dictionaries(TEXTS, TEXTS, max_size=2), max_size=2).map(tuple),
)
many = settings(
    phases=[Phase.generate, Phase.explicit], max_examples=60, deadline=None, suppress_health_check=list(HealthCheck)
)


@many
@given(GRAPHS)
def test_a_graph_comes_back_from_its_dict(graph):
    written = codec.to_dict(graph)
    again = codec.from_dict(written)
    assert again == graph
    assert type(again) is type(graph)
    assert codec.to_dict(again) == written


@many
@given(GRAPHS)
def test_a_graph_comes_back_from_json(graph):
    text = codec.to_json(codec.to_dict(graph))
    assert codec.from_dict(codec.from_json(text)) == graph
    assert json.loads(text) == codec.to_dict(graph)


@many
@given(GRAPHS)
def test_a_graph_comes_back_from_yaml(graph):
    text = codec.to_yaml(codec.to_dict(graph))
    assert codec.from_dict(codec.from_yaml(text)) == graph
    assert yaml.safe_load(text) == codec.to_dict(graph)


@many
@given(SERVERS)
def test_a_server_comes_back_from_every_form(server):
    written = codec.to_dict(server)
    assert codec.server_from_dict(written) == server
    assert codec.server_from_dict(codec.from_json(codec.to_json(written))) == server
    assert codec.server_from_dict(codec.from_yaml(codec.to_yaml(written))) == server


@many
@given(GRAPHS)
def test_a_graph_comes_back_from_its_handles(graph):
    handles = thaw(graph)
    assert freeze(handles).spec == graph
    assert type(handles).from_dict(handles.to_dict()) == handles


@many
@given(GRAPHS)
def test_keys_stand_in_the_order_of_the_fields(graph):
    def check(written):
        order = codec.FIELDS[codec._KINDS[written["kind"]]]
        assert list(written) == ["kind", *(field for field in order if field in written)]
        for field in ("steps", "routes"):
            for child in written.get(field, {}).values():
                check(child)

    check(codec.to_dict(graph))


@many
@given(GRAPHS)
def test_a_valid_graph_has_no_problem_and_compiles(graph):
    topology = trace_topology(graph)
    assert topology.problems == ()
    plan = compile_plan(topology, "*")
    for path, flow in plan.flows.items():
        steps = [step for line in flow.lines for step in line.steps]
        own = [node.path for node in topology.nodes.values() if node.parent == path and isinstance(graph, RootFlow)]
        # every step stands on exactly one line
        assert sorted(steps) == sorted(own or [""])
        assert all(0 <= number < len(flow.lines) for line in flow.lines for number in line.next)


@many
@given(GRAPHS)
def test_tracing_changes_nothing(graph):
    written = codec.to_dict(graph)
    compile_plan(trace_topology(graph), "*")
    assert codec.to_dict(graph) == written
