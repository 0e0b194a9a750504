"""From the first cell to the last: a flow with a vote of real models, tested, saved, loaded, asked again."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import Event, GraphServer, RootFlowStep, StepError, V2ModelServer, new_flow


class ClassifierModel(V2ModelServer):
    def load(self) -> None:
        file, _ = self.get_model(".pkl")
        self.model = pickle.loads(Path(file).read_bytes())

    def predict(self, request: dict[str, Any]) -> list[int]:
        predicted: list[int] = self.model.predict(np.asarray(request["inputs"])).tolist()
        return predicted


def in_centimetres(request: dict[str, Any]) -> dict[str, Any]:
    """Take rows in millimetres to rows in centimetres."""
    return {**request, "inputs": [[value / 10 for value in row] for row in request["inputs"]]}


class Names:
    """Puts the names of the classes beside their numbers."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def do(self, answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "names": [self.names[number] for number in answer["outputs"]]}


def apologise(event: Event) -> Event:
    assert event.error is not None
    event.body = {"outputs": [], "names": [], "failed": list(event.error), "at": event.origin_state}
    return event


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Train three classifiers on the iris data; return where each is stored."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    data, target = load_iris(return_X_y=True)
    models = {
        "regression": LogisticRegression(max_iter=1000),
        "tree": DecisionTreeClassifier(random_state=0),
        "neighbours": KNeighborsClassifier(),
    }
    folder = tmp_path_factory.mktemp("models")
    for name, model in models.items():
        (folder / name).mkdir()
        (folder / name / "model.pkl").write_bytes(pickle.dumps(model.fit(data, target)))
    return {name: str(folder / name) for name in models}


@pytest.fixture
def graph(engine: str, trained: dict[str, str]) -> RootFlowStep:
    """Return the flow."""
    flow = new_flow("iris", engine=engine)
    router = flow.to(in_centimetres).to(
        "*VotingEnsemble", name="vote", vote_type="classification", executor_type="array"
    )
    for name, path in trained.items():
        router.add_route(name, class_name=ClassifierModel, model_path=path)
    router.error_handler(name="apologise", handler=apologise, full_event=True, before="names")
    flow.add_step(Names, "names", after="vote", names=["setosa", "versicolor", "virginica"]).respond()
    return flow


ROWS = [[51, 35, 14, 2], [70, 32, 47, 14], [63, 33, 60, 25]]
NAMES = ["setosa", "versicolor", "virginica"]


def test_the_flow_answers_what_the_models_vote_for(graph: RootFlowStep) -> None:
    server = graph.to_mock_server()
    answer = server.test("/infer", {"inputs": ROWS})
    assert (answer["outputs"], answer["names"]) == ([0, 1, 2], NAMES)
    assert answer["model_name"] == "vote"
    one = server.test("/tree/infer", {"inputs": ROWS})
    assert (one["model_name"], one["names"]) == ("tree", NAMES)
    run = server.last_run
    assert run is not None
    assert [step.name for step in run.steps] == ["in_centimetres", "vote", "vote/tree", "names"]
    server.wait_for_completion()


def test_text_goes_in_and_json_comes_out(graph: RootFlowStep) -> None:
    server = graph.to_mock_server()
    response = server.test("/infer", json.dumps({"inputs": ROWS}), content_type="application/json", get_body=False)
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert json.loads(response.body)["names"] == NAMES
    server.wait_for_completion()


def test_the_loaded_graph_answers_the_same(graph: RootFlowStep, tmp_path: Path) -> None:
    server = graph.to_mock_server()
    expected = server.test("/infer", {"id": "r1", "inputs": ROWS})
    graph.save(tmp_path / "graph.yaml")
    server.save(tmp_path / "server.yaml")
    loaded = [RootFlowStep.load(tmp_path / "graph.yaml").to_mock_server(), GraphServer.load(tmp_path / "server.yaml")]
    loaded.append(GraphServer(RootFlowStep.from_yaml(graph.to_yaml())))
    for other in loaded:
        answer = other.test("/infer", {"id": "r1", "inputs": ROWS})
        assert {**answer, "timestamp": 0} == {**expected, "timestamp": 0}
        assert other.graph.to_dict() == graph.to_dict()
        other.wait_for_completion()
    server.wait_for_completion()


def test_an_error_is_handled_and_the_flow_goes_on(graph: RootFlowStep) -> None:
    server = graph.to_mock_server()
    answer = server.test("/infer", {"inputs": [[1, 2]]})
    assert (answer["outputs"], answer["failed"], answer["at"]) == ([], ["vote"], "vote/regression")
    assert server.test("/infer", {"inputs": ROWS})["names"] == NAMES
    with pytest.raises(StepError, match="step 'in_centimetres' failed: KeyError: 'inputs'") as caught:
        server.test("/infer", {"rows": ROWS})
    assert (caught.value.status, caught.value.step) == (500, "in_centimetres")
    server.wait_for_completion()


def test_a_model_can_be_added_while_it_serves(graph: RootFlowStep, trained: dict[str, str]) -> None:
    server = graph.to_mock_server()
    assert server.test("/infer", {"inputs": ROWS})["names"] == NAMES
    kept = graph["vote"]["tree"].async_object
    server.add_model("copy", trained["tree"], ClassifierModel)
    assert server.test("/copy/infer", {"inputs": ROWS})["model_name"] == "copy"
    assert graph["vote"]["tree"].async_object is kept
    server.wait_for_completion()


def test_it_shows_itself(graph: RootFlowStep) -> None:
    source = graph.plot().source
    for name in ("in_centimetres", "vote", "regression", "tree", "neighbours", "apologise", "names"):
        assert name in source
