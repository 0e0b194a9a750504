"""Snippets as MLRun's users write them, after ``import graphkit as mlrun``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import graphkit
import graphkit as mlrun
from graphkit import GraphError


class Twice(mlrun.V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return [2 * value for value in request["inputs"]]


class Enrich:
    def __init__(self, by: int = 1) -> None:
        self.by = by

    def do(self, body: Any) -> Any:
        return body + self.by


def test_a_router_of_models() -> None:
    fn = mlrun.new_function("models", kind="serving", image="mlrun/mlrun")
    fn.set_topology("router", "mlrun.serving.VotingEnsemble", name="vote", vote_type="regression")
    fn.add_model("a", class_name="Twice", model_path="")
    fn.add_model("b", class_name=Twice)
    server = fn.to_mock_server()
    assert server.test("/v2/models/a/infer", body={"inputs": [1, 2]})["outputs"] == [2, 4]
    assert server.test("/v2/models/infer", body={"inputs": [1, 2]})["model_name"] == "vote"


def test_models_without_a_topology_make_a_router() -> None:
    fn = mlrun.new_function("models", kind="serving")
    fn.add_model("a", class_name=Twice, creation_strategy="inplace", child_function=None)
    assert fn.spec.graph.kind == "router"
    assert fn.to_mock_server().test("/a/infer", body={"inputs": [1]})["outputs"] == [2]


def test_a_flow_with_names_parameters_and_secrets() -> None:
    fn = mlrun.code_to_function("flow", project="shop", kind="serving", image="x")
    graph = fn.set_topology("flow", engine="async")
    graph.to("Enrich", by=2).to(name="told", handler="told").respond()
    fn.spec.parameters = {"unit": "cm"}
    fn.with_secrets("inline", {"KEY": "hidden-value"})
    server = fn.to_mock_server(namespace={**globals(), "told": told})
    assert server.test(body=1) == [3, "cm", "hidden-value", "shop"]
    assert (fn.metadata.name, fn.metadata.project) == ("flow", "shop")
    assert fn.plot().source == fn.spec.graph.plot().source


def told(body: Any, context: Any) -> Any:
    return [body, context.get_param("unit"), context.get_secret("KEY"), context.project]


def test_the_mock_server_sees_steps_that_are_added_later() -> None:
    fn = mlrun.new_function()
    graph = fn.set_topology("flow")
    step = graph.to(Enrich)
    server = fn.to_mock_server()
    assert server.test(body=1) == 2
    step.to(Enrich, "again", by=10)
    assert server.test(body=1) == 12


def test_code_of_a_file_or_notebook(tmp_path: Path) -> None:
    (tmp_path / "steps_of_a_file.py").write_text("def triple(body):\n    return 3 * body\n")
    fn = mlrun.code_to_function("f", filename=str(tmp_path / "steps_of_a_file.py"), kind="serving")
    fn.set_topology("flow").to(name="triple", handler="triple")
    assert fn.to_mock_server().test(body=2) == 6
    with pytest.raises(GraphError, match="there is no file"):
        mlrun.code_to_function("f", filename=tmp_path / "other.py")


def test_tracking_child_functions_and_round_trip() -> None:
    fn = mlrun.new_function("f", kind="serving")
    fn.add_model("a", class_name=Twice)
    fn.set_tracking("memory://tracked-by-a-function", sampling_percentage=50, batch=2)
    fn.add_child_function("child", image="x")
    assert fn.track_models is True
    assert fn.parameters == {"log_stream": "memory://tracked-by-a-function", "sampling_percentage": 50}
    assert fn.functions == {"child": {"image": "x"}}
    loaded = graphkit.GraphServer.from_dict(fn.to_dict())
    assert loaded.to_dict() == fn.to_dict()


@pytest.mark.parametrize(
    ("call", "told_so"),
    [
        (lambda: mlrun.new_function("f", kind="job"), "of the kind 'serving' only, not 'job'"),
        (lambda: mlrun.new_function("f", imge="x"), "no keyword 'imge', did you mean 'image'"),
        (lambda: mlrun.new_function("f").deploy(), "deploys nothing to a cluster"),
        (lambda: mlrun.new_function("f").to_mock_server(), "the function has no graph yet"),
        (lambda: mlrun.new_function("f").add_model("a", model_url="http://x"), "class_name='$remote'"),
        (lambda: mlrun.new_function("f").with_secrets("vault", 1), "'vault' is not known"),
    ],
)
def test_what_means_nothing_here_is_told(call: Any, told_so: str) -> None:
    with pytest.raises(GraphError) as caught:
        call()
    assert told_so in str(caught.value)
