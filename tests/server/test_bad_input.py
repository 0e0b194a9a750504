"""Bad input: each a clear error with its status, and the server goes on serving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from graphkit import (
    BadRequest,
    Event,
    FlowStep,
    GraphError,
    GraphServer,
    ModelNotFound,
    ModelNotReady,
    Response,
    StepError,
    V2ModelServer,
    create_graph_server,
    new_flow,
)


class Model(V2ModelServer):
    """A model that does what its input says."""

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        first = request["inputs"][0] if request["inputs"] else None
        if first == "raise":
            raise ZeroDivisionError("no")
        answers: dict[Any, Any] = {"nan": [float("nan")], "empty": [], "odd": object(), "none": None, "text": "x"}
        return answers.get(first, request["inputs"])


class Picky(Model):
    def validate(self, request: Any, operation: str) -> Any:
        if request["inputs"] == ["picky"]:
            raise KeyError("colour")
        return super().validate(request, operation)


class Broken(Model):
    def load(self) -> None:
        raise OSError("no such file")


def router() -> GraphServer:
    server = create_graph_server()
    server.add_model("m", class_name=Model)
    server.add_model("v:1", class_name=Model)
    server.add_model("picky", class_name=Picky)
    server.add_model("broken", class_name=Broken)
    return server


def in_a_flow(engine: str) -> Callable[[], GraphServer]:
    def make() -> GraphServer:
        flow = new_flow(engine=engine)
        flow.to("*", name="models").respond()
        flow["models"].add_route("m", class_name=Model)
        flow["models"].add_route("v:1", class_name=Model)
        flow["models"].add_route("picky", class_name=Picky)
        flow["models"].add_route("broken", class_name=Broken)
        server: GraphServer = flow.to_mock_server()
        return server

    return make


@pytest.fixture(scope="module", params=["router", "sync", "async"])
def server(request: pytest.FixtureRequest) -> GraphServer:
    """Return one server for all tests, so that what breaks it in one is seen in the others."""
    return router() if request.param == "router" else in_a_flow(request.param)()


GOOD = {"inputs": [1, 2]}
BAD: dict[str, tuple[dict[str, Any], type[StepError], int, str | None]] = {
    "broken json": ({"path": "m/infer", "body": "{", "content_type": "application/json"}, BadRequest, 400, "JSON"),
    "json that is cut off": ({"path": "m/infer", "body": '{"inputs": [1'}, BadRequest, 400, "is no JSON .*truncated"),
    "json that curl sends as a form": (
        {"path": "m/infer", "body": b'{"inputs": [1,]}', "content_type": "application/x-www-form-urlencoded"},
        BadRequest, 400, "found a value of type bytes; the body is no JSON",
    ),
    "text": ({"path": "m/infer", "body": "hello"}, BadRequest, 400, None),
    "no inputs": ({"path": "m/infer", "body": {"x": 1}}, BadRequest, 400, "inputs"),
    "inputs that are no list": ({"path": "m/infer", "body": {"inputs": 5}}, BadRequest, 400, "inputs"),
    "a list": ({"path": "m/infer", "body": [1]}, BadRequest, 400, None),
    "a number": ({"path": "m/infer", "body": 5}, BadRequest, 400, None),
    "nothing": ({"path": "m/infer", "method": "POST"}, BadRequest, 400, None),
    "what validate refuses": ({"path": "picky/infer", "body": {"inputs": ["picky"]}}, BadRequest, 400, "colour"),
    "unknown model": ({"path": "n/infer", "body": GOOD}, ModelNotFound, 404, "no model 'n'"),
    "unknown operation": ({"path": "m/inver", "body": GOOD}, BadRequest, 400, "has no operation 'inver'"),
    "unknown version": ({"path": "v/versions/2/infer", "body": GOOD}, ModelNotFound, 404, "no version '2'"),
    "no version": ({"path": "v/infer", "body": GOOD}, ModelNotFound, 404, "by version only"),
    "unknown prefix": ({"path": "/v3/models/m/infer", "body": GOOD}, ModelNotFound, 404, "v3"),
    "model that did not load": ({"path": "broken/infer", "body": GOOD}, ModelNotReady, 503, "no such file"),
    "model that did not load, ready": ({"path": "broken/ready", "method": "GET"}, StepError, 408, None),
    "a step that raises": ({"path": "m/infer", "body": {"inputs": ["raise"]}}, StepError, 500, "ZeroDivisionError: no"),
    "what cannot be sent": (
        {"path": "m/infer", "body": {"inputs": ["odd"]}, "get_body": False}, StepError, 500,
        "the answer of model 'm' cannot be sent: a value of type object",
    ),
    "a model of the body that is no text": ({"path": "/", "body": {**GOOD, "model": 5}}, BadRequest, 400, "model"),
    "an operation that is no text": (
        {"path": "/m", "body": {**GOOD, "operation": [1]}}, BadRequest, 400, "operation",
    ),
    "a file of the server": ({"path": "m/infer", "body": {"data_url": "/etc/passwd"}}, StepError, 400, "not allowed"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_each_is_a_clear_error_and_the_server_goes_on(server: GraphServer, name: str) -> None:
    request, kind, status, told = BAD[name]
    with pytest.raises(kind, match=told) as caught:
        server.test(**request)
    assert caught.value.status == status
    assert str(caught.value).strip()
    answer = server.test(**request, silent=True)
    assert (answer.status_code, type(answer)) == (status, Response)
    event = Event(
        request.get("body"), request.get("content_type"), None, request.get("method", "POST"), request["path"]
    )
    assert server.run(event).status_code == status
    assert server.test("m/infer", GOOD)["outputs"] == [1, 2]


@pytest.mark.parametrize(("given", "outputs"), [("empty", "[]"), ("nan", "[null]"), ("none", "null"), ("text", '"x"')])
def test_odd_predictions_are_sent_as_they_are(server: GraphServer, given: str, outputs: str) -> None:
    response = server.test("m/infer", {"inputs": [given]}, get_body=False)
    assert response.status_code == 200
    assert f'"outputs":{outputs}' in response.body


def test_a_step_that_fails_on_text_says_that_it_was_no_json() -> None:
    graph = new_flow()
    graph.to(name="first", handler="(event['ids'][0])")
    server = graph.to_mock_server()
    with pytest.raises(
        StepError, match=r"^step 'first'.*; the body is no JSON \(.*\), so it was taken as it came$"
    ) as caught:
        server.test(body='{"ids": [1, 2')
    assert (caught.value.step, caught.value.__cause__ is not None) == ("first", True)
    response = server.test(body="no list", silent=True)
    assert "no JSON" not in response.body


@pytest.mark.parametrize("given", [5, b"/v2", ["a"], {}, []])
@pytest.mark.parametrize("field", ["path", "headers"])
def test_a_path_that_is_no_text_and_headers_that_are_no_dict_are_told(
    server: GraphServer, field: str, given: Any
) -> None:
    if field == "headers" and given == {}:
        given = [("a", "b")]
    event = Event({"inputs": [1]}, **{field: given})
    wanted = {
        "path": "path is a text such as '/v2/models/iris/infer'",
        "headers": "headers are a dict of names and values",
    }
    for answer in (server.run(event), asyncio.run(server.run_async(event))):
        assert answer.status_code == 400
        assert answer.body == f"an event's {wanted[field]}, found a value of type {type(given).__name__}"


@pytest.mark.parametrize("handled", [False, True])
def test_a_flow_without_steps_is_told_before_anything_runs(handled: bool) -> None:
    graph = new_flow()
    graph.to(str, name="first").to(name="second", handler="no_such_function")
    flow = graph.add_step(FlowStep("inner"), after="first")
    if handled:
        flow.error_handler("sorry", handler=str)
    with pytest.raises(GraphError) as caught:
        graph.to_mock_server(namespace={}).init()
    assert [problem.partition("'")[2].partition("'")[0] for problem in caught.value.problems] == ["second", "inner"]
    assert "step 'inner': the flow has no steps: add some with flow.to(...)" in str(caught.value)
    alone = new_flow()
    alone.error_handler("sorry", handler=str)
    with pytest.raises(GraphError, match=r"^the graph has no steps"):
        alone.to_mock_server().init()


def test_empty_inputs_are_legal(server: GraphServer) -> None:
    assert server.test("m/infer", {"inputs": []})["outputs"] == []


# ---- ensembles ----------------------------------------------------------------------------------------------------


def ensemble(executor_type: str = "thread", **args: Any) -> GraphServer:
    server = GraphServer()
    server.set_topology("router", "VotingEnsemble", vote_type="regression", executor_type=executor_type, **args)
    for key in "abc":
        server.add_model(key, class_name=Model)
    return server


@pytest.mark.parametrize("executor_type", ["array", "thread"])
def test_a_failing_member_fails_the_vote(executor_type: str) -> None:
    server = ensemble(executor_type)
    server.add_model("d", class_name=Broken)
    for body, told in ((GOOD, "no such file"), ({"inputs": ["raise"]}, "ZeroDivisionError|no such file")):
        with pytest.raises(StepError, match=told) as caught:
            server.test("/infer", body)
        assert caught.value.status in (500, 503)
    del server.graph["d"]
    assert server.test("/infer", GOOD)["outputs"] == [1, 2]
    server.wait_for_completion()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("empty", "no model answered a prediction"),
        ("nan", "answered nan for sample 0, which cannot be voted on"),
        ("none", "must answer with a list of predictions, found nothing"),
        ("text", "must answer with a list of predictions, found a value of type str"),
        ("odd", "must answer with a list of predictions, found a value of type object"),
    ],
)
def test_predictions_that_cannot_be_voted_on_are_told(given: str, told: str) -> None:
    server = ensemble("array")
    with pytest.raises(StepError, match=f"ensemble 'VotingEnsemble': .*{told}") as caught:
        server.test("/infer", {"inputs": [given]})
    assert caught.value.status == 500
    assert server.test("/infer", GOOD)["outputs"] == [1, 2]


@pytest.mark.parametrize(
    "weights", [{"a": -1, "b": 1, "c": 1}, {"a": 0, "b": 0, "c": 0}, {"a": 1, "nobody": 1}, {"a": "x"}, 5], ids=str
)
def test_weights_that_make_no_sense_are_told(weights: Any) -> None:
    server = ensemble("array", weights=weights)
    answer = server.test("/infer", GOOD, silent=True)
    assert answer.status_code == 500
    assert "weight" in answer.body
    server.graph.class_args["weights"] = {"a": 1, "b": 0, "c": 0}
    assert server.test("/infer", GOOD)["outputs"] == [1, 2]
