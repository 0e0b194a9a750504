"""What the tests of batches share: servers that answer rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import graphkit


class Sums(graphkit.V2ModelServer):
    """Adds the numbers of each row; a row with a negative number, or a text, is refused."""

    def load(self) -> None:
        pass

    def predict(self, request: Any) -> Any:
        for row in request["inputs"]:
            if any(isinstance(item, str) or item < 0 for item in row):
                raise ValueError(f"no such row: {row}")
        return [sum(row) for row in request["inputs"]]


@pytest.fixture
def sums() -> Any:
    """Return a server with one model."""
    server = graphkit.create_graph_server()
    server.add_model("sums", class_name=Sums)
    return server


@pytest.fixture
def flow() -> Callable[..., Any]:
    """Return ``flow(handler)``: a server over a flow of that one step."""

    def over(handler: Any) -> Any:
        graph = graphkit.new_flow()
        graph.to(handler, name="step").respond()
        return graph.to_mock_server()

    return over
