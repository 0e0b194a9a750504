"""What the tests of the runtime share: both engines, and every way to send an event through a graph."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest

from graphkit import Event, GraphServer, StepError, new_flow

#: Recorded; unrecorded without a loop; unrecorded inside a running loop; unrecorded on the caller's own loop.
WAYS = ("test", "run", "run_in_loop", "run_async")


@pytest.fixture(params=["sync", "async"])
def engine(request: pytest.FixtureRequest) -> str:
    """Return each of the engines in turn."""
    return str(request.param)


@pytest.fixture
def new_graph(engine: str) -> Callable[[], Any]:
    """Return a function that starts a flow with the engine."""
    return lambda: new_flow(engine=engine)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Return each of the ways to send an event in turn."""
    return str(request.param)


@pytest.fixture
def ask(way: str) -> Callable[..., Any]:
    """Return ``ask(server, body, **event)``: the answer, or a StepError that has the message and the status."""
    return lambda server, body=None, **event: ask_by(way, server, body, **event)


@pytest.fixture
def ask_every_way() -> Callable[..., Any]:
    """Return a function that sends an event in every way and returns the answer, which must be the same."""

    def every_way(server: GraphServer, body: Any = None, **event: Any) -> Any:
        outcomes = {way: outcome_of(lambda way=way: ask_by(way, server, body, **event)) for way in WAYS}
        first = outcomes["test"]
        assert outcomes == dict.fromkeys(WAYS, first)
        if isinstance(first, tuple) and first[:1] == ("failed",):
            raise StepError(first[1], status=first[2])
        return first

    return every_way


def outcome_of(ask: Callable[[], Any]) -> Any:
    """Return an answer, or how it failed."""
    try:
        return ask()
    except StepError as exc:
        return "failed", exc.message, exc.status


def ask_by(way: str, server: GraphServer, body: Any = None, **event: Any) -> Any:
    """Send one event in one way; an error is raised in all of them."""
    body = copy.deepcopy(body)  # a step may change what it gets
    sent = Event(body, method=event.pop("method", "POST"), **event)
    if way == "test":
        answer = server.test(body=body, method=sent.method, silent=True, **event)
    elif way == "run":
        answer = server.run(sent, get_body=True)
    elif way == "run_in_loop":
        answer = asyncio.run(_blocking(server, sent))
    else:
        answer = asyncio.run(_awaited(server, sent))
    if getattr(answer, "status_code", 200) >= 300:
        raise StepError(answer.body, status=answer.status_code)
    return answer


async def _blocking(server: GraphServer, event: Event) -> Any:
    return server.run(event, get_body=True)


async def _awaited(server: GraphServer, event: Event) -> Any:
    return await server.run_async(event, get_body=True)
