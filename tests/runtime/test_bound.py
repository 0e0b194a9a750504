"""A bound step on its own, as a router runs its routes: recorded or not, it gives the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from graphkit import BadRequest, Event, GraphServer, Response, StepError, TaskStep, new_router
from graphkit.runtime.bound import as_result, end_with_response, is_response, joined
from graphkit.runtime.failures import Answered, message_of, named, retold


def double(x: Any) -> Any:
    return x * 2


async def double_later(x: Any) -> Any:
    await asyncio.sleep(0)
    return x * 2


class OfEvent:
    def do_event(self, event: Event) -> Event:
        event.body = event.body * 2
        return event


class OfEventLater:
    async def do_event(self, event: Event) -> Event:
        await asyncio.sleep(0)
        event.body = event.body * 2
        return event


class OtherEvent:
    def do_event(self, event: Event) -> Event:
        return Event(event.body * 2)


class ValueOfEvent:
    def do_event(self, event: Event) -> Any:
        return event.body * 2


class OwnPaths:
    """Applies its paths itself."""

    def __init__(self, input_path: str = "", result_path: str = "") -> None:
        self.paths = input_path, result_path

    def do_event(self, event: Event) -> Event:
        event.body = [*self.paths, event.body]
        return event


ROUTES: dict[str, dict[str, Any]] = {
    "function": {"handler": double},
    "async function": {"handler": double_later},
    "do_event": {"class_name": OfEvent},
    "async do_event": {"class_name": OfEventLater},
    "do_event that makes another event": {"class_name": OtherEvent},
    "do_event that returns a value": {"class_name": ValueOfEvent},
    "full_event": {"handler": lambda event: event.body * 2, "full_event": True},
}


def serve(**route: Any) -> GraphServer:
    router = new_router()
    router.add_route("m", TaskStep(**route))
    server = GraphServer(router)
    server.init(namespace={})
    return server


@pytest.mark.parametrize("kind", ROUTES)
def test_a_route_gives_its_result(ask: Any, kind: str) -> None:
    assert ask(serve(**ROUTES[kind]), [3], path="/m/infer") == [3, 3]


@pytest.mark.parametrize("kind", ROUTES)
def test_a_route_may_have_paths(ask: Any, kind: str) -> None:
    server = serve(**ROUTES[kind], input_path="a.b", result_path="c")
    assert ask(server, {"a": {"b": 3}}, path="/m/infer") == {"a": {"b": 3}, "c": 6}


@pytest.mark.parametrize("kind", ROUTES)
def test_a_route_may_have_an_input_path_alone(ask: Any, kind: str) -> None:
    assert ask(serve(**ROUTES[kind], input_path="a"), {"a": 3}, path="/m/infer") == 6


def test_a_class_that_takes_its_paths_applies_them_itself(ask: Any) -> None:
    server = serve(class_name=OwnPaths, input_path="a", result_path="b")
    assert ask(server, {"a": 3}, path="/m/infer") == ["a", "b", {"a": 3}]


@pytest.mark.parametrize(
    ("cls", "status"), [(ValueError, 500), (BadRequest, 400)], ids=lambda item: getattr(item, "__name__", "")
)
@pytest.mark.parametrize("awaits", [False, True])
def test_a_route_that_fails_is_named(ask: Any, cls: type[Exception], status: int, awaits: bool) -> None:
    def fail(x: Any) -> Any:
        raise cls("no")

    async def fail_later(x: Any) -> Any:
        raise cls("no")

    with pytest.raises(StepError, match=r"step 'm'.* no$") as caught:
        ask(serve(handler=fail_later if awaits else fail), {}, path="/m/infer")
    assert caught.value.status == status


def test_a_route_of_a_router_gets_its_path_and_the_callers_event_keeps_its_own(ask: Any) -> None:
    server = serve(handler=lambda event: event.path, full_event=True)
    assert ask(server, {}, path="/v2/models/m/infer") == "infer"


# ---- small parts --------------------------------------------------------------------------------------------------


def test_what_a_full_event_step_returned() -> None:
    event = Event(1, path="/p")
    event._order = (1, 2)
    assert as_result(event, 5) is event
    assert event.body == 5
    other = Event("other")
    assert as_result(event, other) is other
    assert other._order == (1, 2)
    with pytest.raises(Answered) as caught:
        as_result(event, Response(body="r"))
    assert caught.value.value.body == "r"


def test_what_a_join_gave() -> None:
    event, other = Event(1), Event(2)
    assert joined(event, 5) == (event, 5)
    assert joined(event, other) == (other, 2)


def test_what_is_a_response() -> None:
    class Response2:
        status_code, body, content_type = 200, "", ""

    foreign = type("Response", (), {"status_code": 200, "body": ""})()
    assert [is_response(value) for value in (Response(), foreign, Response2(), {"status_code": 200}, None)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    end_with_response(5)
    with pytest.raises(Answered):
        end_with_response(foreign)


class Own(BadRequest):
    """A user's own error below graphkit's, with a constructor of its own."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")


def test_an_error_is_named_once_and_keeps_its_kind() -> None:
    error = named(ValueError("no"), "a/b")
    assert (type(error), error.message, error.step) == (StepError, "step 'a/b' failed: ValueError: no", "a/b")
    assert named(error, "outer") is error
    own = named(Own(5), "a")
    assert (type(own), own.message, own.step, own.status) == (BadRequest, "step 'a': code 5", "a", 400)
    again = retold(own, "other words")
    assert (type(again), again.message, again.step, again.status) == (BadRequest, "other words", "a", 400)
    assert retold(own, own.message) is own


def test_a_message_is_the_steps_own_exception_with_its_type() -> None:
    error = named(ValueError("no"), "a")
    error.__cause__ = ValueError("no")
    assert message_of(error) == "ValueError: no"
    assert message_of(BadRequest("bad")) == "bad"
    assert message_of(KeyError("x")) == "KeyError: 'x'"
    assert message_of(KeyError()) == "KeyError"
