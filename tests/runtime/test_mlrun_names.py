"""Graphs that MLRun wrote, and names as MLRun's users write them."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import graphkit
from graphkit.runtime.resolve import resolve

# As MLRun 1.12 writes a flow: no kind at the root, and keys that mean something on its platform only.
WRITTEN = {
    "engine": "async",
    "allow_cyclic": False,
    "model_endpoints_routes_names": ["a"],
    "on_error": "catch",
    "steps": {
        "more": {"kind": "task", "class_name": "storey.Extend", "class_args": {"_fn": "({'n': 2})"}},
        "inner": {
            "kind": "flow",
            "after": ["more"],
            "default_final_step": None,
            "steps": {"same": {"kind": "task", "handler": "(event)", "endpoint_type": 1}},
        },
        "vote": {
            "kind": "router",
            "name": "vote",
            "after": ["inner"],
            "responder": True,
            "endpoint_type": 2,
            "class_name": "mlrun.serving.VotingEnsemble",
            "class_args": {"vote_type": "regression"},
            "model_endpoint_creation_strategy": "inplace",
            "routes": {"a": {"kind": "task", "class_name": "Mean", "class_args": {"outputs": None}}},
        },
        "catch": {
            "kind": "error_step",
            "endpoint_type": 1,
            "model_endpoint_creation_strategy": "skip",
            "handler": "(event)",
        },
    },
}


class Mean(graphkit.V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return [sum(row) / len(row) for row in request["inputs"]]


def test_a_flow_that_mlrun_wrote_loads_and_answers() -> None:
    graph = graphkit.RootFlowStep.from_dict(WRITTEN)
    answer = graph.to_mock_server(namespace=globals()).test("/infer", {"inputs": [[1.0, 3.0]]})
    assert answer["outputs"] == [2.0]


@pytest.mark.parametrize("name", ["mlrun.serving.VotingEnsemble", "mlrun.serving.routers.VotingEnsemble"])
def test_names_of_mlrun_mean_graphkits_also_where_graphkit_goes_by_its_name(name: str) -> None:
    assert resolve(name, {"mlrun": graphkit}) is graphkit.VotingEnsemble
    assert resolve(name, {}) is graphkit.VotingEnsemble
    assert resolve("mlrun.VotingEnsemble", {"mlrun": graphkit}) is graphkit.VotingEnsemble


def test_names_of_another_module_stay_its_own() -> None:
    assert resolve("mlrun.path", {"mlrun": sys}) is sys.path
