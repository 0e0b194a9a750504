from __future__ import annotations

import copy
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import graphkit
from graphkit.core.context import StreamContext
from graphkit.core.errors import BadRequest, GraphError, ModelNotFound, ModelNotReady, StepError
from graphkit.core.event import Event
from graphkit.models.ensemble import VotingEnsemble
from graphkit.models.v2 import V2ModelServer


class Says(V2ModelServer):
    """Answers every input with the same prediction."""

    def predict(self, request):
        return [self.get_param("label") for _ in request["inputs"]]

    def explain(self, request):
        return ["why" for _ in request["inputs"]]


class SaysLater(Says):
    async def predict(self, request):
        return super().predict(request)


class Outputs(V2ModelServer):
    """Answers with given outputs, whatever is asked."""

    def predict(self, request):
        return self.get_param("outputs")


class Fails(V2ModelServer):
    def predict(self, request):
        raise KeyError("no such column")


@pytest.fixture(params=["array", "thread"])
def executor(request):
    """Plain models are asked by a shorter way where they run one by one; both ways must be the same to a user."""
    return request.param


@pytest.fixture
def voting(executor):
    """Return a function that makes an ensemble of routes."""

    def make(routes, cls=VotingEnsemble, **settings):
        ensemble = cls(routes=routes, executor_type=executor, **settings)
        ensemble.post_init()
        return ensemble

    return make


@pytest.fixture
def ensemble_of(routes_of, executor):
    """Return a function that makes an ensemble whose models say the given labels."""

    def make(labels, cls=VotingEnsemble, model=Says, **settings):
        routes = routes_of(**{key: model(name=key, label=label) for key, label in labels.items()})
        ensemble = cls(routes=routes, executor_type=executor, **settings)
        ensemble.post_init()
        return ensemble

    return make


@pytest.fixture
def outputs_of(routes_of, executor):
    """Return a function that makes an ensemble whose models have the given outputs."""

    def make(outputs, **settings):
        routes = routes_of(**{key: Outputs(name=key, outputs=value) for key, value in outputs.items()})
        ensemble = VotingEnsemble(routes=routes, executor_type=executor, **settings)
        ensemble.post_init()
        return ensemble

    return make


ROWS = {"inputs": [[1], [2]]}


# ---- whom a request goes to ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/infer",
        "/v2/models/predict",
        "/v2/models/VotingEnsemble/infer",
        "/v2/models/VotingEnsemble",
        "/",
        "",
        "/v2/models/",
        "infer",
        "VotingEnsemble/predict",
    ],
)
def test_every_model_is_asked_and_votes(ask, ensemble_of, path):
    ensemble = ensemble_of({"a": 1, "b": 2, "c": 2})
    answer = ask(ensemble, ROWS, path, event_id="e1").body
    assert list(answer) == ["id", "model_name", "outputs", "timestamp"]
    assert (answer["id"], answer["model_name"], answer["outputs"]) == ("e1", "VotingEnsemble", [2, 2])


def test_one_model_is_asked_by_its_name(ask, ensemble_of):
    ensemble = ensemble_of({"a": 1, "b": 2, "c": 2})
    answer = ask(ensemble, ROWS, "/v2/models/a/infer").body
    assert (answer["model_name"], answer["outputs"]) == ("a", [1, 1])
    assert ask(ensemble, {**ROWS, "model": "a"}).body["outputs"] == [1, 1]
    assert ask(ensemble, {**ROWS, "model": "VotingEnsemble"}).body["outputs"] == [2, 2]
    assert ask(ensemble, {**ROWS, "model": "a"}, "/v2/models/infer").body["outputs"] == [2, 2]
    assert ask(ensemble, None, "a/ready", method="GET").body.status_code == 200


def test_a_versioned_model_is_asked_by_its_version(ask, route):
    routes = {}
    for key, label in [("m:1", 1), ("m:2", 2)]:
        model = Says(name=key, label=label)
        model.post_init()
        routes[key] = route(key, model)
    ensemble = VotingEnsemble(routes=routes, weights={"m:1": 1, "m:2": 3})
    ensemble.post_init()
    assert ask(ensemble, ROWS, "/v2/models/m/versions/1/infer").body["outputs"] == [1, 1]
    assert ask(ensemble, ROWS, "/v2/models/infer").body["outputs"] == [2, 2]


def test_the_ensemble_s_own_name_counts(ask, ensemble_of):
    ensemble = ensemble_of({"a": 1, "b": 2, "c": 2}, name="zoo")
    assert ask(ensemble, ROWS, "/v2/models/zoo/infer").body["model_name"] == "zoo"
    with pytest.raises(
        ModelNotFound, match="router 'zoo' has no model 'VotingEnsemble'; there is 'a', 'b', 'c', 'zoo'"
    ):
        ask(ensemble, ROWS, "/v2/models/VotingEnsemble/infer")


def test_the_model_list_includes_the_ensemble_s_name_and_the_weights(ask, ensemble_of):
    ensemble = ensemble_of({"a": 1, "b": 2}, weights={"a": 3, "b": 1})
    answer = ask(ensemble, None, "/v2/models/", method="GET")
    assert answer.body == {"models": ["a", "b", "VotingEnsemble"], "weights": {"a": 3, "b": 1}}
    assert answer.terminated
    assert ask(ensemble_of({"a": 1}), None, "/v2/models/", method="GET").body["weights"] is None


def test_get_of_the_ensemble_answers_metadata_with_the_schema_of_its_models(ask, ensemble_of):
    from graphkit.models.model_spec import Feature, ModelSpec

    ensemble = ensemble_of({"a": 1, "b": 2})
    expected = {"name": "VotingEnsemble", "version": "", "inputs": [], "outputs": []}
    assert ask(ensemble, None, "/v2/models/VotingEnsemble", method="GET").body == expected
    ensemble.routes["b"].async_object.model_spec = ModelSpec(inputs=[Feature(name="x")], outputs=[Feature(name="y")])
    assert ask(ensemble, None, "/v2/models/VotingEnsemble/", method="GET").body == {
        **expected,
        "inputs": [{"name": "x"}],
        "outputs": [{"name": "y"}],
    }


def test_the_ensemble_is_ready_when_its_models_are(ask, ensemble_of):
    ensemble = ensemble_of({"a": 1, "b": 2})
    assert ask(ensemble, None, "VotingEnsemble/ready", method="GET").body.status_code == 200
    ensemble.routes["b"].async_object.ready = False
    answer = ask(ensemble, None, "VotingEnsemble/ready", method="GET").body
    assert answer.status_code == 408
    assert b"it waits for 'b'" in answer.body


def test_get_of_root_and_health_tells_about_the_server(ask, ensemble_of):
    assert ask(ensemble_of({"a": 1}), None, "/", method="GET").body["name"] == "VotingEnsemble"


def test_explanations_are_voted_on_too(ask, ensemble_of):
    assert ask(ensemble_of({"a": 1, "b": 2}), ROWS, "/v2/models/explain").body["outputs"] == ["why", "why"]


def test_rows_by_name_reach_the_models(ask, ensemble_of):
    from graphkit.models.model_spec import Feature, ModelSpec

    ensemble = ensemble_of({"a": 1, "b": 1})
    for route in ensemble.routes.values():
        route.async_object.model_spec = ModelSpec(inputs=[Feature(name="x")])
    assert ask(ensemble, {"inputs": [{"x": 1}, {"x": 2}]}, "/v2/models/infer_dict").body["outputs"] == [1, 1]
    assert ask(ensemble, {"inputs": {"x": 1}}, "/v2/models/predict_dict").body["outputs"] == [1]
    with pytest.raises(BadRequest):
        ask(ensemble, {"inputs": {"x": 1}}, "/v2/models/infer")


def test_the_url_s_operation_wins_over_the_body_s(ask, ensemble_of):
    ensemble = ensemble_of({"a": 1, "b": 1})
    assert ask(ensemble, {**ROWS, "operation": "explain"}, "/v2/models/infer").body["outputs"] == [1, 1]
    assert ask(ensemble, {**ROWS, "operation": "explain"}).body["outputs"] == ["why", "why"]


def test_the_id_of_the_body_counts_if_given(ask, ensemble_of):
    assert ask(ensemble_of({"a": 1}), {**ROWS, "id": "mine"}, "infer", event_id="e").body["id"] == "mine"


# ---- votes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "winner"),
    [
        ({"a": "cat", "b": "dog", "c": "dog"}, "dog"),
        ({"a": -1, "b": -1, "c": 1}, -1),
        ({"a": 3, "b": 1, "c": 2}, 1),
        ({"a": 1.0, "b": 2.0, "c": 6.0}, 3.0),
        ({"a": 1, "b": 2, "c": 3.0}, 2.0),
    ],
)
def test_votes_without_a_type(ask, ensemble_of, labels, winner):
    assert ask(ensemble_of(labels), {"inputs": [[1]]}, "infer").body["outputs"] == [winner]


def test_each_request_decides_anew_how_to_vote(ask, voting, routes_of):
    class Echo(V2ModelServer):
        def predict(self, request):
            return [request["inputs"][0] * self.get_param("by")]

    ensemble = voting(routes=routes_of(a=Echo(name="a", by=1), b=Echo(name="b", by=1), c=Echo(name="c", by=4)))
    assert ask(ensemble, {"inputs": [0.5]}, "infer").body["outputs"] == [1.0]
    assert ask(ensemble, {"inputs": [3]}, "infer").body["outputs"] == [3]
    assert ask(ensemble, {"inputs": [0.5]}, "infer").body["outputs"] == [1.0]
    assert ensemble.vote_type is None


def test_vote_type_is_fixed_when_given(ask, ensemble_of):
    labels = {"a": 1, "b": 1, "c": 4}
    assert ask(ensemble_of(labels, vote_type="regression"), ROWS, "infer").body["outputs"] == [2.0, 2.0]
    assert ask(ensemble_of(labels, vote_type="classification"), ROWS, "infer").body["outputs"] == [1, 1]


def test_weights_are_normalised_and_count(ask, ensemble_of):
    labels = {"a": 1.0, "b": 5.0}
    for weights in ({"a": 3, "b": 1}, {"a": 0.3, "b": 0.1}, {"a": 75, "b": 25}):
        assert ask(ensemble_of(labels, weights=weights), ROWS, "infer").body["outputs"] == pytest.approx([2.0, 2.0])
    assert ask(ensemble_of(labels, weights={"b": 9}), ROWS, "infer").body["outputs"] == [5.0, 5.0]
    heavy = ensemble_of({"a": "x", "b": "y", "c": "y"}, weights={"a": 5, "b": 1, "c": 1})
    assert ask(heavy, ROWS, "infer").body["outputs"] == ["x", "x"]


def test_routes_that_come_later_count_and_weights_that_change_too(ask, ensemble_of, routes_of):
    ensemble = ensemble_of({"a": 1.0, "b": 2.0})
    assert ask(ensemble, ROWS, "infer").body["outputs"] == [1.5, 1.5]
    ensemble.routes["c"] = routes_of(c=Says(name="c", label=6.0))["c"]
    assert ask(ensemble, ROWS, "infer").body["outputs"] == pytest.approx([3.0, 3.0])
    ensemble.weights = {"c": 1}
    assert ask(ensemble, ROWS, "infer").body["outputs"] == [6.0, 6.0]


@pytest.mark.parametrize("weights", [{"a": -1, "b": 2}, {"a": math.nan}, {"a": 0, "b": 0}, {"x": 1}])
def test_weights_that_make_no_sense_are_refused_when_the_graph_is_bound(ensemble_of, weights):
    with pytest.raises(GraphError, match="ensemble 'VotingEnsemble': the weight"):
        ensemble_of({"a": 1, "b": 2}, weights=weights)


def test_a_route_of_the_ensembles_own_name_is_refused_when_the_graph_is_bound(ensemble_of):
    with pytest.raises(GraphError, match=r"^ensemble 'both' has a route of its own name"):
        ensemble_of({"a": 1, "both": 2}, name="both")


def test_empty_inputs_have_empty_outputs(ask, ensemble_of):
    assert ask(ensemble_of({"a": 1, "b": 2}), {"inputs": []}, "infer").body["outputs"] == []


def test_arrays_are_voted_on_like_lists(ask, outputs_of):
    ensemble = outputs_of({"a": np.array([1, 2]), "b": [np.int64(1), np.int64(3)], "c": [2, 3]})
    outputs = ask(ensemble, ROWS, "infer").body["outputs"]
    assert outputs == [1, 3]
    assert [type(value) for value in outputs] == [int, int]
    floats = outputs_of({"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0], dtype="float32")})
    assert ask(floats, ROWS, "infer").body["outputs"] == [2.0, 3.0]


def test_async_models_vote(ask_async, ensemble_of):
    ensemble = ensemble_of({"a": 1, "b": 2, "c": 2}, model=SaysLater, result_path="vote")
    answer = ask_async(ensemble, ROWS, "infer", event_id="e").body
    assert answer["vote"]["outputs"] == [2, 2]
    assert answer["vote"]["id"] == "e"


def test_async_and_plain_models_vote_together(ask_async, voting, routes_of):
    ensemble = voting(
        routes=routes_of(a=Says(name="a", label=1), b=SaysLater(name="b", label=2), c=Says(name="c", label=2))
    )
    assert ask_async(ensemble, ROWS, "infer").body["outputs"] == [2, 2]


def test_an_async_model_that_fails_is_named(ask_async, voting, routes_of):
    class FailsLater(V2ModelServer):
        async def predict(self, request):
            raise KeyError("no such column")

    routes = routes_of(a=Says(name="a", label=1), bad=FailsLater(name="bad"))
    with pytest.raises(StepError, match="'bad' failed: KeyError"):
        ask_async(voting(routes=routes), ROWS, "infer")
    partial = ask_async(voting(routes=routes, allow_partial=True), ROWS, "infer").body
    assert partial["outputs"] == [1, 1]
    assert list(partial["partial"]["failed"]) == ["bad"]


def test_models_with_hooks_vote_by_what_they_answer(ask, voting, routes_of):
    class Scaled(Says):
        def preprocess(self, request, operation):
            return {**request, "inputs": request["inputs"] * 2}

        def postprocess(self, response):
            return {**response, "outputs": response["outputs"][:1]}

    ensemble = voting(routes=routes_of(a=Scaled(name="a", label=1), b=Scaled(name="b", label=1)))
    assert ask(ensemble, ROWS, "infer").body["outputs"] == [1]


def test_functions_vote_too(ask, voting, routes_of):
    ensemble = voting(
        routes=routes_of(a=lambda body: {"outputs": [1]}, b=lambda body: [2], c=lambda body: np.array([2]))
    )
    assert ask(ensemble, {"inputs": [[0]]}, "infer").body["outputs"] == [2]


# ---- columns ------------------------------------------------------------------------------------------------


def test_outputs_with_columns_are_voted_on_by_prediction_col_name(ask, outputs_of):
    outputs = {"a": {"label": [1, 2], "p": [0.1, 0.2]}, "b": {"label": [1, 3], "p": [0.3, 0.4]}, "c": {"label": [1, 3]}}
    ensemble = outputs_of(outputs, prediction_col_name="label")
    assert ask(ensemble, ROWS, "infer").body["outputs"] == [1, 3]
    formatted = outputs_of(outputs, prediction_col_name="label", format_response_with_col_name_flag=True)
    assert ask(formatted, ROWS, "infer").body["outputs"] == {"label": [1, 3]}


def test_the_column_is_prediction_when_none_is_named(ask, outputs_of):
    ensemble = outputs_of({"a": {"prediction": [1, 2]}}, format_response_with_col_name_flag=True)
    assert ensemble.prediction_col_name == "prediction"
    assert ask(ensemble, ROWS, "infer").body["outputs"] == {"prediction": [1, 2]}


def test_how_one_request_answers_does_not_change_how_the_next_is_formatted(ask, voting, routes_of):
    class Either(V2ModelServer):
        def predict(self, request):
            return {"prediction": [1]} if request["inputs"][0] else [1]

    ensemble = voting(routes=routes_of(a=Either(name="a")))
    assert [ask(ensemble, {"inputs": [x]}, "infer").body["outputs"] for x in (0, 1, 0)] == [[1], [1], [1]]


def test_a_missing_column_names_the_model_and_the_columns(ask, outputs_of):
    ensemble = outputs_of({"a": [1, 2], "b": {"predictions": [1, 2]}})
    with pytest.raises(StepError) as caught:
        ask(ensemble, ROWS, "infer")
    assert "ensemble 'VotingEnsemble': model 'b': the outputs have no column 'prediction'" in str(caught.value)
    assert "there is 'predictions', did you mean 'predictions'?" in str(caught.value)


# ---- what may be overridden ---------------------------------------------------------------------------------


def test_own_logic_gets_arrays_of_samples_by_models_and_normalised_weights(ask, ensemble_of):
    seen = []

    class Highest(VotingEnsemble):
        def logic(self, predictions, weights):
            seen.append((predictions, weights))
            return predictions.max(axis=1)

    ensemble = ensemble_of({"a": 1, "b": 5, "c": 3}, cls=Highest, weights={"a": 2, "b": 1, "c": 1})
    outputs = ask(ensemble, ROWS, "infer").body["outputs"]
    assert outputs == [5, 5]
    assert type(outputs) is list
    predictions, weights = seen[0]
    assert predictions.shape == (2, 3)
    assert predictions.tolist() == [[1, 5, 3], [1, 5, 3]]
    assert weights.tolist() == [0.5, 0.25, 0.25]
    assert weights.dtype == np.float64


def test_own_logic_may_fall_back_to_the_base(ask, ensemble_of):
    class Shifted(VotingEnsemble):
        def logic(self, predictions, weights):
            return [f"<{vote}>" for vote in super().logic(predictions, weights)]

    assert ask(ensemble_of({"a": "x", "b": "y", "c": "y"}, cls=Shifted), ROWS, "infer").body["outputs"] == ["<y>"] * 2
    mixed = ensemble_of({"a": "x", "b": 7, "c": 7}, cls=Shifted)
    assert ask(mixed, ROWS, "infer").body["outputs"] == ["<7>"] * 2
    assert ask(mixed, {"inputs": []}, "infer").body["outputs"] == []


def test_the_base_logic_can_be_called_alone():
    ensemble = VotingEnsemble(vote_type="regression")
    assert ensemble.logic(np.array([[1.0, 3.0]]), np.array([0.5, 0.5])) == [2.0]
    assert ensemble.logic([[1, 3]], [0.25, 0.75]) == [2.5]


def test_extraction_may_be_overridden(ask, voting, outputs_of, routes_of):
    class Probable(VotingEnsemble):
        def extract_results_from_response(self, response):
            return [max(range(len(row)), key=row.__getitem__) for row in response["probabilities"]]

    routes = routes_of(
        a=Outputs(name="a", outputs={"probabilities": [[0.1, 0.9], [0.8, 0.2]]}),
        b=Outputs(name="b", outputs={"probabilities": [[0.3, 0.7], [0.9, 0.1]]}),
    )
    assert ask(voting(cls=Probable, routes=routes), ROWS, "infer").body["outputs"] == [1, 0]
    routes["c"] = routes_of(c=Outputs(name="c", outputs=[1, 2]))["c"]
    with pytest.raises(StepError, match="model 'c': TypeError") as caught:
        ask(voting(cls=Probable, routes=routes), ROWS, "infer")
    assert isinstance(caught.value.__cause__, TypeError)


def test_validate_may_be_overridden_and_what_it_raises_is_a_bad_request(ask, voting, routes_of):
    class Strict(VotingEnsemble):
        def validate(self, request, method=None):
            if len(request["inputs"]) > 1:
                raise ValueError(f"one row at a time by {method}")
            return {"inputs": [[7]]}

    class Sum(V2ModelServer):
        def predict(self, request):
            return [sum(row) for row in request["inputs"]]

    ensemble = voting(cls=Strict, routes=routes_of(a=Sum(name="a")))
    assert ask(ensemble, {"inputs": [[1]]}, "infer").body["outputs"] == [7]
    with pytest.raises(BadRequest, match="refuses the request: ValueError: one row at a time by POST") as caught:
        ask(ensemble, ROWS, "infer")
    assert isinstance(caught.value.__cause__, ValueError)


def test_do_event_may_be_overridden(ask, ensemble_of):
    class Counting(VotingEnsemble):
        asked = 0

        def do_event(self, event):
            self.asked += 1
            return super().do_event(event)

    ensemble = ensemble_of({"a": 1}, cls=Counting)
    ask(ensemble, ROWS, "infer")
    assert ensemble.asked == 1


def test_hooks_and_paths_work_as_in_every_router(ask, ensemble_of):
    class Hooked(VotingEnsemble):
        def preprocess(self, event):
            event.body = {"inputs": event.body["rows"]}
            return event

        def postprocess(self, event):
            event.body = event.body["outputs"]
            return event

    ensemble = ensemble_of({"a": 1}, cls=Hooked, input_path="in", result_path="out")
    assert ask(ensemble, {"in": {"rows": [1, 2]}}, "infer").body == {"in": {"rows": [1, 2]}, "out": [1, 1]}


# ---- failures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"inputs": 5}, {"rows": []}, None, [1]])
def test_a_request_without_inputs_is_a_bad_request(ask, ensemble_of, body):
    with pytest.raises(BadRequest, match="ensemble 'VotingEnsemble' expects") as caught:
        ask(ensemble_of({"a": 1}), body, "infer")
    assert caught.value.status == 400


def test_an_unknown_operation_names_those_there_are(ask, ensemble_of):
    with pytest.raises(BadRequest, match="no operation 'infr', did you mean 'infer'"):
        ask(ensemble_of({"a": 1}), ROWS, "VotingEnsemble/infr")
    with pytest.raises(ModelNotFound, match="no model 'infr'"):
        ask(ensemble_of({"a": 1}), ROWS, "/v2/models/infr")


def test_a_failing_model_fails_the_request_and_is_named(ask, voting, routes_of):
    ensemble = voting(routes=routes_of(a=Says(name="a", label=1), bad=Fails(name="bad")))
    with pytest.raises(StepError, match="route 'bad' failed: KeyError: 'no such column'") as caught:
        ask(ensemble, ROWS, "infer")
    assert caught.value.status == 500
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_model_that_is_not_ready_makes_the_ensemble_not_ready(ask, ensemble_of):
    ensemble = ensemble_of({"a": 1, "b": 1})
    ensemble.routes["b"].async_object.ready = False
    with pytest.raises(ModelNotReady, match="'b'") as caught:
        ask(ensemble, ROWS, "infer")
    assert caught.value.status == 503


@pytest.mark.parametrize(
    ("outputs", "found"),
    [
        ({"a": [1.0, 2.0], "b": [1.0, math.nan]}, "model 'b' answered nan for sample 1"),
        ({"a": [1.0, None], "b": [1.0, 2.0]}, "model 'a' answered None for sample 1"),
        ({"a": [1, 2], "b": [1]}, "answered different numbers of predictions for 2 inputs: 'a' 2, 'b' 1"),
        ({"a": [1, 2], "b": []}, "answered different numbers of predictions for 2 inputs: 'a' 2, 'b' 0"),
        ({"a": [], "b": []}, "no model answered a prediction for 2 inputs: 'a' 0, 'b' 0"),
        ({"a": [1, 2], "b": None}, "model 'b' must answer with a list of predictions, found nothing"),
        ({"a": [[1], [2]]}, "model 'a' answered a value of type list for sample 0"),
    ],
)
def test_predictions_that_cannot_be_voted_on_name_the_model(ask, outputs_of, outputs, found):
    with pytest.raises(StepError) as caught:
        ask(outputs_of(outputs), ROWS, "infer")
    assert found in str(caught.value)
    assert str(caught.value).startswith("ensemble 'VotingEnsemble'")
    assert caught.value.status == 500


def test_a_regression_needs_numbers(ask, outputs_of):
    with pytest.raises(StepError, match="model 'b' answered 'cat' for sample 0; a regression needs numbers"):
        ask(outputs_of({"a": [1, 2], "b": ["cat", 1]}, vote_type="regression"), ROWS, "infer")


def test_an_answer_without_outputs_names_the_model(ask, voting, routes_of):
    ensemble = voting(routes=routes_of(a=lambda body: {"output": [1]}))
    with pytest.raises(StepError, match="model 'a' answered without 'outputs', there is 'output'"):
        ask(ensemble, ROWS, "infer")


def test_an_ensemble_without_models_says_so(ask):
    ensemble = VotingEnsemble(name="e")
    ensemble.post_init()
    with pytest.raises(StepError, match="ensemble 'e' has no models"):
        ask(ensemble, ROWS, "infer")


def test_an_unknown_vote_type_is_refused_with_those_there_are():
    with pytest.raises(GraphError, match="vote_type is 'classification' or 'regression', found 'regress', did you"):
        VotingEnsemble(vote_type="regress")


def test_after_a_failure_the_ensemble_goes_on_serving(ask, voting, routes_of):
    class Sometimes(V2ModelServer):
        def predict(self, request):
            return [1 / row[0] for row in request["inputs"]]

    ensemble = voting(routes=routes_of(a=Sometimes(name="a"), b=Sometimes(name="b")))
    with pytest.raises(StepError, match="ZeroDivisionError"):
        ask(ensemble, {"inputs": [[0]]}, "infer")
    assert ask(ensemble, {"inputs": [[2]]}, "infer").body["outputs"] == [0.5]


# ---- partial votes ------------------------------------------------------------------------------------------


def test_partial_votes_renormalise_the_weights_and_are_reported(ask, voting, routes_of):
    routes = routes_of(a=Says(name="a", label=1.0), b=Says(name="b", label=4.0), bad=Fails(name="bad"))
    ensemble = voting(routes=routes, weights={"a": 2, "b": 1, "bad": 7}, allow_partial=True)
    answer = ask(ensemble, ROWS, "infer").body
    assert answer["outputs"] == pytest.approx([2.0, 2.0])
    assert list(answer["partial"]) == ["failed"]
    assert list(answer["partial"]["failed"]) == ["bad"]
    assert "no such column" in answer["partial"]["failed"]["bad"]


def test_a_complete_vote_reports_nothing(ask, ensemble_of):
    assert "partial" not in ask(ensemble_of({"a": 1}, allow_partial=True), ROWS, "infer").body


def test_a_model_with_unusable_predictions_is_left_out_of_a_partial_vote(ask, outputs_of):
    answer = ask(outputs_of({"a": [1.0, 2.0], "b": [math.nan, 2.0]}, allow_partial=True), ROWS, "infer").body
    assert answer["outputs"] == [1.0, 2.0]
    assert "answered nan" in answer["partial"]["failed"]["b"]


def test_a_model_with_another_number_of_predictions_is_left_out_of_a_partial_vote(ask, outputs_of):
    answer = ask(outputs_of({"a": [1.0, 2.0], "b": [3.0]}, allow_partial=True), ROWS, "infer").body
    assert answer["outputs"] == [1.0, 2.0]
    assert "model 'b' answered 1 predictions for 2 inputs" in answer["partial"]["failed"]["b"]
    with pytest.raises(StepError, match="model 'a' answered 3 predictions for 2 inputs"):
        ask(outputs_of({"a": [1, 2, 3], "b": []}, allow_partial=True), ROWS, "infer")


@pytest.mark.parametrize("vote_type", [None, "regression"])
def test_a_number_that_is_too_large_for_a_mean_is_told_with_its_model(ask, outputs_of, vote_type):
    ensemble = outputs_of({"a": [1.0, 2.0], "b": [3, 10**400]}, vote_type=vote_type)
    with pytest.raises(StepError, match=r"model 'b' answered a whole number for sample 1 that is too large"):
        ask(ensemble, ROWS, "infer")


def test_weights_whose_sum_is_too_large_count_by_their_shares(ask, outputs_of):
    ensemble = outputs_of({"a": [1.0, 2.0], "b": [3.0, 4.0]}, weights={"a": 1.5e308, "b": 1.5e308})
    assert ask(ensemble, ROWS, "infer").body["outputs"] == [2.0, 3.0]


def test_weights_that_are_changed_in_place_count_and_are_checked(ask, outputs_of):
    ensemble = outputs_of({"a": [1.0, 2.0], "b": [3.0, 4.0]}, weights={"a": 1, "b": 0})
    assert ask(ensemble, ROWS, "infer").body["outputs"] == [1.0, 2.0]
    ensemble.weights["b"] = 1
    assert ask(ensemble, ROWS, "infer").body["outputs"] == [2.0, 3.0]
    ensemble.weights["b"] = -1
    with pytest.raises(GraphError, match="the weight of 'b' must be a finite number, not negative, found -1"):
        ask(ensemble, ROWS, "infer")


def test_a_partial_vote_needs_someone(ask, voting, routes_of):
    ensemble = voting(routes=routes_of(x=Fails(name="x"), y=Fails(name="y")), allow_partial=True)
    with pytest.raises(StepError, match="route 'x' failed"):
        ask(ensemble, ROWS, "infer")


def test_a_partial_vote_needs_someone_with_a_weight(ask, voting, routes_of):
    routes = routes_of(a=Says(name="a", label=1), bad=Fails(name="bad"))
    ensemble = voting(routes=routes, weights={"bad": 1}, allow_partial=True)
    with pytest.raises(StepError, match="none of the models that answered has a weight: 'a'"):
        ask(ensemble, ROWS, "infer")


# ---- isolation, threads, tracking ---------------------------------------------------------------------------


def test_a_model_never_sees_what_another_does_to_the_body(ask, voting, routes_of):
    class Greedy(V2ModelServer):
        def predict(self, request):
            request["inputs"][0].append(100)
            return [sum(row) for row in request["inputs"]]

    class Sum(V2ModelServer):
        def predict(self, request):
            return [sum(row) for row in request["inputs"]]

    body = {"inputs": [[1], [2]]}
    before = copy.deepcopy(body)
    ensemble = voting(routes=routes_of(g=Greedy(name="g"), s=Sum(name="s")), vote_type="regression")
    assert ask(ensemble, body, "infer").body["outputs"] == [51.0, 2.0]
    assert body == before


def test_requests_from_many_threads_do_not_mix(voting, routes_of):
    class Times(V2ModelServer):
        def predict(self, request):
            return [x * self.get_param("by") for x in request["inputs"]]

    ensemble = voting(routes=routes_of(a=Times(name="a", by=1.0), b=Times(name="b", by=3.0)), weights={"a": 1, "b": 1})

    def one(number):
        answer = ensemble.do_event(Event({"inputs": [number] * (number % 5), "id": number}, path="infer")).body
        return answer["id"], answer["outputs"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(400))) == [(n, [2.0 * n] * (n % 5)) for n in range(400)]


class Records:
    def __init__(self):
        self.all = []

    def push(self, data, **kwargs):
        self.all.extend(data)


@pytest.fixture
def tracked(make_context):
    context = make_context()
    context.is_mock = True  # records are pushed one by one
    context.stream = StreamContext(Records(), "p/f")
    return context


def test_the_ensemble_s_answer_is_recorded(ask, voting, routes_of, tracked):
    ensemble = voting(context=tracked, routes=routes_of(a=Says(tracked, "a", label=1), b=Says(tracked, "b", label=1)))
    ask(ensemble, ROWS, "infer", event_id="e")
    records = tracked.stream.output_stream.all
    assert [record["model"] for record in records] == ["a", "b", "VotingEnsemble"]
    assert records[-1]["request"] == {"inputs": [[1], [2]], "id": "e"}
    assert records[-1]["resp"]["outputs"] == [1, 1]
    assert records[-1]["op"] == "infer"
    ask(ensemble, ROWS, "a/infer")  # the model's own business
    assert [record["model"] for record in records[3:]] == ["a"]


def test_a_failing_vote_is_recorded_with_its_error(ask, voting, routes_of, tracked):
    ensemble = voting(context=tracked, routes=routes_of(a=Outputs(name="a", outputs=[math.nan])))
    with pytest.raises(StepError):
        ask(ensemble, {"inputs": [1], "id": "mine"}, "infer")
    (record,) = tracked.stream.output_stream.all
    assert record["request"]["id"] == "mine"
    assert "answered nan" in record["error"]


# ---- in a graph ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["array", "thread", "process"])
def test_every_executor_gives_the_same_vote(executor):
    server = graphkit.create_graph_server()
    ensemble = VotingEnsemble(name="zoo", executor_type=executor, weights={"a": 1, "b": 3})
    server.set_topology("router", ensemble, exist_ok=True)
    server.add_model("a", class_name=Says, label="cat")
    server.add_model("b", class_name=Says, label="dog")
    for _ in range(2):
        assert server.test("/v2/models/infer", {"inputs": [1]})["outputs"] == ["dog"]
    assert server.test("/v2/models/", method="GET") == {"models": ["a", "b", "zoo"], "weights": {"a": 1, "b": 3}}
    server.wait_for_completion()


def test_a_failing_model_fails_the_graph_s_request_with_the_step_s_name():
    server = graphkit.create_graph_server(graph=graphkit.new_router("VotingEnsemble"))
    server.add_model("a", class_name=Says, label=1)
    server.add_model("bad", class_name=Fails)
    with pytest.raises(RuntimeError, match="bad"):
        server.test("/v2/models/infer", {"inputs": [1]})
    response = server.test("/v2/models/infer", {"inputs": [1]}, silent=True)
    assert response.status_code == 500
    assert server.test("/v2/models/a/infer", {"inputs": [1]})["outputs"] == [1]
    server.wait_for_completion()


@pytest.mark.parametrize("executor", ["array", "thread"])
def test_a_route_s_own_handler_votes(executor):
    class Other(Says):
        def louder(self, body):
            return {"outputs": [self.get_param("label").upper() for _ in body["inputs"]]}

    server = graphkit.create_graph_server(graph=graphkit.new_router("VotingEnsemble", executor_type=executor))
    server.add_model("a", class_name=Other, label="cat", handler="louder")
    answer = server.run(Event({"inputs": [1]}, path="/v2/models/infer"), get_body=True)
    assert answer["outputs"] == ["CAT"]
    server.wait_for_completion()


def test_bad_weights_are_told_when_the_graph_is_bound():
    server = graphkit.create_graph_server(graph=graphkit.new_router("VotingEnsemble", weights={"a": 1, "bb": -1}))
    server.add_model("a", class_name=Says, label=1)
    with pytest.raises(GraphError, match="the weight of 'bb' is for no model"):
        server.init()


def test_other_weights_decide_otherwise_at_once(ensemble_of):
    ensemble = ensemble_of({"first": "a", "second": "b", "third": "b"})
    request = {"inputs": [1]}
    keys = list(ensemble.routes)

    def ask():
        return ensemble.do_event(Event(dict(request), path="/v2/models/infer", method="POST")).body["outputs"]

    assert ask() == ask() == ["b"]
    ensemble.weights = {keys[0]: 3, keys[1]: 1, keys[2]: 1}
    assert ask() == ask() == ["a"]
