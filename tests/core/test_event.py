"""Events and responses: their fields, what they default to, and copies of them."""

from __future__ import annotations

import datetime as dt
import inspect
from types import SimpleNamespace
from typing import Any

import pytest

from graphkit import Event, MockEvent, Response
from graphkit.core.event import as_event

FIELDS = (
    "id", "key", "body", "time", "path", "method", "headers", "content_type", "error", "trigger", "offset",
    "origin_state", "terminated",
)  # fmt: skip


def test_the_signatures_are_those_of_the_interface() -> None:
    assert list(inspect.signature(Event).parameters) == [
        "body", "content_type", "headers", "method", "path", "event_id", "trigger", "offset", "time",
    ]  # fmt: skip
    assert {name: item.default for name, item in inspect.signature(Response).parameters.items()} == {
        "headers": None, "body": None, "content_type": None, "status_code": 200,
    }  # fmt: skip
    assert MockEvent is Event


def test_an_event_has_all_fields_and_defaults_for_them() -> None:
    event = Event()
    assert [name for name in FIELDS if not hasattr(event, name)] == []
    assert (event.body, event.content_type, event.headers, event.method, event.path) == (None, None, {}, None, "/")
    assert (event.key, event.offset, event.error, event.origin_state, event.terminated) == ("", 0, None, None, False)
    assert (event.trigger.kind, event.trigger.name) == ("", "")


def test_the_arguments_are_the_fields() -> None:
    trigger = SimpleNamespace(kind="http")
    event = Event({"x": 1}, "text/csv", {"a": "b"}, "PUT", "/p", "e1", trigger, 7, "2026-11-22")
    assert (event.body, event.content_type, event.headers, event.method) == ({"x": 1}, "text/csv", {"a": "b"}, "PUT")
    assert (event.path, event.id, event.trigger, event.offset) == ("/p", "e1", trigger, 7)
    assert event.time == "2026-11-22"


def test_an_id_is_generated_when_it_is_first_read_and_then_stays() -> None:
    first, second = Event(), Event()
    assert first._id is None
    assert first.id == first.id
    assert len(first.id) == 32
    assert first.id != second.id
    first.id = "mine"
    assert first.id == "mine"


def test_the_time_is_that_of_the_first_look_and_knows_its_zone() -> None:
    before = dt.datetime.now(dt.timezone.utc)
    event = Event()
    assert isinstance(event.time, dt.datetime)
    assert before <= event.time <= dt.datetime.now(dt.timezone.utc)
    assert event.time is event.time
    event.time = "noon"
    assert event.time == "noon"


def test_headers_are_not_shared_by_events() -> None:
    first, second = Event(), Event()
    first.headers["a"] = 1
    assert second.headers == {}


def test_a_step_may_put_more_on_an_event() -> None:
    event: Any = Event()
    event.note = 1
    forked: Any = event.fork(2)
    assert forked.note == 1
    forked.note = 2
    assert event.note == 1


def test_a_fork_is_the_same_event_with_another_body() -> None:
    event = Event(1, "text/csv", {"a": "b"}, "PUT", "/p", "e1", "t", 7, "noon")
    event.key, event.error, event.origin_state, event.terminated = "k", {"a": "b"}, "a", True
    forked = event.fork(2)
    same = [name for name in FIELDS if name not in ("body", "terminated")]
    assert [getattr(forked, name) for name in same] == [getattr(event, name) for name in same]
    assert (forked.body, forked.terminated, event.body) == (2, False, 1)
    forked.path = "/other"
    assert event.path == "/p"


def test_any_object_with_a_body_can_be_taken_for_an_event() -> None:
    foreign = SimpleNamespace(body=1, path="/p", headers={"a": "b"}, id="e1", timestamp="noon", key="k")
    event = as_event(foreign)
    assert (event.body, event.path, event.headers, event.id, event.time, event.key) == (
        1, "/p", {"a": "b"}, "e1", "noon", "k",
    )  # fmt: skip
    event.headers["c"] = "d"
    assert foreign.headers == {"a": "b"}
    bare = as_event(SimpleNamespace(body=2))
    assert (bare.body, bare.path, bare.method) == (2, "/", None)


def test_an_event_is_copied_before_it_is_run() -> None:
    event = Event(1)
    own = as_event(event)
    own.body = 2
    assert own is not event
    assert event.body == 1


def test_an_event_shows_itself() -> None:
    event = Event({"x": 1}, method="POST", path="/p", event_id="e1")
    assert repr(event) == "Event(id='e1', body={'x': 1}, method='POST', path='/p')"
    event.error = {"a": "broken"}
    assert repr(event).endswith(", error={'a': 'broken'})")


def test_a_response_has_defaults_and_shows_itself() -> None:
    response = Response()
    assert (response.headers, response.body, response.content_type, response.status_code) == (
        {},
        None,
        "text/plain",
        200,
    )
    assert repr(response) == "Response(status_code=200, content_type='text/plain', body=None)"
    assert repr(Response({"a": "b"}, "x")).endswith("headers={'a': 'b'})")


def test_responses_compare_by_their_fields() -> None:
    assert Response(body="x") == Response(body="x")
    assert Response(body="x") != Response(body="x", status_code=201)
    assert Response(body="x") != "x"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Response())
