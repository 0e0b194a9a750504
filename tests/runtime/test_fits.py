"""Edges over which something comes that the next step does not take: told while building, and never wrongly."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import pandas as pd
import pytest

import graphkit
from graphkit import new_flow, new_router
from graphkit.build.freeze import freeze
from graphkit.build.picture import topology_of
from graphkit.plan.topology import EdgeKind
from graphkit.runtime.fits import doubts_of

if TYPE_CHECKING:
    from nowhere import Missing


class Row(TypedDict):
    name: str
    count: int


def text(body: Any) -> str: ...
def number(body: str) -> int: ...
def frame(body: dict[str, Any]) -> pd.DataFrame: ...
def array(body: np.ndarray) -> np.ndarray: ...
def row(body: Any) -> Row: ...
def nothing(body: Any) -> None: ...
def takes_row(body: Row) -> Any: ...
def takes_int(body: int) -> Any: ...
def takes_dict(body: dict[str, Any]) -> dict[str, Any]: ...
def free(body): ...  # type: ignore[no-untyped-def]
def broken(body: Missing) -> Missing: ...
async def later(body: str) -> int: ...
def wants_event(event: graphkit.Event) -> graphkit.Event: ...
def responds(body: Any) -> graphkit.Response: ...


class Scaler:
    def __init__(self) -> None:
        raise AssertionError("nothing is constructed")

    def do(self, body: list[float]) -> list[float]: ...

    def other(self, body: str) -> str: ...


class Model(graphkit.V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return request["inputs"]


class Reshaping(Model):
    def preprocess(self, request: Any, operation: str) -> Any:
        return {"inputs": request}

    def postprocess(self, response: Any) -> Any:
        return response["outputs"]


def told(root: Any, namespace: Any = None, objects: Any = None) -> dict[tuple[str, str], str]:
    frozen = freeze(root)
    names = globals() if namespace is None else namespace
    doubts = doubts_of(topology_of(root, frozen.spec), names, frozen.held, objects)
    return {(doubt.tail, doubt.head): doubt.message for doubt in doubts}


def chain(*steps: Any) -> Any:
    graph = new_flow()
    last: Any = graph
    for number, step in enumerate(steps):
        fields = step if isinstance(step, dict) else {"class_name": step}
        last = last.to(name="abcdefgh"[number], **fields)
    return graph


def of_two(first: Any, second: Any) -> str:
    return told(chain(first, second)).get(("a", "b"), "")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (text, takes_int, "'a' gives str, 'b' takes int"),
        (number, number, "'a' gives int, 'b' takes str"),
        (later, later, "'a' gives int, 'b' takes str"),
        (frame, takes_dict, "'a' gives DataFrame, 'b' takes dict[str, Any]"),
        (frame, array, "'a' gives DataFrame, 'b' takes ndarray"),
        (nothing, takes_dict, "'a' gives None, 'b' takes dict[str, Any]"),
        (number, Scaler, "'a' gives int, 'b' takes list[float]"),
        (Scaler, number, "'a' gives list[float], 'b' takes str"),
        (number, {"class_name": Scaler, "handler": "other"}, "'a' gives int, 'b' takes str"),
        (len, number, "'a' gives int, 'b' takes str"),
        (str, takes_int, "'a' gives str, 'b' takes int"),
        ({"handler": "text"}, {"handler": "takes_int"}, "'a' gives str, 'b' takes int"),
        (number, {"class_name": takes_int, "input_path": "x.y"},
         "'a' gives int, in which there is no 'x': 'b' takes its input from 'x.y'"),
        (row, {"class_name": takes_int, "input_path": "name"}, "'a' gives str at 'name', 'b' takes int"),
        (row, {"class_name": free, "input_path": "nam"},
         "'a' gives Row, in which there is no 'nam': 'b' takes its input from 'nam'"),
        (number, Model, "'a' gives int, 'b' takes {'inputs': [...]}"),
        (frame, Model, "'a' gives DataFrame, 'b' takes {'inputs': [...]}"),
        (Model, Model, "'a' gives a model's answer, which has no 'inputs', 'b' takes {'inputs': [...]}"),
        (Model, {"class_name": free, "input_path": "output"},
         "'a' gives a model's answer, in which there is no 'output': 'b' takes its input from 'output'"),
        (wants_event, wants_event, ""),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(first: Any, second: Any, message: str) -> None:
    assert of_two(first, second) == message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (text, number),
        (free, number),
        (text, free),
        (broken, number),
        (text, broken),
        (row, takes_row),
        (row, takes_dict),
        (takes_dict, takes_row),
        (Scaler, Scaler),
        (number, {"handler": "(event + 1)"}),
        ({"handler": "(event + 1)"}, number),
        (number, {"handler": "nobody_knows"}),
        ({"handler": "nobody_knows"}, number),
        (number, {"handler": "some.where.f"}),
        ({"class_name": number, "result_path": "x"}, takes_dict),
        (takes_dict, {"class_name": takes_int, "input_path": "x"}),
        (row, {"class_name": takes_int, "input_path": "count"}),
        (number, {"class_name": takes_dict, "full_event": True}),
        ({"class_name": takes_dict, "full_event": True}, number),
        (responds, number),
        (number, "Filter"),
        (number, {"class_name": "Batch", "max_events": 2}),
        (number, {"class_name": "Map", "_fn": "(event)"}),
        (takes_dict, Model),
        (frame, Reshaping),
        (Reshaping, Model),
        (Model, takes_dict),
        (Model, {"class_name": array, "input_path": "outputs"}),
        (number, {"class_name": Model, "protocol": "own"}),
    ],
)
def test_in_doubt_nothing_is_told(first: Any, second: Any) -> None:
    fields = dict(second) if isinstance(second, dict) else {"class_name": second}
    if second == "Filter":
        fields["_fn"] = "(event > 3)"
    assert told(chain(first, fields)) == {}


def test_what_a_queue_gets_it_gives() -> None:
    graph = new_flow()
    graph.to(number).to(">>", name="q").to(number, name="again", function="child")
    assert told(graph) == {("q", "again"): "'number' gives int, 'again' takes str"}


def test_each_branch_is_told_for_itself() -> None:
    graph = new_flow()
    first = graph.to(number)
    first.to(takes_int)
    first.to(takes_dict)
    assert list(told(graph)) == [("number", "takes_dict")]


def test_a_nested_flow_gives_what_its_answer_gives() -> None:
    graph = new_flow()
    inner = graphkit.FlowStep("inner")
    inner.to(number, name="start").to(takes_int, name="bad").to(text, name="end")
    graph.to(frame, name="before").to(inner)
    graph.add_step(takes_int, name="after", after="inner")
    assert told(graph) == {
        ("before", "inner"): "'before' gives DataFrame, 'inner/start' takes str",
        ("inner", "after"): "'inner/end' gives str, 'after' takes int",
    }


def test_where_a_handler_goes_on_is_checked_too() -> None:
    graph = new_flow()
    graph.to(number, name="first").error_handler(name="caught", handler=text, before="second").to(
        takes_int, name="second"
    )
    assert told(graph) == {("caught", "second"): "'caught' gives str, 'second' takes int"}


def test_a_router_of_models_takes_requests_and_gives_answers() -> None:
    graph = new_flow()
    router = graph.to(frame, name="rows").to("*", name="models")
    router.add_route("m", class_name=Model)
    router.to(takes_int, name="use")
    assert set(told(graph)) == {("rows", "models"), ("models", "use")}
    router.add_route("f", handler="(event)")
    assert told(graph) == {}


def test_text_into_a_router_is_decoded() -> None:
    graph = new_flow()
    graph.to(text, name="rows").to("*", name="models").add_route("m", class_name=Model)
    assert told(graph) == {}


def test_the_models_of_an_ensemble_take_rows_of_one_width() -> None:
    router = new_router("VotingEnsemble")
    for name in ("a", "b", "c"):
        router.add_route(name, class_name=Model)
    objects = {
        name: SimpleNamespace(model_spec=SimpleNamespace(inputs=[1] * width))
        for name, width in {"a": 4, "b": 13, "c": 4}.items()
    }
    assert told(router, objects=objects) == {
        ("", "b"): "'b' takes 13 inputs a row, 'a' takes 4; both get the same rows"
    }
    assert told(router) == {}


def test_a_cell_that_is_run_again_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = chain(number, takes_dict)
    assert told(graph)
    monkeypatch.setitem(globals(), "number", frame)
    monkeypatch.setitem(globals(), "takes_dict", free)
    assert told(graph) == {}


def test_nothing_is_imported_or_changed() -> None:
    graph = chain({"handler": "antigravity.fly"}, number)
    before = graph.to_dict()
    told(graph)
    assert graph.to_dict() == before
    assert "antigravity" not in sys.modules


def test_annotations_that_fail_do_no_harm() -> None:
    class Evil(type):
        def __subclasscheck__(cls, other: Any) -> bool:
            raise RuntimeError("no")

        def __getattribute__(cls, name: str) -> Any:
            raise RuntimeError("no")

    class Thing(metaclass=Evil): ...

    def takes(body: Any) -> Any: ...

    takes.__annotations__ = {"body": Thing, "return": Thing}
    assert told(chain(number, takes, number)) == {}


def test_broken_graphs_do_no_harm() -> None:
    graph = chain(number, number)
    graph["a"].after = ["b", "nobody"]
    assert isinstance(told(graph), dict)


def test_a_doubt_has_a_few_words_for_the_edge() -> None:
    graph = chain(number, takes_dict)
    frozen = freeze(graph)
    (doubt,) = doubts_of(topology_of(graph, frozen.spec), globals(), frozen.held)
    assert (doubt.short, doubt.kind) == ("int, not dict[str, Any]", EdgeKind.FLOW)


def test_the_run_is_not_affected() -> None:
    def shout(body: str) -> str:
        return str(body) + "!"

    def one(body: Any) -> int:
        return 1

    steps: list[Callable[..., Any]] = [one, shout]
    graph = chain(*steps)
    assert told(graph) != {}
    assert graph.to_mock_server().test(body=5) == "1!"
