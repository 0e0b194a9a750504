import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from graphkit.core.emit import NOTHING, Emit
from graphkit.core.errors import BadRequest, GraphError, StepError
from graphkit.core.event import Event
from graphkit.steps.functions import Extend, Filter, FlatMap, Map


def passes(step, body):
    event = Event(body)
    emitted = step.do_event(event)
    assert emitted.items in ((), (event,))
    assert event.body == body
    return bool(emitted.items)


def test_map_replaces_the_body():
    assert Map(lambda body: body * 2).do(4) == 8


def test_map_gives_back_what_must_be_awaited():
    async def double(body):
        return body * 2

    assert asyncio.run(Map(double).do(4)) == 8


def test_filter_lets_the_event_pass_as_it_is_or_not():
    big = Filter(lambda body: body["x"] > 3)
    assert passes(big, {"x": 5})
    assert not passes(big, {"x": 3})


@pytest.mark.parametrize(("kept", "passed"), [(1, True), ("", False), (None, False), (np.bool_(True), True)])
def test_filter_goes_by_the_truth_of_the_result(kept, passed):
    assert passes(Filter(lambda body: kept), 0) is passed


def test_a_dropped_event_costs_no_object():
    assert Filter(lambda body: False).do_event(Event(1)) is NOTHING


def test_filter_looks_at_its_input_path_and_passes_the_whole_body():
    assert passes(Filter(lambda x: x == 1, input_path="a.b"), {"a": {"b": 1}, "c": 2})
    with pytest.raises(BadRequest, match=r"a\.b"):
        Filter(lambda x: True, input_path="a.b").do_event(Event({"c": 1}))


@pytest.mark.parametrize(
    "given",
    [
        {"full_event": True},
        {"graph_step": SimpleNamespace(full_event=True)},
        {"graph_step": SimpleNamespace(record=SimpleNamespace(full_event=True))},
    ],
)
def test_filter_sees_the_event_when_it_or_its_graph_step_says_so(given):
    by_path = Filter(lambda event: event.path == "/a", **given)
    assert by_path.do_event(Event(1, path="/a")).items
    assert not by_path.do_event(Event(1, path="/b")).items


def test_the_class_overrules_its_graph_step():
    step = Filter(lambda body: body == 1, full_event=False, graph_step=SimpleNamespace(full_event=True))
    assert passes(step, 1)


def test_filter_refuses_a_result_path():
    with pytest.raises(GraphError, match=r"^Filter lets events pass as they are.*result_path='x'"):
        Filter(lambda body: True, result_path="x", name="f")


def test_filter_waits_for_an_async_function():
    async def big(body):
        return body > 3

    async def run(body):
        return await Filter(big).do_event(Event(body))

    assert asyncio.run(run(5)).items
    assert not asyncio.run(run(1)).items


def test_flat_map_makes_an_event_of_each_item():
    assert FlatMap(lambda body: body["rows"]).do({"rows": [1, 2]}).items == (1, 2)
    assert FlatMap(lambda body: (x for x in body)).do([1, 2]).items == (1, 2)
    assert FlatMap(lambda body: []).do(1).items == ()


def test_flat_map_waits_for_an_async_function():
    async def rows(body):
        return [body, body]

    async def run():
        return await FlatMap(rows).do(1)

    assert isinstance(asyncio.run(run()), Emit)


@pytest.mark.parametrize("items", [None, 5, "text", b"bytes", {"a": 1}])
def test_flat_map_refuses_what_is_no_list_of_bodies(items):
    with pytest.raises(StepError, match=f"list of bodies, not a value of type {type(items).__name__}"):
        FlatMap(lambda body: items, name="rows").do(1)


def test_extend_adds_fields_and_leaves_the_body_that_came_in():
    body = {"a": 1, "b": 1}
    assert Extend(lambda b: {"b": 2, "c": 3}).do(body) == {"a": 1, "b": 2, "c": 3}
    assert body == {"a": 1, "b": 1}


def test_extend_of_an_event_extends_its_body():
    event = Event({"a": 1})
    assert Extend(lambda e: {"path": e.path}).do(event) is event
    assert event.body == {"a": 1, "path": "/"}


def test_extend_waits_for_an_async_function():
    async def fields(body):
        return {"b": 2}

    async def run():
        return await Extend(fields).do({"a": 1})

    assert asyncio.run(run()) == {"a": 1, "b": 2}


def test_extend_refuses_what_is_no_dict():
    with pytest.raises(StepError, match=r"^Extend .*the body is of type int"):
        Extend(lambda body: {}, name="more").do(5)
    with pytest.raises(StepError, match="what its function returns is of type list"):
        Extend(lambda body: []).do({})


@pytest.mark.parametrize("cls", [Map, Filter, FlatMap, Extend])
@pytest.mark.parametrize("fn", ["(event + 1)", None, 5])
def test_what_is_no_function_is_refused_when_the_step_is_made(cls, fn):
    with pytest.raises(GraphError, match=rf"^{cls.__name__} needs a function.*_fn="):
        cls(fn, name="s")


def test_steps_are_named_after_their_class_and_show_as_such():
    assert repr(Map(len)) == "Map('Map')"
    assert repr(Map(len, name="size")) == "Map('size')"
