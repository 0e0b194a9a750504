"""Large graphs: long chains, wide fan-outs, ladders, deep nests. Nothing recurses, nothing is quadratic."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from graphkit import Event, FlowStep, GraphServer, Merge, StepError, new_flow, new_router


def inc(x: int) -> int:
    return x + 1


async def inc_later(x: int) -> int:
    return x + 1


class Total(Merge):
    def merge(self, events: list[Any]) -> Any:
        return sum(events)


def serve(graph: Any) -> GraphServer:
    server = GraphServer(graph)
    server.init(namespace=globals())
    return server


def chain(engine: str, steps: int, handler: str = "inc") -> Any:
    graph = step = new_flow(engine=engine)
    for number in range(steps):
        step = step.to(name=f"s{number}", handler=handler)
    return graph


@pytest.mark.slow
def test_a_chain_of_100_000_steps_builds_validates_and_runs() -> None:
    graph = chain("async", 100_000)
    server = serve(graph)
    assert server.run(Event(0), get_body=True) == 100_000
    graph["s70000"].handler = "no_such"
    graph["s80000"].after = ["nowhere"]
    with pytest.raises(StepError, match="step 's80000': after names 'nowhere'"):
        server.test(body=0)


def test_a_chain_of_5_000_steps_in_every_way(engine: str, ask_every_way: Any) -> None:
    server = serve(chain(engine, 5_000))
    assert ask_every_way(server, 0) == 5_000


def test_a_chain_of_2_000_awaiting_steps_in_every_way(engine: str, ask_every_way: Any) -> None:
    server = serve(chain(engine, 2_000, "inc_later"))
    assert ask_every_way(server, 0) == 2_000


def test_a_chain_of_error_handlers(engine: str, ask_every_way: Any) -> None:
    def fail(x: int) -> int:
        raise ValueError("no")

    graph = step = new_flow(engine=engine)
    for number in range(500):
        step = step.to(fail, name=f"s{number}")
    for number in range(499):
        graph[f"s{number}"].error_handler(name=f"h{number}", handler="inc", before=f"s{number + 1}")
    graph["s499"].error_handler(name="last", handler="inc")
    assert ask_every_way(serve(graph), 0) == 500


def test_a_fan_out_to_2_000_branches(engine: str, ask_every_way: Any) -> None:
    graph = new_flow(engine=engine)
    first = graph.to(name="first", handler="inc")
    names = [f"b{number}" for number in range(2_000)]
    for name in names:
        first.to(name=name, handler="inc")
    graph.add_step(Total, name="join", after=names)
    assert ask_every_way(serve(graph), 0) == 4_000


def test_diamonds_in_a_row(engine: str, ask_every_way: Any) -> None:
    graph = new_flow(engine=engine)
    last = graph.to(name="first", handler="(event * 0)")
    for number in range(300):
        a = last.to(name=f"a{number}", handler="inc")
        b = last.to(name=f"b{number}", handler="(event * 0)")
        last = graph.add_step(Total, name=f"j{number}", after=[a.name, b.name])
    assert ask_every_way(serve(graph), 0) == 300


def test_a_ladder_of_200_rungs_validates_at_once_and_its_run_is_bounded(engine: str, ask_every_way: Any) -> None:
    graph = new_flow(engine=engine)
    graph.to(name="s0", handler="inc")
    for number in range(1, 200):
        for side in "ab":
            graph.add_step(name=f"{side}{number}", handler="inc", after=f"s{number - 1}")
        graph.add_step(name=f"s{number}", handler="inc", after=[f"a{number}", f"b{number}"])
    server = serve(graph)
    with pytest.raises(StepError, match="one request gave rise to more than 10,000 events") as caught:
        ask_every_way(server, 0)
    assert caught.value.status == 500
    graph["s199"].after = ["nowhere"]
    with pytest.raises(StepError, match="after names 'nowhere'"):
        server.test(body=0)


def test_a_ladder_whose_rungs_await_is_bounded_too(engine: str, request: pytest.FixtureRequest) -> None:
    graph = new_flow(engine=engine)
    graph.to(name="s0", handler="inc_later")
    for number in range(1, 50):
        for side in "ab":
            graph.add_step(name=f"{side}{number}", handler="inc_later", after=f"s{number - 1}")
        graph.add_step(name=f"s{number}", handler="inc", after=[f"a{number}", f"b{number}"])
    server = GraphServer(graph, parameters={"max_events": 500}, error_stream=f"memory://{request.node.name}")
    server.init(namespace=globals())
    with pytest.raises(StepError, match="one request gave rise to more than 500 events"):
        server.test(body=0)
    assert asyncio.run(_run_async(server)).status_code == 500
    assert len(server._error_stream_object.read()) == 2  # one for each request


async def _run_async(server: GraphServer) -> Any:
    return await server.run_async(Event(0))


def test_flows_nested_50_deep(engine: str, ask_every_way: Any) -> None:
    graph = flow = new_flow(engine=engine)
    for number in range(50):
        flow.to(name="inc", handler="inc")
        flow = flow.insert_step(f"f{number}", FlowStep(f"f{number}"), after="inc")
    flow.to(name="inc", handler="inc")
    assert ask_every_way(serve(graph), 0) == 51


def test_a_router_of_2_000_routes(ask_every_way: Any) -> None:
    router = new_router()
    for number in range(2_000):
        router.add_route(f"m{number}", handler="inc_body")
    server = GraphServer(router)
    server.init(namespace={"inc_body": lambda body: body["x"] + 1})
    assert ask_every_way(server, {"x": 1}, path="/m1777/infer") == 2


def test_a_body_that_is_nested_deeply_can_be_shared_by_branches_or_is_refused(engine: str, ask_every_way: Any) -> None:
    body: Any = []
    for _ in range(100_000):
        body = [body]
    graph = new_flow(engine=engine)
    graph.to(name="a", handler="(1)")
    graph.to(name="b", handler="(2)")
    server = serve(graph)
    answer = server.run(Event(body))
    assert answer.status_code in (200, 500)
    if answer.status_code == 500:
        assert "nested too deeply" in answer.body
    while body:
        body = body.pop()
