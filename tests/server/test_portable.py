"""A server is made again elsewhere, with all that its graph names and holds."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import graphkit
from graphkit import GraphError
from graphkit.server.portable import Portable

ROOT = Path(__file__).resolve().parents[2]
FACTOR = 3


def triple(body):
    return body * FACTOR


def answered_elsewhere(server, body, path="/"):
    """Return the answer of a fresh process that gets nothing but the bytes."""
    code = (
        "import sys, pickle; made, path, body = pickle.loads(sys.stdin.buffer.read()); "
        "sys.stdout.buffer.write(pickle.dumps(made().test(path, body)))"
    )
    given = pickle.dumps((Portable(server), path, body))
    done = subprocess.run([sys.executable, "-c", code], input=given, capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)


def test_functions_lambdas_expressions_and_names_go_along():
    namespace = {"triple": triple, "LIMIT": 5, "unused": threading.Lock()}
    exec("def plus(body):\n    return body + BY\nBY = 100", namespace)
    graph = graphkit.new_flow()
    graph.to("triple").to("plus").to(lambda body: body + 1, name="one").to(
        name="last", handler="(event + LIMIT)"
    ).respond()
    server = graph.to_mock_server(namespace=namespace)
    assert server.test(body=1) == 109
    assert Portable(server)().test(body=1) == 109


def test_models_and_class_arguments_go_along():
    class Model(graphkit.V2ModelServer):
        def predict(self, request):
            return [self.model[x] + self.get_param("by") + self.context.get_param("base") for x in request["inputs"]]

    server = graphkit.create_graph_server(parameters={"base": 1000})
    server.add_model("m", class_name=Model, model={1: 10}, by=5)
    assert answered_elsewhere(server, {"inputs": [1]}, "m/infer")["outputs"] == [1015]


def test_secrets_go_along_and_stay_secret():
    graph = graphkit.new_flow()
    graph.to(lambda body, context: len(context.get_secret("KEY")), name="length").respond()
    server = graph.to_mock_server(secret_sources=[{"kind": "inline", "source": {"KEY": "abracadabra"}}])
    assert answered_elsewhere(server, 1) == 11
    assert "abracadabra" not in repr(Portable(server))


def test_the_newest_meaning_of_a_name_goes_along():
    namespace = {}
    exec("def step(body):\n    return 'old'", namespace)
    graph = graphkit.new_flow()
    graph.to("step").respond()
    server = graph.to_mock_server(namespace=namespace)
    assert server.test(body=1) == "old"
    exec("def step(body):\n    return 'new'", namespace)
    assert Portable(server)().test(body=1) == "new"


def test_what_cannot_go_along_is_said():
    lock = threading.Lock()
    graph = graphkit.new_flow()
    graph.to(lambda body: lock, name="locked").respond()
    with pytest.raises(GraphError, match=r"cannot be sent to worker processes: TypeError.*use threads"):
        Portable(graph.to_mock_server())
