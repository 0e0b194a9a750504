"""graphkit, through its public names only, and plain function calls in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from sides import plain_side
from workloads import (
    ADDED_UP,
    BRANCHES,
    CHAINS,
    LONGEST,
    LONGEST_BOTH_BUILD,
    MEMBERS,
    MERGED,
    ROUTES,
    SAMPLES,
    VOTED,
    Case,
    ainc,
    branch,
    classify,
    double,
    inc,
    keyed_branch,
    nap,
    total,
)

from graphkit import Merge, MockEvent, V2ModelServer, create_graph_server, new_flow, new_router


class Doubler(V2ModelServer):
    """The model behind the router."""

    def load(self) -> None:
        """Nothing to load."""

    def predict(self, request: dict[str, Any]) -> list[int]:
        """Predict."""
        return double(request["inputs"])


class Member(V2ModelServer):
    """A member of the ensemble."""

    def load(self) -> None:
        """Nothing to load."""

    def predict(self, request: dict[str, Any]) -> list[int]:
        """Predict."""
        return classify(request["inputs"], self.get_param("member"))


class Total(Merge):
    """Joins numbers."""

    def merge(self, events: list[Any]) -> int:
        """Add the bodies up."""
        return total(events)


NAMESPACE = {
    "inc": inc,
    "ainc": ainc,
    "nap": nap,
    "Doubler": Doubler,
    "Member": Member,
    "Total": Total,
    **{f"b{number}": branch(number) for number in range(BRANCHES)},
    **{f"k{number}": keyed_branch(number) for number in range(BRANCHES)},
}


def versions() -> dict[str, str]:
    """What is measured."""
    return {name: version(name) for name in ("graphkit-serving", "msgspec")}


def serve(graph: Any) -> Any:
    """Bind a graph in a server that keeps no records of its runs unless ``test`` is called."""
    server = create_graph_server(graph=graph)
    server.init(namespace=NAMESPACE)
    return server


def line(steps: int, engine: str, handler: str) -> Any:
    """Build a chain of one handler."""
    graph = new_flow(engine=engine)
    step = graph
    for number in range(steps):
        step = step.to(name=f"s{number}", handler=handler)
    return graph


def flowing(graph: Any, expected: Any) -> Case:
    """One event after the other through ``server.run``."""
    server = serve(graph)
    run = server.run

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            answer = run(MockEvent(body=1), get_body=True)
        return answer

    return Case(many=many, expected=expected, close=server.wait_for_completion)


def awaited_chain(steps: int, handler: str) -> Case:
    """One event after the other through ``await server.run_async``, on a loop that runs already."""
    server = serve(line(steps, "async", handler))
    run_async = server.run_async

    async def loop(n: int) -> Any:
        answer = None
        for _ in range(n):
            answer = await run_async(MockEvent(body=1), get_body=True)
        return answer

    runner = asyncio.new_event_loop()

    def close() -> None:
        server.wait_for_completion()
        runner.close()

    return Case(many=lambda n: runner.run_until_complete(loop(n)), expected=1 + steps, close=close)


def tested_chain(steps: int) -> Case:
    """One event after the other through ``server.test``, each run recorded."""
    server = serve(line(steps, "sync", "inc"))

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            answer = server.test(body=1)
        if len(server.last_run.steps) < steps:
            raise AssertionError(f"{len(server.last_run.steps)} of {steps} steps were recorded")
        return answer

    return Case(many=many, expected=1 + steps, close=server.wait_for_completion)


def fan_out(letter: str, join: Any, expected: Any) -> Case:
    """One function, eight on its result, joined by event id."""
    graph = new_flow()
    first = graph.to(name="first", handler="inc")
    names = [f"{letter}{number}" for number in range(BRANCHES)]
    for name in names:
        first.to(name=name, handler=name)
    graph.add_step(join, name="join", after=names).respond()
    return flowing(graph, expected)


def asking(graph: Any, path: str, inputs: list[Any], expected: Any) -> Case:
    """One inference request after the other through ``server.run``."""
    server = serve(graph)
    run = server.run

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            event = MockEvent(body={"inputs": inputs}, path=path, method="POST")
            answer = run(event, get_body=True)
        return list(answer["outputs"])

    return Case(many=many, expected=expected, close=server.wait_for_completion)


def router(routes: int) -> Case:
    """One model of many is asked."""
    graph = new_router()
    for number in range(routes):
        graph.add_route(f"m{number}", class_name="Doubler")
    return asking(graph, f"/v2/models/m{routes // 2}/infer", [1, 2], [2, 4])


def ensemble(executor: str, samples: str) -> Case:
    """Four models vote."""
    graph = new_router("VotingEnsemble", vote_type="classification", executor_type=executor)
    for number in range(MEMBERS):
        graph.add_route(f"m{number}", class_name="Member", member=number)
    return asking(graph, "/v2/models/infer", SAMPLES[samples], VOTED[samples])


def build(steps: int) -> Case:
    """Build a chain, validate and bind it; one event proves that it works."""

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            answer = serve(line(steps, "sync", "inc")).run(MockEvent(body=1), get_body=True)
        return answer

    return Case(many=many, expected=1 + steps)


def dot_text(steps: int) -> Case:
    """The DOT text of a chain, changed each time so that nothing can be kept from the last."""
    graph = line(steps, "sync", "inc")
    last = graph[f"s{steps - 1}"]

    def many(n: int) -> Any:
        source = ""
        for number in range(n):
            last.comment = f"changed {number}"
            source = graph.plot().source
        return source.count("->")

    # One edge from the start, one between each two steps.
    return Case(many=many, expected=steps)


CASES: dict[str, Callable[[], Case]] = {
    **{f"plain-{name}": case for name, case in plain_side.CASES.items()},
    **{f"chain-{steps}": lambda steps=steps: flowing(line(steps, "sync", "inc"), 1 + steps) for steps in CHAINS},
    **{f"chain-{steps}-async": lambda steps=steps: flowing(line(steps, "async", "inc"), 1 + steps) for steps in CHAINS},
    "test-100": lambda: tested_chain(100),
    "async-never-suspends-100": lambda: awaited_chain(100, "ainc"),
    **{
        f"async-suspends-{steps}": lambda steps=steps: flowing(line(steps, "async", "nap"), 1 + steps)
        for steps in (10, 100)
    },
    "fan-out": lambda: fan_out("b", "Total", ADDED_UP),
    "fan-out-by-key": lambda: fan_out("k", Merge, MERGED),
    **{f"router-{routes}": lambda routes=routes: router(routes) for routes in ROUTES},
    **{
        f"ensemble-{executor}-{samples}": lambda executor=executor, samples=samples: ensemble(executor, samples)
        for executor in ("array", "thread")
        for samples in SAMPLES
    },
    f"build-{LONGEST_BOTH_BUILD}": lambda: build(LONGEST_BOTH_BUILD),
    f"build-{LONGEST}": lambda: build(LONGEST),
    f"dot-{LONGEST}": lambda: dot_text(LONGEST),
}
