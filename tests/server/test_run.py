"""``server.run`` and ``server.run_async``: event objects of any make, in production's way."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from graphkit import Event, GraphServer, Response, StepError, create_graph_server

Serve = Callable[..., GraphServer]
Ask = Callable[..., Any]


class NuclioResponse:
    """As Nuclio has it."""

    def __init__(self, headers: Any = None, body: Any = None, content_type: Any = None, status_code: int = 200) -> None:
        self.headers, self.body, self.content_type, self.status_code = headers, body, content_type, status_code


class NuclioEvent:
    """An event of another make, with no more than Nuclio gives it."""

    def __init__(self, body: Any, **fields: Any) -> None:
        self.body = body
        self.__dict__.update(fields)


@pytest.fixture(params=["run", "run_in_loop", "run_async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Return each of the ways to run an event in turn: ``ask(server, event, **kwargs)``."""

    def run(server: GraphServer, event: Any, **kwargs: Any) -> Any:
        return server.run(event, **kwargs)

    def run_in_loop(server: GraphServer, event: Any, **kwargs: Any) -> Any:
        async def cell() -> Any:
            return server.run(event, **kwargs)

        return asyncio.run(cell())

    def run_async(server: GraphServer, event: Any, **kwargs: Any) -> Any:
        async def request() -> Any:
            return await server.run_async(event, **kwargs)

        return asyncio.run(request())

    ways: dict[str, Ask] = {"run": run, "run_in_loop": run_in_loop, "run_async": run_async}
    return ways[request.param]


def plain(x: Any) -> Any:
    return x["n"] + 1


async def awaiting(x: Any) -> Any:
    await asyncio.sleep(0)
    return x["n"] + 1


@pytest.fixture(params=[plain, awaiting], ids=["plain", "awaiting"])
def step(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Return a plain step and one that awaits, in turn."""
    function: Callable[[Any], Any] = request.param
    return function


def test_the_signatures_are_mlruns() -> None:
    parameters = ["self", "event", "context", "get_body", "extra_args"]
    assert list(inspect.signature(GraphServer.run).parameters) == parameters
    assert list(inspect.signature(GraphServer.run_async).parameters) == parameters
    assert inspect.iscoroutinefunction(GraphServer.run_async)


def test_the_answer_is_a_serialised_response(serve: Serve, ask: Ask, step: Any) -> None:
    server = serve(step)
    answer = ask(server, Event({"n": 1}))
    assert answer == Response(body="2", content_type="application/json", status_code=200)
    server.wait_for_completion()


def test_or_the_object_itself(serve: Serve, ask: Ask) -> None:
    array = np.arange(3)
    assert ask(serve(lambda x: array), Event(1), get_body=True) is array


@pytest.mark.parametrize("get_body", [True, False])
def test_an_error_is_a_response_with_its_status(serve: Serve, ask: Ask, step: Any, get_body: bool) -> None:
    server = serve(step)
    answer = ask(server, Event({"m": 1}), get_body=get_body)
    assert isinstance(answer, Response)
    assert (answer.status_code, answer.body) == (500, "step 'step' failed: KeyError: 'n'")
    assert ask(server, Event({"n": 1}), get_body=True) == 2
    server.wait_for_completion()


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (Event("{", content_type="application/json"), 400),
        (Event({"graphkit_event": 1}), 400),
        ({"n": 1}, 400),
        (5, 400),
        (None, 400),
    ],
    ids=["json", "envelope", "dict", "number", "nothing"],
)
def test_bad_input_is_status_400(serve: Serve, ask: Ask, event: Any, status: int) -> None:
    server = serve()
    answer = ask(server, event, get_body=True)
    assert isinstance(answer, Response)
    assert answer.status_code == status
    assert ask(server, Event(1), get_body=True) == 1


def test_what_is_no_event_is_told(serve: Serve, ask: Ask) -> None:
    body = ask(serve(), {"n": 1}).body
    assert body == "an event is an object with a body, such as graphkit.Event(body); found a value of type dict"


def test_an_answer_without_a_json_form_is_status_500(serve: Serve, ask: Ask) -> None:
    server = serve(lambda x: object())
    assert ask(server, Event(1)).status_code == 500
    assert type(ask(server, Event(1), get_body=True)) is object


def test_a_graph_that_cannot_be_bound_is_status_500(graph: Any, ask: Ask) -> None:
    graph.to("Unknown", "unknown").respond()
    answer = ask(graph.to_mock_server(), Event(1), get_body=True)
    assert answer.status_code == 500
    assert "'Unknown' is not defined" in answer.body


@pytest.mark.parametrize("body", ['{"n": 1}', b'{"n": 1}', {"n": 1}])
@pytest.mark.parametrize("content_type", [None, "", "application/json"])
def test_the_body_is_decoded_as_in_test(serve: Serve, ask: Ask, body: Any, content_type: str | None) -> None:
    assert ask(serve(plain), Event(body, content_type=content_type), get_body=True) == 2


def test_an_event_of_another_make_brings_all_that_it_has(serve: Serve, ask: Ask) -> None:
    moment = dt.datetime(2026, 11, 22, tzinfo=dt.timezone.utc)
    trigger = SimpleNamespace(kind="http")
    names = ("body", "path", "method", "headers", "id", "key", "trigger", "offset", "time")
    server = serve(lambda event: [type(event), *(getattr(event, name) for name in names)], full_event=True)
    event = NuclioEvent(
        b'{"n": 1}',
        path="/a",
        method="PUT",
        headers={"h": "1"},
        id="e1",
        key="k",
        trigger=trigger,
        offset=3,
        timestamp=moment,
        content_type="application/json",
    )
    expected = [Event, {"n": 1}, "/a", "PUT", {"h": "1"}, "e1", "k", trigger, 3, moment]
    assert ask(server, event, get_body=True) == expected


def test_an_event_of_another_make_may_have_a_body_alone(serve: Serve, ask: Ask) -> None:
    server = serve(lambda event: (event.body, event.path, event.headers, bool(event.id)), full_event=True)
    assert ask(server, SimpleNamespace(body=5), get_body=True) == (5, "/", {}, True)


@pytest.mark.parametrize(
    "event",
    [
        Event({"n": 1}, path="/a", headers={"X-Event-Id": "e9"}),
        Event('{"n": 1}', content_type="application/json"),
        Event({"n": 1}),
        NuclioEvent('{"n": 1}', headers={"X-Event-Path": "/b"}, path="/", method="POST"),
    ],
    ids=["headers", "text", "plain", "foreign"],
)
@pytest.mark.parametrize("fails", [False, True])
def test_the_callers_event_is_not_changed(serve: Serve, ask: Ask, event: Any, fails: bool) -> None:
    def change(event: Event) -> Event:
        event.body, event.path, event.method, event.key = "other", "/x", "DELETE", "k"
        event.headers = {}
        event.id = "other"
        event.note = 1  # type: ignore[attr-defined]
        if fails:
            raise ValueError
        return event

    names = [name for name in ("body", "path", "method", "headers", "key", "error", "_id") if hasattr(event, name)]
    before = {name: getattr(event, name) for name in names}
    ask(serve(change, full_event=True), event)
    assert {name: getattr(event, name) for name in names} == before
    assert not hasattr(event, "note")


def test_a_context_lends_its_response_class(serve: Serve, ask: Ask, step: Any) -> None:
    context = SimpleNamespace(Response=NuclioResponse)
    server = serve(step)
    fine = ask(server, Event({"n": 1}), context=context)
    failed = ask(server, Event({}), context=context)
    assert (type(fine), fine.body, fine.content_type, fine.status_code) == (
        NuclioResponse,
        "2",
        "application/json",
        200,
    )
    assert (type(failed), failed.status_code, failed.content_type) == (NuclioResponse, 500, "text/plain")
    server.wait_for_completion()


def test_without_one_the_servers_context_does(serve: Serve, ask: Ask) -> None:
    server = serve(plain)
    server.init(SimpleNamespace(Response=NuclioResponse))
    assert type(ask(server, Event({"n": 1}))) is NuclioResponse
    assert type(ask(server, Event({}))) is NuclioResponse
    assert type(server.test(body={"n": 1}, get_body=False)) is NuclioResponse


def test_a_context_without_a_response_class_will_do(serve: Serve, ask: Ask) -> None:
    assert type(ask(serve(plain), Event({"n": 1}), context=SimpleNamespace())) is Response


def test_extra_args_stand_on_the_event(serve: Serve, ask: Ask) -> None:
    server = serve(lambda event: getattr(event, "extra_args", None), full_event=True)
    assert ask(server, Event(1), get_body=True, extra_args={"user": "me"}) == {"user": "me"}
    assert ask(server, Event(1), get_body=True) is None


def test_a_run_is_never_recorded(serve: Serve, ask: Ask, step: Any) -> None:
    server = serve(step)
    ask(server, Event({"n": 1}))
    ask(server, Event({}))
    assert server.last_run is None
    assert len(server.runs) == 0
    server.test(body={"n": 1})
    ask(server, Event({"n": 1}))
    assert len(server.runs) == 1
    server.wait_for_completion()


def test_the_first_run_binds(serve: Serve, ask: Ask) -> None:
    server = serve(plain)
    assert server.context is None
    assert ask(server, Event({"n": 1}), get_body=True) == 2
    assert server.context is not None


def increment(x: int) -> int:
    return x + 1


FIRST_CALLS: dict[str, Callable[[GraphServer], Any]] = {
    "a task": lambda server: asyncio.run(server.run_async(Event(1), get_body=True)),
    "gathered": lambda server: asyncio.run(_gathered(server))[0],
    "a thread": lambda server: ThreadPoolExecutor(1).submit(server.run, Event(1), get_body=True).result(),
    "to_thread": lambda server: asyncio.run(asyncio.to_thread(server.run, Event(1), get_body=True)),
}


async def _gathered(server: GraphServer) -> list[Any]:
    return await asyncio.gather(*(server.run_async(Event(1), get_body=True) for _ in range(2)))


@pytest.mark.parametrize("first_call", FIRST_CALLS.values(), ids=FIRST_CALLS.keys())
def test_names_are_found_though_a_loop_or_thread_makes_the_first_call(
    first_call: Callable[[GraphServer], Any], engine: str
) -> None:
    server = create_graph_server()
    server.set_topology("flow", engine=engine).to(name="increment", handler="increment").respond()
    assert first_call(server) == 2


def test_many_requests_run_side_by_side_on_one_loop(graph: Any) -> None:
    waiting = 0
    most = 0

    async def wait(x: int) -> int:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        await asyncio.sleep(0.01)
        waiting -= 1
        return x

    graph.to(name="wait", handler=wait).respond()
    server = graph.to_mock_server()

    async def requests() -> list[Any]:
        return await asyncio.gather(*(server.run_async(Event(i), get_body=True) for i in range(20)))

    assert asyncio.run(requests()) == list(range(20))
    assert most == 20


def test_a_step_may_ask_the_server_itself(graph: Any) -> None:
    def outer(x: int) -> Any:
        return x if x > 2 else server.run(Event(x + 1), get_body=True)

    graph.to(name="outer", handler=outer).respond()
    server = graph.to_mock_server()
    assert server.run(Event(0), get_body=True) == 3


def test_run_async_returns_an_awaitable_and_raises_nothing(serve: Serve) -> None:
    def fail(x: Any) -> Any:
        raise StepError("no", status=422)

    waiting: Awaitable[Any] = serve(fail).run_async(Event(1))

    async def request() -> Any:
        return await waiting

    assert asyncio.run(request()).status_code == 422
