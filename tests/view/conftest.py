"""Graphs to draw, built from specs, and both programs that draw them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from graphkit.plan.topology import Topology
from graphkit.plan.trace import trace_topology
from graphkit.spec.steps import Error, Flow, Queue, RootFlow, Router, Task
from graphkit.view.dot import dot_source
from graphkit.view.render import SETTING, find_renderer, render


class Build:
    """A short way to write topologies."""

    def task(self, name: str, *after: str, **fields: Any) -> Task:
        return Task(name=name, after=after, **{"handler": "f", **fields})

    def error(self, name: str, *before: str, **fields: Any) -> Error:
        return Error(name=name, before=before, handler="f", **fields)

    def queue(self, name: str, *after: str, **fields: Any) -> Queue:
        return Queue(name=name, after=after, **fields)

    def router(self, name: str, routes: Iterable[Any], *after: str, **fields: Any) -> Router:
        steps = [self.task(route) if isinstance(route, str) else route for route in routes]
        return Router(name=name, after=after, routes={step.name: step for step in steps}, **fields)

    def flow(self, name: str, steps: Iterable[Any], *after: str, **fields: Any) -> Flow:
        return Flow(name=name, after=after, steps={step.name: step for step in steps}, **fields)

    def graph(self, *steps: Any, **fields: Any) -> Topology:
        return trace_topology(RootFlow(steps={step.name: step for step in steps}, **fields))

    def of_router(self, *routes: Any, name: str = "", **fields: Any) -> Topology:
        return trace_topology(self.router(name, routes, **fields))

    def chain(self, length: int) -> Topology:
        names = [f"s{i}" for i in range(length)]
        return self.graph(*(self.task(name, *names[max(i - 1, 0) : i]) for i, name in enumerate(names)))

    def iris(self) -> Topology:
        """Preprocessing, a voting router, a step that responds, and an error handler."""
        return self.graph(
            self.task("clean", on_error="catcher"),
            self.router("models", ["logistic", "forest"], "clean", class_name="graphkit.VotingEnsemble"),
            self.task("label", "models", responder=True),
            self.error("catcher"),
        )


@pytest.fixture
def build() -> Build:
    return Build()


class Drawn:
    """A drawing read back from a renderer: nodes, boxes and edges by their ids."""

    def __init__(self, data: dict[str, Any]) -> None:
        objects = data.get("objects", [])
        self.graph = data
        self.nodes = {item["id"]: item for item in objects if "pos" in item}
        self.boxes = {item["id"]: item for item in objects if "pos" not in item}
        self.edges = {item["id"]: item for item in data.get("edges", [])}
        self._by_number = {item["_gvid"]: item for item in objects}

    def texts(self, item: dict[str, Any]) -> list[str]:
        # the embedded renderer's JSON writes a backslash twice here
        return [part["text"].replace("\\\\", "\\") for part in item.get("_ldraw_", []) if part["op"] == "T"]

    def inside(self, box: str) -> set[str]:
        return {self._by_number[number]["id"] for number in self.boxes[box].get("nodes", [])}

    def ends(self, edge: str) -> tuple[str, str]:
        item = self.edges[edge]
        return self._by_number[item["tail"]]["id"], self._by_number[item["head"]]["id"]


@pytest.fixture
def drawn() -> Callable[..., Drawn]:
    def draw(topology: Topology, source: Any = None, targets: Any = None) -> Drawn:
        return Drawn(json.loads(render(dot_source(topology, source, targets), "json")))

    return draw


def embedded_program(monkeypatch: pytest.MonkeyPatch) -> str:
    with monkeypatch.context() as patch:
        patch.delenv(SETTING, raising=False)
        patch.setenv("PATH", "")
        return find_renderer().program


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> str:
    """The program that comes with graphkit; as the only one, since that is what users have."""
    program = embedded_program(monkeypatch)
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setenv("PATH", "")
    return program


@pytest.fixture(params=["embedded", "system"])
def renderer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two programs in turn."""
    program = shutil.which("dot") if request.param == "system" else embedded_program(monkeypatch)
    if program is None:
        pytest.skip("no Graphviz is installed on this machine")
    monkeypatch.setenv(SETTING, program)
    return str(request.param)
