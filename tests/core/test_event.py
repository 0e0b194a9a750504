"""Events and responses: defaults, identity, forks, and events of other libraries."""

import copy
import datetime as dt
import gc
import inspect
import pickle
import threading
import types
import weakref
from typing import Any

import nuclio_sdk
import pytest

import graphkit
from graphkit.core.event import Event, Response, as_event


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_parameters_stand_in_the_order_of_the_interface():
    names = ["body", "content_type", "headers", "method", "path", "event_id", "trigger", "offset", "time"]
    assert parameters(Event)[: len(names)] == names
    further = list(inspect.signature(Event).parameters.values())[len(names) :]
    assert {parameter.kind for parameter in further} == {inspect.Parameter.KEYWORD_ONLY}
    assert parameters(Response) == ["headers", "body", "content_type", "status_code"]


def test_an_event_can_be_held_weakly():
    event = Event(1)
    held = weakref.ref(event)
    assert held() is event
    del event
    gc.collect()
    assert held() is None


def test_an_event_is_called_a_mock_event_too():
    assert graphkit.MockEvent is graphkit.Event is Event


def test_an_event_has_defaults():
    event = Event()
    assert (event.body, event.content_type, event.headers, event.method, event.path) == (None, None, {}, None, "/")
    assert (event.key, event.error, event.offset, event.origin_state, event.terminated) == ("", None, 0, None, False)
    assert (event.trigger.kind, event.trigger.name) == ("", "")


def test_an_event_keeps_what_it_is_given():
    headers, trigger = {"a": "b"}, types.SimpleNamespace(kind="http", name="t")
    event = Event([1], "application/json", headers, "PUT", "/x", "7", trigger, 5, "2026-11-22")
    assert (event.body, event.content_type, event.headers, event.method) == ([1], "application/json", {"a": "b"}, "PUT")
    assert (event.path, event.id, event.trigger, event.offset, event.time) == ("/x", "7", trigger, 5, "2026-11-22")


def test_what_is_given_as_none_is_as_if_left_out():
    event = Event(1, None, None, None, None, None, None, None, None)
    assert (event.headers, event.path, event.offset, event.trigger.kind) == ({}, "/", 0, "")
    assert Event(path="").path == "/"
    assert len(event.id) == 32
    assert event.time.tzinfo is dt.timezone.utc


def test_what_is_set_to_none_is_as_if_left_out():
    event = Event(1, None, {"a": "b"}, "PUT", "/x", "7", types.SimpleNamespace(kind="http"), 5)
    event.headers = event.path = event.trigger = event.offset = None
    assert (event.headers, event.path, event.offset, event.trigger.kind) == ({}, "/", 0, "")


def test_headers_that_nobody_gave_are_kept_once_they_are_read():
    event = Event()
    fork = event.fork(1)
    event.headers["a"] = "b"
    assert (event.headers, fork.headers) == ({"a": "b"}, {})
    assert event.fork(2).headers == {"a": "b"}


def test_an_event_takes_further_attributes():
    event = Event()
    event.topic = "jobs"
    assert event.__dict__ == {"topic": "jobs"}


def test_events_are_equal_only_to_themselves_and_can_be_kept_in_sets():
    one, other = Event(1, event_id="7"), Event(1, event_id="7")
    assert one != other
    assert len({one, other, one}) == 2


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda event: pickle.loads(pickle.dumps(event))])
def test_a_copy_has_everything(copied):
    event = Event({"a": 1}, "text/x", {"h": 1}, "PUT", "/x", "7", None, 5, "now", key="k", error={"s": "m"})
    event.topic, event.terminated = "jobs", True
    other = copied(event)
    assert repr(other) == repr(event)
    for field in ("content_type", "headers", "offset", "time", "key", "error", "topic", "terminated"):
        assert getattr(other, field) == getattr(event, field)
    other.topic = "others"
    assert event.topic == "jobs"


@pytest.mark.parametrize("field", ["id", "time"])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda event: pickle.loads(pickle.dumps(event))])
@pytest.mark.parametrize("first", ["copy", "event"])
@pytest.mark.parametrize("of", [lambda event: event, lambda event: event.fork(1)])
def test_a_copy_has_the_identity_of_what_it_was_made_of_whoever_is_asked_first(field, copied, first, of):
    event = of(Event(1))
    other = copied(event)
    told = [getattr(item, field) for item in ([other, event] if first == "copy" else [event, other])]
    assert told[0] == told[1]


def test_a_deep_copy_shares_nothing_but_the_run():
    class Own(Event):
        rows: Any = None

    event = Own({"a": [1]}, headers={"h": [1]}, rows=[1])
    event.more, event._trace = [1], threading.Lock()
    other = copy.deepcopy(event)
    other.body["a"][0] = other.headers["h"][0] = other.rows[0] = other.more[0] = 2
    assert (event.body, event.headers, event.rows, event.more) == ({"a": [1]}, {"h": [1]}, [1], [1])
    assert other._trace is event._trace
    assert pickle.loads(pickle.dumps(Event(1, headers={"a": 1}).fork(2)))._origin is None


def test_a_copy_asks_for_no_time():
    event = Event()
    assert copy.deepcopy(event).given_time is None
    assert event.given_time is None


def test_headers_of_two_events_are_not_the_same_dict():
    Event().headers["a"] = 1
    assert Event().headers == {}


def test_the_id_is_generated_when_it_is_first_read_and_stays():
    event = Event()
    assert event.event_id is None
    first = event.id
    assert first == event.id
    assert len(first) == 32
    assert Event().id != first
    event.id = "mine"
    assert event.id == "mine"


def test_the_time_is_taken_when_it_is_first_read_and_stays():
    event = Event()
    before = dt.datetime.now(dt.timezone.utc)
    first = event.time
    assert before <= first <= dt.datetime.now(dt.timezone.utc)
    assert event.time is first
    event.time = "later"
    assert event.time == "later"


@pytest.mark.parametrize("field", ["id", "time"])
@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_forks_share_what_is_generated_whoever_is_asked_first(field, first):
    event = Event()
    fork = event.fork(1)
    family = [event, fork, event.fork(2), fork.fork(3)]
    getattr(family[first], field)
    assert len({getattr(member, field) for member in family}) == 1


def test_a_fork_has_the_metadata_and_another_body():
    event = Event({"a": 1}, "text/x", {"h": 1}, "PUT", "/x", "7", types.SimpleNamespace(kind="k"), 5, "now")
    event.key, event.error, event.origin_state, event.extra = "k", {"s": "m"}, "s", [1]
    fork = event.fork("other")
    for field in ("content_type", "headers", "method", "path", "id", "trigger", "offset", "time", "key", "error"):
        assert getattr(fork, field) == getattr(event, field)
    assert (fork.body, fork.origin_state, fork.extra) == ("other", "s", [1])
    assert event.body == {"a": 1}


def test_a_fork_is_independent():
    event = Event(1, headers={"h": 1}, path="/x", event_id="7")
    fork = event.fork(2)
    fork.headers["h"] = 2
    fork.path, fork.id, fork.error, fork.more, fork.method = "/y", "8", {"a": "b"}, 1, "PUT"
    assert (event.body, event.headers, event.path, event.id, event.error) == (1, {"h": 1}, "/x", "7", None)
    assert (event.method, hasattr(event, "more")) == (None, False)


def test_a_fork_of_an_ended_event_goes_on():
    event = Event()
    event.terminated = True
    assert event.fork(1).terminated is False


def test_a_fork_is_of_the_same_class():
    class Own(Event):
        pass

    assert type(Own(1).fork(2)) is Own


def test_an_event_is_shown_with_what_matters():
    event = Event({"a": 1}, method="POST", path="/x", event_id="7")
    assert repr(event) == "Event(id='7', body={'a': 1}, method='POST', path='/x')"
    event.error = {"s": "m"}
    assert repr(event).endswith(", error={'s': 'm'})")


def test_showing_an_event_generates_nothing():
    event = Event(1)
    assert repr(event) == "Event(body=1, method=None, path='/')"
    assert (event.event_id, event.given_time) == (None, None)


# ---- events of others -------------------------------------------------------------------------------------


def test_a_run_works_on_a_copy_of_the_callers_event():
    event = Event({"a": 1}, headers={"h": 1})
    own = as_event(event)
    own.headers["h"], own.path, own.error = 2, "/y", {"s": "m"}
    assert own is not event
    assert own.body is event.body
    assert (event.headers, event.path, event.error) == ({"h": 1}, "/", None)
    assert own.id == event.id


def test_a_nuclio_event_is_read():
    theirs = nuclio_sdk.Event(
        body={"a": 1},
        content_type="application/json",
        trigger=nuclio_sdk.TriggerInfo("kafka", "in"),
        fields={"f": 1},
        headers={"h": "1"},
        _id="7",
        method="POST",
        path="/x",
        timestamp=dt.datetime(2026, 11, 22),
        offset=5,
        topic="jobs",
    )
    event = as_event(theirs)
    assert type(event) is Event
    assert (event.body, event.headers) == ({"a": 1}, {"h": "1"})
    assert (event.content_type, event.method) == ("application/json", "POST")
    assert (event.path, event.id, event.offset, event.time) == ("/x", "7", 5, dt.datetime(2026, 11, 22))
    assert (event.trigger.kind, event.trigger.name) == ("kafka", "in")
    assert (event.fields, event.topic) == ({"f": 1}, "jobs")
    event.headers["h"] = "2"
    assert theirs.headers == {"h": "1"}


def test_an_empty_nuclio_event_gets_the_defaults():
    event = as_event(nuclio_sdk.Event())
    assert (event.body, event.headers, event.path, event.offset, event.key) == (None, {}, "/", 0, "")
    assert len(event.id) == 32
    assert isinstance(event.time, dt.datetime)


def test_anything_with_a_body_is_an_event():
    event = as_event(types.SimpleNamespace(body=1, key="k", time="now"))
    assert (event.body, event.key, event.time) == (1, "k", "now")


def test_an_event_with_slots_is_read():
    class Slotted:
        __slots__ = ("body", "path")

    theirs = Slotted()
    theirs.body, theirs.path = 1, "/x"
    event = as_event(theirs)
    assert (event.body, event.path) == (1, "/x")


# ---- responses --------------------------------------------------------------------------------------------


def test_a_response_has_defaults():
    response = Response()
    assert (response.headers, response.body, response.content_type, response.status_code) == (
        {},
        None,
        "text/plain",
        200,
    )


def test_a_response_keeps_what_it_is_given():
    response = Response({"a": "b"}, [1], "application/json", 201)
    assert (response.headers, response.body) == ({"a": "b"}, [1])
    assert (response.content_type, response.status_code) == ("application/json", 201)


def test_responses_are_compared_by_value():
    assert Response(body=1) == Response(body=1)
    assert Response(body=1) != Response(body=2)
    assert Response(body=1) != 1


def test_a_response_is_shown_with_what_matters():
    assert repr(Response(body="busy", status_code=503)) == (
        "Response(status_code=503, content_type='text/plain', body='busy')"
    )
    assert repr(Response({"a": 1}, 1)).endswith(", body=1, headers={'a': 1})")
