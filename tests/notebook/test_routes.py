"""Which paths a graph answers."""

from __future__ import annotations

from typing import Any

import graphkit
from graphkit import GraphServer, new_flow, new_router
from graphkit.notebook.routes import request_paths


class Model(graphkit.V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return request["inputs"]


class Explained(Model):
    def explain(self, request: Any) -> Any:
        return "because"


def test_models_functions_and_ensembles() -> None:
    router = new_router("VotingEnsemble")
    router.add_route("plain", class_name=Model)
    router.add_route("told", class_name="Explained")
    paths = request_paths(router, globals())
    assert paths == [
        "/",
        "infer",
        "plain/infer",
        "plain/ready",
        "plain",
        "told/infer",
        "told/explain",
        "told/ready",
        "told",
    ]


def test_routers_in_flows_and_unknown_names() -> None:
    graph = new_flow()
    graph.to("*", name="models").add_route("lost", class_name="Nobody")
    assert request_paths(graph, {}) == ["/", "lost"]


def test_the_paths_are_answered() -> None:
    router = new_router()
    router.add_route("told", class_name=Explained)
    server = GraphServer(router)
    for path in request_paths(router, globals()):
        body = {"inputs": [1]} if path.endswith(("infer", "explain")) else None
        assert server.test(path, body, silent=True, get_body=False).status_code == 200


def test_their_number_is_bounded() -> None:
    router = new_router()
    for number in range(600):
        router.add_route(f"r{number}", handler="(event)")
    assert len(request_paths(router, {})) == 500
