"""Requests that do not fit a model: status 400 where what scikit-learn raised is due to them, and only there."""

from __future__ import annotations

import asyncio
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import graphkit
from graphkit import BadRequest, Event, StepError, asgi_app
from graphkit.models.blame import blamed
from graphkit.models.model_spec import Feature, ModelSpec

INFER = "/v2/models/m/infer"
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROW = [5.1, 3.5, 1.4, 0.2]
BY_NAME = dict(zip(NAMES, ROW, strict=True))
FOUR = "model 'm' expects 4 features in each row of 'inputs', found "
NUMBERS = "model 'm' expects numbers in 'inputs', found "


def fitted(estimator):
    data = load_iris()
    return estimator.fit(data.data, data.target)


BAYES = fitted(GaussianNB())
PIPELINE = fitted(make_pipeline(StandardScaler(), LogisticRegression()))
BY_COLUMN = LogisticRegression(max_iter=500).fit(pd.DataFrame(load_iris().data, columns=NAMES), load_iris().target)
TREE = DecisionTreeClassifier(random_state=0).fit(pd.DataFrame(load_iris().data, columns=NAMES), load_iris().target)


class Plain(graphkit.V2ModelServer):
    def predict(self, request):
        return self.model.predict(request["inputs"]).tolist()

    def explain(self, request):
        return self.model.predict_proba(np.array(request["inputs"])).tolist()


class Floats(Plain):
    def predict(self, request):
        return self.model.predict(np.array(request["inputs"], dtype=float)).tolist()


class Table(Plain):
    def predict(self, request):
        return self.model.predict(pd.DataFrame(request["inputs"])).tolist()


class Columns(Plain):
    def predict(self, request):
        return self.model.predict(pd.DataFrame(request["inputs"])[NAMES]).tolist()


class ByKey(Plain):
    def predict(self, request):
        rows = [[row[name] for name in NAMES] for row in request["inputs"]]
        return self.model.predict(pd.DataFrame(rows, columns=NAMES)).tolist()


class Later(Plain):
    async def predict(self, request):
        await asyncio.sleep(0)
        return super().predict(request)


class Arrays(Plain):
    oip_inputs = "arrays"


def server_of(model_class=Plain, model=BAYES, **args):
    server = graphkit.create_graph_server()
    server.add_model("m", class_name=model_class, model=model, **args)
    return server


def refusal(server, inputs, path=INFER, **more):
    with pytest.raises(StepError) as caught:
        server.test(path, {"inputs": inputs, **more})
    return caught.value


MISFITS = {
    "too few": (Plain, BAYES, [ROW[:3]], FOUR + "3 in row 0"),
    "too many": (Plain, BAYES, [[*ROW, 1.0]], FOUR + "5 in row 0"),
    "a pipeline": (Plain, PIPELINE, [ROW[:3]], FOUR + "3 in row 0"),
    "a table": (Table, BAYES, [ROW[:3]], FOUR + "3 in row 0"),
    "ragged": (Plain, BAYES, [ROW, ROW, ROW[:3]], FOUR + "3 in row 2"),
    "ragged, as numbers": (Floats, BAYES, [ROW[:3], ROW], FOUR + "3 in row 0"),
    "a ragged table": (Table, BAYES, [ROW, ROW[:3]], FOUR + "3 in row 1"),
    "a number among rows": (Plain, BAYES, [ROW, 5], FOUR + "a value of type int in row 1"),
    "a row alone": (Plain, BAYES, ROW, "model 'm' expects a list of rows as 'inputs', found a single row"),
    "a row alone, as a table": (Table, BAYES, ROW, "model 'm' expects a list of rows as 'inputs', found a single row"),
    "no rows": (Plain, BAYES, [], "model 'm' expects at least one row in 'inputs', found none"),
    "an empty row": (Plain, BAYES, [[]], FOUR + "0 in row 0"),
    "rows of rows": (Plain, BAYES, [[ROW] * 4], NUMBERS + r"\[5.1, 3.5, 1.4, 0.2\] in row 0, column 0"),
    "a text": (Plain, BAYES, [ROW, [1, 2, "red", 4]], NUMBERS + "'red' in row 1, column 2"),
    "a text, as numbers": (Floats, BAYES, [ROW, [1, 2, "red", 4]], NUMBERS + "'red' in row 1, column 2"),
    "a text in a table": (Table, BAYES, [ROW, [1, 2, "red", 4]], NUMBERS + "'red' in row 1, column 2"),
    "null": (Floats, BAYES, [[1, 2, None, 4]], NUMBERS + "None in row 0, column 2"),
    "null among lists": (Plain, BAYES, [[1, 2, None, 4]], NUMBERS + "None in row 0, column 2"),
    "not a number": (Plain, BAYES, [ROW, [1, float("nan"), 3, 4]], NUMBERS + "nan in row 1, column 1"),
    "infinity": (Plain, BAYES, [[1, float("inf"), 3, 4]], NUMBERS + "inf in row 0, column 1"),
    "a dict": (Floats, BAYES, [[1, 2, {}, 4]], NUMBERS + "{} in row 0, column 2"),
    "a list": (Floats, BAYES, [[1, 2, [3], 4]], NUMBERS + r"\[3\] in row 0, column 2"),
    "a name that lacks": (Table, TREE, [{name: BY_NAME[name] for name in NAMES[:3]}],
        "model 'm': row 0 of 'inputs' lacks 'petal_width'"),
    "a misspelt name": (Columns, TREE, [{**{name: BY_NAME[name] for name in NAMES[:3]}, "petal_with": 1}],
        "lacks 'petal_width', found .* did you mean 'petal_with'"),
    "a key that lacks": (ByKey, TREE, [BY_NAME, {"sepal_length": 1, "sepal_width": 1, "petal_width": 1}],
        "model 'm': row 1 of 'inputs' lacks 'petal_length'"),
    "a gap in a table": (Table, BY_COLUMN, [BY_NAME, {"sepal_length": 1, "sepal_width": 1, "petal_width": 1}],
        "model 'm': row 1 of 'inputs' lacks 'petal_length'"),
    "rows by name": (Plain, BAYES, [BY_NAME],
        "expects a list of values as each row of 'inputs', found a dict in row 0; rows with names go to 'infer_dict'"),
    "a row by name, as numbers": (Floats, BAYES, [BY_NAME], "found a dict in row 0; rows with names go"),
    "a text by name": (Columns, TREE, [{**BY_NAME, "petal_width": "wide"}],
        NUMBERS + "'wide' in row 0, column 'petal_width'"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Constructing a DataFrame from a list of sequences with mismatched lengths")
@pytest.mark.parametrize("case", MISFITS)
def test_a_request_that_does_not_fit_is_bad_input(case):
    model_class, model, inputs, message = MISFITS[case]
    server = server_of(model_class, model)
    error = refusal(server, inputs)
    assert (type(error), error.status, error.step) == (BadRequest, 400, "m")
    assert error.__cause__.in_hindsight
    assert isinstance(error.__cause__.__cause__, (LookupError, TypeError, ValueError))  # the model's own exception
    answer = server.run(Event({"inputs": inputs}, path=INFER))
    assert (answer.status_code, answer.body) == (400, str(error))
    assert re.search(message, str(error))
    fine = [BY_NAME] if model in (TREE, BY_COLUMN) else [ROW]
    assert server.test(INFER, {"inputs": fine})["outputs"] == [0]


# ---- what is not the request's fault ------------------------------------------------------------------------------


class Engineered(Plain):
    """Makes a feature too many of each row; its own mistake, whatever comes in."""

    def predict(self, request):
        return self.model.predict([[*row, 1.0, 2.0] for row in request["inputs"]]).tolist()


class Failing(Plain):
    failure: Exception = ZeroDivisionError("no")

    def predict(self, request):
        raise self.failure


class OwnMiss(Plain):
    def predict(self, request):
        return {"known": 1}["unknown"]


class OwnText(Plain):
    def predict(self, request):
        return [float("many") for _ in request["inputs"]]


@pytest.mark.parametrize(
    ("model_class", "inputs", "said"),
    [
        (Engineered, [ROW[:3]], "X has 5 features"),
        (Engineered, [ROW], "X has 6 features"),
        (Failing, [ROW[:3]], "no"),
        (OwnMiss, [BY_NAME, {"sepal_length": 1}], "unknown"),
        (OwnText, [[1, 2, "few", 4]], "could not convert string to float: 'many'"),
    ],
)
def test_a_failure_of_the_model_s_own_is_no_bad_input(model_class, inputs, said):
    error = refusal(server_of(model_class), inputs)
    assert (type(error), error.status) == (StepError, 500)
    assert said in str(error)


def test_texts_are_fine_where_the_model_takes_them():
    colours = make_pipeline(OneHotEncoder(), LogisticRegression()).fit([["red", "s"], ["blue", "l"]], [0, 1])
    error = refusal(server_of(Plain, colours), [["green", "s"]])
    assert error.status == 500  # whether an unknown category is the client's fault nobody knows
    assert refusal(server_of(Plain, colours), [["red"]]).status == 400


def test_errors_that_a_model_raises_on_purpose_stay():
    class Refuses(Failing):
        failure = StepError("busy", status=429)

    assert refusal(server_of(Refuses), [ROW[:3]]).status == 429


@pytest.mark.parametrize("inputs", [None, 5, "text", {"a": 1}, [object()], np.zeros((2, 3, 4)), np.zeros(())])
def test_any_inputs_may_be_asked_about(inputs):
    for text in ("X has 3 features, but M is expecting 4 features as input", "", "Expected 2D array", "contains NaN"):
        found = blamed(ValueError(text), {"inputs": inputs}, BAYES, [], "model 'm'")
        assert found is None or isinstance(found, BadRequest)
    assert blamed(ValueError("x"), "no request", BAYES, [], "model 'm'") is None


# ---- ways to a model ----------------------------------------------------------------------------------------------


def test_explanations_and_async_models_too():
    assert refusal(server_of(), [ROW[:3]], "/v2/models/m/explain").status == 400
    server = server_of(Later)
    assert refusal(server, [ROW[:3]]).status == 400
    assert server.run(Event({"inputs": [ROW[:3]]}, path=INFER)).status_code == 400
    server.wait_for_completion()


@pytest.mark.parametrize("engine", ["sync", "async"])
@pytest.mark.parametrize("model_class", [Plain, Later])
def test_models_in_flows_too(engine, model_class):
    flow = graphkit.new_flow(engine=engine)
    flow.to("*", name="models").respond()
    flow["models"].add_route("m", class_name=model_class, model=BAYES)
    server = flow.to_mock_server()
    error = refusal(server, [ROW[:3]])
    assert (error.status, error.step) == (400, "models/m")
    server.wait_for_completion()


@pytest.mark.parametrize("model_class", [Plain, Arrays])
@pytest.mark.parametrize("shape", [[2, 3], [3], [1, 2, 2]])
def test_tensors_too(model_class, shape):
    server = server_of(model_class)
    tensor = {"name": "x", "datatype": "FP64", "shape": shape, "data": list(range(int(np.prod(shape))))}
    answer = server.run(Event({"inputs": [tensor]}, path=INFER))
    assert answer.status_code == 400
    assert "model 'm' expects" in answer.body
    assert answer.content_type == "application/json"


def test_a_row_of_a_large_array_is_found():
    rows = np.zeros((1000, 4))
    rows[700, 2] = np.nan
    found = refusal(server_of(Arrays), rows)
    assert "found nan in row 700, column 2" in str(found)


def test_tensors_by_name_are_those_of_the_schema():
    class Named(Arrays):
        def load(self):
            self.model_spec = ModelSpec(inputs=[Feature(name="a"), Feature(name="b")])

        def predict(self, request):
            return (request["inputs"]["a"] + request["inputs"]["b"]).tolist()

    server = graphkit.create_graph_server()
    server.add_model("m", class_name=Named)
    tensors = [{"name": name, "datatype": "FP64", "shape": [1], "data": [1]} for name in "abc"]
    assert server.test(INFER, {"inputs": tensors[:2]})["outputs"][0]["data"] == [2.0]
    assert "'inputs' lacks 'b', found 'a', 'c'" in str(refusal(server, [tensors[0], tensors[2]]))


def test_only_the_request_at_fault_fails_of_a_batch():
    server = server_of(max_batch_size=3, max_delay_ms=60_000)

    async def together():
        bodies = [{"inputs": [ROW]}, {"inputs": [ROW[:3]]}, {"inputs": [ROW]}]
        return await asyncio.gather(*(server.run_async(Event(body, path=INFER), None, True) for body in bodies))

    good, bad, other = asyncio.run(together())
    assert (good["outputs"], other["outputs"]) == ([0], [0])
    assert bad.status_code == 400
    assert FOUR + "3 in row 0" in bad.body
    server.wait_for_completion()


def test_the_http_face_answers_400():
    httpx = pytest.importorskip("httpx")
    app = asgi_app(server_of())

    async def ask():
        app.start()
        try:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
                return await client.post(INFER, json={"inputs": [ROW[:3]]})
        finally:
            app.close()

    answer = asyncio.run(ask())
    assert answer.status_code == 400
    assert FOUR + "3 in row 0" in answer.text


def test_a_tracking_record_says_what_was_answered():
    server = graphkit.create_graph_server(track_models=True)
    server.add_model("m", class_name=Plain, model=BAYES)
    refusal(server, [ROW[:3]])
    server.wait_for_completion()
    (record,) = server.context.stream.output_stream.read()
    assert FOUR + "3 in row 0" in record["error"]


# ---- hooks and schemas --------------------------------------------------------------------------------------------


class Prepared(Plain):
    """Takes rows under a name of its own, or leaves out a feature."""

    def preprocess(self, request, operation):
        return {"inputs": [row[:3] for row in request["inputs"]]}


def test_what_a_hook_made_of_a_request_is_not_the_client_s_fault():
    assert refusal(server_of(Prepared), [ROW]).status == 500


def test_what_a_hook_leaves_as_it_is_still_counts():
    class Checked(Plain):
        def validate(self, request, operation):
            return dict(super().validate(request, operation))

    assert refusal(server_of(Checked), [ROW[:3]]).status == 400
    nested = server_of(Checked, input_path="data")
    with pytest.raises(BadRequest, match=FOUR):
        nested.test(INFER, {"data": {"inputs": [ROW[:3]]}})


class Schema(graphkit.V2ModelServer):
    """Adds up the features that its schema lists, and needs no library for it."""

    types = ("float", "float")

    def load(self):
        inputs = [Feature(name=name, value_type=kind) for name, kind in zip("ab", self.types, strict=True)]
        self.model_spec = ModelSpec(inputs=inputs)

    def predict(self, request):
        return [row[0] * 1.5 + row[1] * 1.5 for row in request["inputs"]]


def test_a_schema_says_what_rows_are():
    server = graphkit.create_graph_server()
    server.add_model("m", class_name=Schema)
    assert "expects 2 features in each row of 'inputs', found 1 in row 1" in str(refusal(server, [[1, 2], [1]]))
    assert "expects numbers in 'inputs', found 'x' in row 0, column 1" in str(refusal(server, [[1, "x"]]))
    by_name = refusal(server, [{"a": 1, "b": "x"}], "/v2/models/m/infer_dict")
    assert by_name.status == 400
    assert server.test(INFER, {"inputs": [[1, 2, 3]]})["outputs"] == [4.5]  # only what fails is looked at


def test_a_schema_of_texts_takes_texts():
    class Texts(Schema):
        types = ("str", "float")

    server = graphkit.create_graph_server()
    server.add_model("m", class_name=Texts)
    assert refusal(server, [["x", 1]]).status == 500


# ---- ensembles ----------------------------------------------------------------------------------------------------

NARROW = GaussianNB().fit(load_iris().data[:, :3], load_iris().target)
NEIGHBOURS = fitted(KNeighborsClassifier(3))


def ensemble_of(executor, models, **options):
    router = graphkit.new_router("VotingEnsemble", executor_type=executor, **options)
    server = graphkit.create_graph_server(graph=router)
    for key, (model_class, model) in models.items():
        server.add_model(key, class_name=model_class, model=model)
    return server


@pytest.mark.parametrize("model_class", [Plain, Later])
@pytest.mark.parametrize("executor", ["array", "thread"])
def test_an_ensemble_blames_a_request_if_all_its_models_do(executor, model_class):
    server = ensemble_of(executor, {"a": (model_class, BAYES), "b": (model_class, NEIGHBOURS)})
    assert refusal(server, [ROW[:3]], "/v2/models/infer").status == 400
    answer = server.run(Event({"inputs": [ROW[:3]]}, path="/v2/models/infer", method="POST"))
    assert answer.status_code == 400
    assert server.run(Event({"inputs": [ROW]}, path="/v2/models/infer", method="POST")).status_code == 200
    server.wait_for_completion()


@pytest.mark.parametrize("model_class", [Plain, Later])
@pytest.mark.parametrize("executor", ["array", "thread"])
def test_models_that_take_a_request_which_another_blames_contradict_it(executor, model_class):
    server = ensemble_of(executor, {"a": (model_class, BAYES), "narrow": (model_class, NARROW)})
    for rows, blaming in (([ROW[:3]], "a"), ([ROW], "narrow")):
        error = refusal(server, rows, "/v2/models/infer")
        assert (type(error), error.status, error.step) == (StepError, 500, blaming)
        assert "other models of ensemble 'VotingEnsemble' took the same request" in str(error)
    server.wait_for_completion()


@pytest.mark.parametrize("executor", ["array", "thread"])
def test_a_failure_of_another_kind_outweighs_the_blame(executor):
    server = ensemble_of(executor, {"a": (Plain, BAYES), "b": (Failing, BAYES)})
    error = refusal(server, [ROW[:3]], "/v2/models/infer")
    assert (error.status, error.step) == (500, "b")
    server.wait_for_completion()


@pytest.mark.parametrize("executor", ["array", "thread"])
def test_a_partial_vote_leaves_out_the_model_that_blames(executor):
    server = ensemble_of(executor, {"a": (Plain, BAYES), "narrow": (Plain, NARROW)}, allow_partial=True)
    answer = server.test("/v2/models/infer", {"inputs": [ROW[:3]]})
    assert answer["outputs"] == [0]
    assert list(answer["partial"]["failed"]) == ["a"]
    assert refusal(server, [[1]], "/v2/models/infer").status == 400
    server.wait_for_completion()


@pytest.mark.slow
def test_models_in_processes_are_heard_too():
    server = ensemble_of("process", {"a": (Plain, BAYES), "narrow": (Plain, NARROW)})
    assert refusal(server, [[1.0]], "/v2/models/infer").status == 400
    assert refusal(server, [ROW], "/v2/models/infer").status == 500
    server.wait_for_completion()
