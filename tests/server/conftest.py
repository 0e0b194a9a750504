"""What the tests of the server share: both engines, and a server over one step."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from graphkit import GraphServer, RootFlowStep, new_flow


@pytest.fixture(params=["sync", "async"])
def engine(request: pytest.FixtureRequest) -> str:
    """Return each of the engines in turn."""
    return str(request.param)


@pytest.fixture
def graph(engine: str) -> RootFlowStep:
    """Return an empty flow with the engine."""
    return new_flow(engine=engine)


@pytest.fixture
def serve(engine: str) -> Callable[..., GraphServer]:
    """Return ``serve(step, **options)``: a mock server over a flow of that one step, which answers."""

    def over_one_step(step: Any = None, *, full_event: bool | None = None, **options: Any) -> GraphServer:
        flow = new_flow(engine=engine)
        flow.to(name="step", handler=step or "(event)", full_event=full_event).respond()
        server: GraphServer = flow.to_mock_server(**options)
        return server

    return over_one_step


@pytest.fixture
def stream_url(request: pytest.FixtureRequest) -> str:
    """Return the address of a stream in memory that no other test uses."""
    return f"memory://{re.sub(r'[^a-z0-9_]+', '-', request.node.nodeid.lower())}"
