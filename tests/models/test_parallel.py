from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest

import graphkit
from graphkit.core.errors import BadRequest, GraphError, ModelNotReady, StepError
from graphkit.core.event import Event
from graphkit.models.parallel import ParallelRun
from graphkit.models.v2 import V2ModelServer


def first(body):
    return {"first": body["x"], "both": 1}


def second(body):
    return {"second": body["x"] * 2, "both": 2}


def test_every_route_gets_the_event_and_results_merge_by_key_later_routes_win(ask, routes_of):
    router = ParallelRun(routes=routes_of(a=first, b=second))
    assert ask(router, {"x": 3}).body == {"first": 3, "both": 2, "second": 6}
    other_way = ParallelRun(routes=routes_of(b=second, a=first))
    assert ask(other_way, {"x": 3}).body["both"] == 1


def test_extend_event_merges_over_the_body(ask, routes_of):
    router = ParallelRun(routes=routes_of(a=first), extend_event=True)
    body = {"x": 3, "both": 0}
    assert ask(router, body).body == {"x": 3, "both": 1, "first": 3}
    assert body == {"x": 3, "both": 0}


def test_extend_event_needs_a_dict(ask, routes_of):
    router = ParallelRun(name="p", routes=routes_of(a=lambda body: {}), extend_event=True)
    assert ask(router, None).body == {}
    with pytest.raises(BadRequest, match=r"router 'p' merges over the body, which must be a dict, found .* list"):
        ask(router, [1])


def test_merger_may_be_overridden(ask, routes_of):
    class Nested(ParallelRun):
        def merger(self, body, results):
            return {**body, "results": results}

    class InPlace(ParallelRun):
        def merger(self, body, results):
            body.update(total=sum(results.values()))

    assert ask(Nested(routes=routes_of(a=first, b=second), extend_event=True), {"x": 1}).body == {
        "x": 1,
        "results": {"a": {"first": 1, "both": 1}, "b": {"second": 2, "both": 2}},
    }
    body = {"x": 1}
    summing = InPlace(routes=routes_of(a=lambda body: 1, b=lambda body: 2), extend_event=True)
    assert ask(summing, body).body == {"x": 1, "total": 3}
    assert body == {"x": 1}


def test_a_result_that_is_no_dict_names_its_route(ask, routes_of):
    router = ParallelRun(name="p", routes=routes_of(a=first, list=lambda body: [1]))
    with pytest.raises(
        StepError, match=r"router 'p': route 'list' returned a value of type list; .* must return a dict"
    ):
        ask(router, {"x": 1})


def test_a_failing_route_fails_the_request_and_is_named(ask, routes_of):
    def fail(body):
        raise KeyError("gone")

    router = ParallelRun(name="p", routes=routes_of(a=first, bad=fail))
    with pytest.raises(StepError, match="router 'p': route 'bad' failed: KeyError: 'gone'") as caught:
        ask(router, {"x": 1})
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.status == 500


@pytest.mark.parametrize(
    ("raised", "kind", "status"),
    [
        (BadRequest("no"), BadRequest, 400),
        (ModelNotReady("no"), ModelNotReady, 503),
        (StepError("no", status=429), StepError, 429),
    ],
)
def test_the_kind_and_status_of_a_route_s_error_are_kept(ask, routes_of, raised, kind, status):
    def fail(body):
        raise raised

    with pytest.raises(kind) as caught:
        ask(ParallelRun(routes=routes_of(bad=fail)), {})
    assert caught.value.status == status


def test_an_error_that_names_its_step_passes_as_it_is(ask, routes_of):
    raised = StepError("step 'a/b' failed", step="a/b")

    def fail(body):
        raise raised

    with pytest.raises(StepError) as caught:
        ask(ParallelRun(routes=routes_of(bad=fail)), {})
    assert caught.value is raised


def test_a_route_never_sees_what_another_does_to_the_body(ask, routes_of):
    def greedy(body):
        body["x"].append(9)
        return {"greedy": len(body["x"])}

    body = {"x": [1]}
    before = copy.deepcopy(body)
    router = ParallelRun(routes=routes_of(a=greedy, b=lambda body: {"b": body["x"]}), extend_event=True)
    assert ask(router, body).body == {"x": [1], "greedy": 2, "b": [1]}
    assert body == before


def test_async_routes_run_side_by_side(ask_async, routes_of):
    import asyncio

    meeting = []

    class Meets(V2ModelServer):
        async def do_event(self, event):
            meeting.append(self.name)
            while len(meeting) < 2:
                await asyncio.sleep(0)
            event.body = {self.name: True}
            return event

    router = ParallelRun(routes=routes_of(a=Meets(name="a"), b=Meets(name="b"), c=lambda body: {"c": 1}))
    assert ask_async(router, {}).body == {"a": True, "b": True, "c": 1}


def test_an_async_route_that_fails_is_named(ask_async, routes_of):
    class Fails(V2ModelServer):
        async def predict(self, request):
            raise KeyError("gone")

    with pytest.raises(StepError, match="route 'f' failed: KeyError"):
        ask_async(ParallelRun(routes=routes_of(f=Fails(name="f"))), {"inputs": []})


def test_paths_hooks_and_questions_work_as_in_every_router(ask, routes_of):
    class Hooked(ParallelRun):
        def preprocess(self, event):
            event.body = {"x": event.body["x"] + 1}
            return event

        def postprocess(self, event):
            event.body["done"] = True
            return event

    router = Hooked(routes=routes_of(a=first), input_path="in", result_path="out")
    assert ask(router, {"in": {"x": 1}}).body == {"in": {"x": 1}, "out": {"first": 2, "both": 1, "done": True}}
    plain = ParallelRun(routes=routes_of(a=first))
    assert ask(plain, None, "/", method="GET").body["name"] == "ParallelRun"
    assert ask(plain, None, "/v2/models/", method="GET").body == {"models": ["a"]}


def test_models_are_asked_for_the_operation_below_the_prefix(ask, routes_of):
    class Model(V2ModelServer):
        def predict(self, request):
            return request["inputs"]

    router = ParallelRun(routes=routes_of(m=Model(name="m")))
    for path in ("/", "/v2/models/infer", "/v2/models/", "predict"):
        assert ask(router, {"inputs": [1]}, path).body["outputs"] == [1]


def test_an_unknown_executor_is_refused_with_those_there_are():
    with pytest.raises(
        GraphError, match="executor_type is 'array', 'process' or 'thread', found 'threads', did you mean 'thread'"
    ):
        ParallelRun(executor_type="threads")
    assert ParallelRun(executor_type=None).executor_type == "thread"


def test_unnamed_it_has_the_name_of_its_class():
    assert ParallelRun().name == "ParallelRun"


def test_the_context_s_pools_run_the_routes_with_the_executor_type(ask, routes_of, make_context):
    asked = []

    class Pools:
        """Whatever runs routes; only what it is asked for matters here."""

        def map(self, executor_type, routes, event):
            asked.append((executor_type, type(executor_type), list(routes), event.path, event.id))
            return {key: route.run(event.fork(event.body)) for key, route in routes.items()}

    context = make_context()
    context.pools = Pools()
    router = ParallelRun(context, routes=routes_of(a=first, b=second), executor_type="process")
    assert ask(router, {"x": 1}, "/v2/models/op", event_id="e").body["second"] == 2
    assert asked == [("process", str, ["a", "b"], "op", "e")]


# ---- in a graph ---------------------------------------------------------------------------------------------


def double(body):
    return {"double": body["x"] * 2}


def square(body):
    return {"square": body["x"] ** 2}


@pytest.mark.parametrize("executor", ["array", "thread", "process"])
def test_every_executor_answers_the_same_and_can_be_used_twice(executor):
    server = graphkit.create_graph_server(graph=graphkit.new_router("ParallelRun", executor_type=executor))
    server.graph.add_route("double", handler=double)
    server.graph.add_route("square", handler=square)
    try:
        for x in (3, 4):
            assert server.test(body={"x": x}) == {"double": 2 * x, "square": x**2}
    finally:
        server.wait_for_completion()
    assert server.test(body={"x": 5}) == {"double": 10, "square": 25}
    server.wait_for_completion()


def test_an_instance_may_stand_as_a_router_in_a_graph():
    server = graphkit.create_graph_server()
    graph = server.set_topology("router", ParallelRun(extend_event=True, executor_type="array"), exist_ok=True)
    graph.add_route("double", handler=double)
    assert server.test(body={"x": 3}) == {"x": 3, "double": 6}


def test_requests_from_many_threads_do_not_mix(routes_of):
    router = ParallelRun(routes=routes_of(a=double, b=square), extend_event=True)

    def one(x):
        return router.do_event(Event({"x": x})).body

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(300))) == [{"x": x, "double": 2 * x, "square": x * x} for x in range(300)]
