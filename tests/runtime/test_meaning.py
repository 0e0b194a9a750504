"""What a step's names mean, for those who only look."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import graphkit
from graphkit import new_flow, new_router
from graphkit.build.freeze import freeze
from graphkit.build.picture import topology_of
from graphkit.runtime.lookup import ABSENT
from graphkit.runtime.meaning import Meaning, meaning_of, peek


def double(body: Any) -> Any:
    return 2 * body


class Both:
    def do(self, body: Any) -> Any: ...

    def do_event(self, event: Any) -> Any: ...

    def other(self, body: Any) -> Any: ...


class Only:
    def do(self, body: Any) -> Any: ...


class Called:
    def __call__(self, body: Any) -> Any: ...


class Never:
    def __init__(self, x: Any = None) -> None: ...


def meaning(root: Any, path: str, namespace: Any = None) -> Meaning:
    frozen = freeze(root)
    nodes = topology_of(root, frozen.spec).nodes
    return meaning_of(nodes[path], globals() if namespace is None else namespace, frozen.held)


def of_step(*args: Any, **fields: Any) -> Meaning:
    graph = new_flow()
    graph.to(*args, name="step", **fields)
    return meaning(graph, "step")


def test_functions_by_object_and_by_name() -> None:
    assert of_step(double) == of_step(handler="double") == Meaning("function", double, double)
    own = lambda body: body  # noqa: E731
    assert of_step(own).call is own


def test_a_class_is_called_as_the_runtime_calls_it() -> None:
    assert (of_step(Both).call, of_step(Both).wants_event) == (Both.do_event, True)
    assert (of_step("Both", handler="other").call, of_step("Both", handler="other").wants_event) == (Both.other, False)
    assert (of_step(Only).call, of_step(Only, full_event=True).wants_event) == (Only.do, True)
    assert of_step(Called).call is Called.__call__
    assert of_step(Never, x=1) == Meaning("class", Never)
    assert of_step("str") == Meaning("function", str, str)
    assert of_step(Both, handler="no_such_method").call is None


def test_other_kinds() -> None:
    assert of_step(handler="(event + 1)") == Meaning("expression", "(event + 1)")
    assert of_step(">>").kind == "queue"
    assert of_step("*").value is graphkit.ModelRouter
    assert of_step("Filter", _fn="(event)").value.__name__ == "Filter"
    graph = new_flow()
    graph.to(graphkit.FlowStep("inner"))
    assert meaning(graph, "inner").kind == "flow"
    router = new_router("VotingEnsemble")
    router.add_route("a", handler=double)
    assert meaning(router, "").value is graphkit.VotingEnsemble
    assert meaning(router, "a").value is double


def test_a_cell_that_was_run_again_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = new_flow()
    graph.to(double)
    monkeypatch.setitem(globals(), "double", Only)
    assert meaning(graph, "double").value is Only


def test_nothing_is_imported() -> None:
    sys.modules.pop("graphkit_never_imported", None)
    assert of_step(handler="this.that") == Meaning("unknown", why="'this.that' is not imported yet")
    assert peek("xml.dom.expatbuilder.nothing", {}) is ABSENT
    assert "this" not in sys.modules


@pytest.mark.parametrize(("name", "why"), [("nothing", "not defined"), ("double.nothing", "not defined")])
def test_unknown_names(name: str, why: str) -> None:
    assert of_step(handler=name).why == f"{name!r} is {why}"


def test_a_value_that_is_no_function() -> None:
    graph = new_flow()
    graph.to(name="step", handler="thing")
    assert meaning(graph, "step", {"thing": 5}).why == "it is no function but a value of type int"


def test_an_object_that_a_saved_spec_cannot_hold() -> None:
    graph = new_flow()
    graph.to(lambda body: body, name="step")
    loaded = graphkit.RootFlowStep.from_dict(graph.to_dict())
    assert "a saved spec cannot hold" in meaning(loaded, "step").why


def test_looking_notes_nothing() -> None:
    graph = new_flow()
    own = lambda body: body  # noqa: E731
    graph.to(own, name="step")
    held = freeze(graph).held["step", "handler"]
    meaning(graph, "step", {"<lambda>": own})
    assert held.home is None
