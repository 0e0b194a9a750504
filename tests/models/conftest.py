"""Routes made by hand, so that routers are tested without a graph around them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from graphkit.core.context import GraphContext
from graphkit.core.event import Event


class Route:
    """A route as a router sees it: a model, or a function of the body."""

    def __init__(self, name, target):
        self.name = name
        self.async_object = target if hasattr(target, "do_event") else None
        self.target = target

    def run(self, event):
        if self.async_object is not None:
            return self.target.do_event(event)
        event.body = self.target(event.body)
        return event


@pytest.fixture
def routes_of():
    """Return a function that makes routes of models (which it loads) and functions."""

    def make(**targets):
        routes = {}
        for key, target in targets.items():
            if hasattr(target, "post_init"):
                target.post_init()
            routes[key] = Route(key, target)
        return routes

    return make


@pytest.fixture
def route():
    """Return the class of routes, for keys that are no Python names."""
    return Route


@pytest.fixture
def ask():
    """Return a function that sends one event to a model or router and returns the answering event."""

    def send(target, body=None, path="/", method="POST", **fields):
        answered = target.do_event(Event(body, path=path, method=method, **fields))
        assert isinstance(answered, Event), "a target without async parts must answer without a loop"
        return answered

    return send


@pytest.fixture
def ask_async():
    """Return a function that sends one event to a target that must answer with an awaitable, and awaits it."""

    def send(target, body=None, path="/", method="POST", **fields):
        async def on_a_loop():
            waiting = target.do_event(Event(body, path=path, method=method, **fields))
            assert not isinstance(waiting, Event)
            return await waiting

        return asyncio.run(on_a_loop())

    return send


@pytest.fixture
def make_context():
    """Return a function that makes a context whose server has the given parameters."""

    def make(**parameters):
        return GraphContext(server=SimpleNamespace(parameters=parameters, verbose=False, function_uri="p/f"))

    return make
