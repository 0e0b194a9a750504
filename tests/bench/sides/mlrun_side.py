"""mlrun's serving graphs, run by its own mock server; no cluster and no API service."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

# Before mlrun is imported: without it every start and stop of a flow logs a line per step.
os.environ["MLRUN_LOG_LEVEL"] = "ERROR"

import logging

import mlrun
from mlrun.serving import V2ModelServer
from mlrun.serving.server import MockEvent, create_graph_server
from mlrun.serving.states import RootFlowStep, RouterStep
from workloads import (
    ADDED_UP,
    BRANCHES,
    CHAINS,
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
    merged,
    nap,
    total,
)

logging.disable(logging.ERROR)
mlrun.utils.logger.set_logger_level("ERROR")


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


NAMESPACE = {
    "inc": inc,
    "ainc": ainc,
    "nap": nap,
    "Doubler": Doubler,
    "Member": Member,
    "total": total,
    "merged": merged,
    **{f"b{number}": branch(number) for number in range(BRANCHES)},
    **{f"k{number}": keyed_branch(number) for number in range(BRANCHES)},
}


def versions() -> dict[str, str]:
    """What is measured."""
    return {name: version(name) for name in ("mlrun", "storey")}


def serve(graph: Any) -> Any:
    """Bind a graph as mlrun's mock server does."""
    server = create_graph_server(graph=graph)
    server.init_states(None, NAMESPACE, is_mock=True)
    server.init_object(NAMESPACE)
    return server


def line(steps: int, engine: str, handler: str) -> Any:
    """Build a chain of one handler."""
    graph = RootFlowStep(engine=engine)
    step = graph
    for number in range(steps):
        step = step.to(name=f"s{number}", handler=handler)
    if engine == "async":
        step.respond()
    return graph


def chain(steps: int, engine: str, handler: str = "inc") -> Case:
    """One event after the other through ``server.run``."""
    server = serve(line(steps, engine, handler))
    run = server.run

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            answer = run(MockEvent(body=1), get_body=True)
        return answer

    return Case(many=many, expected=1 + steps, close=server.wait_for_completion)


def tested_chain(steps: int) -> Case:
    """One event after the other through ``server.test``."""
    server = serve(line(steps, "sync", "inc"))

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            answer = server.test(body=1)
        return answer

    return Case(many=many, expected=1 + steps)


def fan_out(letter: str, join: str, expected: Any) -> Case:
    """Branches exist in the async engine only; its ``Merge`` collects them by event id, and a step joins the list."""
    graph = RootFlowStep(engine="async")
    first = graph.to(name="first", handler="inc")
    names = [f"{letter}{number}" for number in range(BRANCHES)]
    for name in names:
        first.to(name=name, handler=name)
    collected = graph.add_step(
        "mlrun.serving.merger.Merge", name="collect", after=names, expected_num_events=BRANCHES, full_event=True
    )
    collected.to(name=join, handler=join).respond()
    server = serve(graph)

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            answer = server.run(MockEvent(body=1), get_body=True)
        return answer

    return Case(many=many, expected=expected, close=server.wait_for_completion)


def router(routes: int) -> Case:
    """One model of many is asked."""
    graph = RouterStep()
    for number in range(routes):
        graph.add_route(f"m{number}", class_name="Doubler", model_path="")
    server = serve(graph)
    run, path = server.run, f"/v2/models/m{routes // 2}/infer"

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            event = MockEvent(body={"inputs": [1, 2]}, path=path, method="POST")
            answer = run(event, get_body=True)
        return answer["outputs"]

    return Case(many=many, expected=[2, 4])


def ensemble(executor: str, samples: str) -> Case:
    """Four models vote."""
    graph = RouterStep(
        class_name="mlrun.serving.routers.VotingEnsemble",
        class_args={"vote_type": "classification", "executor_type": executor},
    )
    for number in range(MEMBERS):
        graph.add_route(f"m{number}", class_name="Member", model_path="", member=number)
    server = serve(graph)
    run, inputs = server.run, SAMPLES[samples]

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            event = MockEvent(body={"inputs": inputs}, path="/v2/models/infer", method="POST")
            answer = run(event, get_body=True)
        return answer["outputs"]

    return Case(many=many, expected=VOTED[samples])


def build(steps: int) -> Case:
    """Build a chain and bind it; one event proves that it works."""

    def many(n: int) -> Any:
        answer = None
        for _ in range(n):
            answer = serve(line(steps, "sync", "inc")).run(MockEvent(body=1), get_body=True)
        return answer

    return Case(many=many, expected=1 + steps)


CASES: dict[str, Callable[[], Case]] = {
    **{f"chain-{steps}": lambda steps=steps: chain(steps, "sync") for steps in CHAINS},
    **{f"chain-{steps}-async": lambda steps=steps: chain(steps, "async") for steps in CHAINS},
    "test-100": lambda: tested_chain(100),
    "async-never-suspends-100": lambda: chain(100, "async", "ainc"),
    **{f"async-suspends-{steps}": lambda steps=steps: chain(steps, "async", "nap") for steps in (10, 100)},
    "fan-out": lambda: fan_out("b", "total", ADDED_UP),
    "fan-out-by-key": lambda: fan_out("k", "merged", MERGED),
    **{f"router-{routes}": lambda routes=routes: router(routes) for routes in ROUTES},
    **{
        f"ensemble-{executor}-{samples}": lambda executor=executor, samples=samples: ensemble(executor, samples)
        for executor in ("array", "thread")
        for samples in SAMPLES
    },
    f"build-{LONGEST_BOTH_BUILD}": lambda: build(LONGEST_BOTH_BUILD),
}
