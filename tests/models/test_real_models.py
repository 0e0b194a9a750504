"""scikit-learn's models on its own data, through routers and ensembles, against scikit-learn itself."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier, VotingClassifier, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import graphkit


class Sklearn(graphkit.V2ModelServer):
    def predict(self, request):
        return self.model.predict(np.array(request["inputs"])).tolist()

    def explain(self, request):
        return self.model.predict_proba(np.array(request["inputs"])).tolist()


class Stored(Sklearn):
    def load(self):
        file, _ = self.get_model(".pkl")
        self.model = pickle.loads(Path(file).read_bytes())


class Labels(Sklearn):
    """Answers with names instead of numbers."""

    def predict(self, request):
        return [str(self.get_param("names")[number]) for number in super().predict(request)]


CLASSIFIERS = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "neighbours": lambda: KNeighborsClassifier(3),
    "tree": lambda: DecisionTreeClassifier(random_state=0),
    "forest": lambda: RandomForestClassifier(5, random_state=0),
}


@pytest.fixture(scope="module")
def iris():
    return load_iris()


@pytest.fixture(scope="module")
def classifiers(iris):
    return {key: make().fit(iris.data[::2], iris.target[::2]) for key, make in CLASSIFIERS.items()}


def serve(router, model_class, models, **args):
    server = graphkit.create_graph_server(graph=router)
    for key, model in models.items():
        server.add_model(key, class_name=model_class, model=model, **args)
    return server


def test_a_router_answers_as_each_model_does(iris, classifiers):
    server = serve(graphkit.new_router(), Sklearn, classifiers)
    rows = iris.data[1::2]
    for key, model in classifiers.items():
        answer = server.test(f"/v2/models/{key}/infer", {"inputs": rows.tolist()})
        assert answer["outputs"] == model.predict(rows).tolist()
        explained = server.test(f"/v2/models/{key}/explain", {"inputs": rows[:3].tolist()})
        np.testing.assert_allclose(explained["outputs"], model.predict_proba(rows[:3]))


@pytest.mark.parametrize("weights", [None, {"logistic": 2, "neighbours": 1, "tree": 1, "forest": 3}])
def test_an_ensemble_votes_as_scikit_learn_s_voting_classifier(weights):
    wine = load_wine()
    models = {key: make().fit(wine.data[::3], wine.target[::3]) for key, make in CLASSIFIERS.items()}
    reference = VotingClassifier(
        [(key, make()) for key, make in CLASSIFIERS.items()], weights=list(weights.values()) if weights else None
    ).fit(wine.data[::3], wine.target[::3])
    server = serve(graphkit.new_router("VotingEnsemble", weights=weights, executor_type="array"), Sklearn, models)
    answer = server.test("/v2/models/infer", {"inputs": wine.data.tolist()})
    assert answer["outputs"] == reference.predict(wine.data).tolist()
    assert len({tuple(model.predict(wine.data)) for model in models.values()}) > 1  # they do not all agree


def test_an_ensemble_votes_on_names_as_on_numbers(iris, classifiers):
    names = [str(name) for name in iris.target_names]
    numbers = serve(graphkit.new_router("VotingEnsemble"), Sklearn, classifiers)
    labels = serve(graphkit.new_router("VotingEnsemble"), Labels, classifiers, names=names)
    body = {"inputs": iris.data.tolist()}
    by_number = numbers.test("/v2/models/infer", body)["outputs"]
    # iris' names are in alphabetical order, so ties fall alike
    assert labels.test("/v2/models/infer", body)["outputs"] == [names[number] for number in by_number]
    numbers.wait_for_completion()
    labels.wait_for_completion()


def test_a_regression_is_the_mean_of_scikit_learn_s_voting_regressor():
    diabetes = load_diabetes()
    kinds = {"linear": LinearRegression, "ridge": Ridge, "neighbours": KNeighborsRegressor}
    models = {key: kind().fit(diabetes.data, diabetes.target) for key, kind in kinds.items()}
    reference = VotingRegressor([(key, kind()) for key, kind in kinds.items()], weights=[1, 2, 5])
    reference.fit(diabetes.data, diabetes.target)
    weights = {"linear": 1, "ridge": 2, "neighbours": 5}
    server = serve(graphkit.new_router("VotingEnsemble", weights=weights, executor_type="array"), Sklearn, models)
    answer = server.test("/v2/models/infer", {"inputs": diabetes.data[:50].tolist()})
    np.testing.assert_allclose(answer["outputs"], reference.predict(diabetes.data[:50]))


def test_a_stored_model_is_loaded_and_knows_its_columns(iris, classifiers, tmp_path):
    (tmp_path / "tree.pkl").write_bytes(pickle.dumps(classifiers["tree"]))
    columns = "".join(f"- {{name: {name.split(' (')[0].replace(' ', '_')}}}\n" for name in iris.feature_names)
    (tmp_path / "model_spec.yaml").write_text(f"model_file: tree.pkl\ninputs:\n{columns}")
    server = graphkit.create_graph_server()
    server.add_model("tree:1", class_name=Stored, model_path=str(tmp_path))
    row = {"petal_width": 0.2, "sepal_length": 5.1, "petal_length": 1.4, "sepal_width": 3.5}
    answer = server.test("/v2/models/tree/versions/1/infer_dict", {"inputs": [row]})
    assert (answer["outputs"], answer["model_name"], answer["model_version"]) == ([0], "tree", "1")
    metadata = server.test("/v2/models/tree/versions/1", method="GET")
    assert metadata["inputs"][0]["name"] == "sepal_length"
