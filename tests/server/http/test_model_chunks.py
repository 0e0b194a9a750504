"""Models that yield, over HTTP: an answer for each chunk where the client takes chunks, else one with all of them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from graphkit import BadRequest, GraphServer, V2ModelServer, create_graph_server, new_flow
from graphkit.server.settings import Settings
from tests.server.http.served import AsyncParts, Parts, parts

Ask = Callable[..., httpx.Response]
EVENTS = {"accept": "text/event-stream"}
LINES = {"accept": "application/x-ndjson"}
BOTH = pytest.mark.parametrize("model", ["plain", "later"])


def events(found: httpx.Response) -> list[Any]:
    assert found.status_code == 200, found.text
    assert found.headers["content-type"] == "text/event-stream"
    return [json.loads(part.removeprefix("data: ")) for part in found.text.split("\n\n") if part]


def served(kind: Any, **class_args: Any) -> GraphServer:
    server = create_graph_server()
    server.add_model("m", class_name=kind, **class_args)
    return server


@BOTH
@pytest.mark.parametrize("metrics", ["off", "steps"])
def test_each_chunk_is_an_answer_of_its_own(asked: Ask, model: str, metrics: str) -> None:
    body = {"id": "7", "inputs": ["a", {"b": 1}, [2, 3]]}
    settings = Settings(metrics=metrics, log_steps=metrics == "steps")
    path = f"/v2/models/{model}/infer"
    found = events(asked(parts, "POST", path, settings, json=body, headers=EVENTS))
    assert [(answer["id"], answer["model_name"]) for answer in found] == [("7", model)] * 3
    assert all("timestamp" in answer for answer in found)
    assert [answer["outputs"] for answer in found] == [["a"], [{"b": 1}], [[2, 3]]]
    # one after the other they are the outputs of the answer that has all of them
    whole = asked(parts, "POST", path, settings, json=body).json()
    assert whole["outputs"] == [chunk for answer in found for chunk in answer["outputs"]]
    assert whole["outputs"] == parts.test(path, body)["outputs"]


@BOTH
def test_the_client_says_which_form_it_wants(asked: Ask, model: str) -> None:
    path, body = f"/v2/models/{model}/infer", {"inputs": [1, 2]}
    found = asked(parts, "POST", path, json=body, headers=LINES)
    assert found.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["outputs"] for line in found.text.splitlines()] == [[1], [2]]
    for accept in ("*/*", "application/json", ""):
        found = asked(parts, "POST", path, json=body, headers={"accept": accept})
        assert (found.headers["content-type"], found.json()["outputs"]) == ("application/json", [1, 2])
    assert events(asked(parts, "POST", path, json={"inputs": []}, headers=EVENTS)) == []


def test_explanations_come_in_chunks_too(asked: Ask) -> None:
    found = events(asked(parts, "POST", "/v2/models/plain/explain", json={"inputs": [1, 2]}, headers=EVENTS))
    assert [answer["outputs"] for answer in found] == [[2], [1]]


def test_a_model_that_yields_nothing_answers_as_ever(asked: Ask) -> None:
    found = asked(parts, "POST", "/v2/models/linear/infer", json={"inputs": [[1, 2]]}, headers=EVENTS)
    assert (found.headers["content-type"], found.json()["outputs"]) == ("application/json", [21.0])


@BOTH
def test_tensors_are_answered_by_tensors(asked: Ask, model: str) -> None:
    tensor = {"name": "x", "shape": [2], "datatype": "BYTES", "data": ["a\x00", "ä"]}
    body = {"id": "7", "inputs": [tensor], "parameters": {"binary_data_output": True}}
    found = events(asked(parts, "POST", f"/v2/models/{model}/infer", json=body, headers=EVENTS))
    output = {"name": "output_0", "shape": [1], "datatype": "BYTES"}
    assert found == [
        {"model_name": model, "outputs": [{**output, "data": [text]}], "id": "7"} for text in ("a\x00", "ä")
    ]


def test_a_step_that_yields_is_answered_by_tensors(asked: Ask) -> None:
    def count(body: Any) -> Any:
        yield from body["inputs"]

    graph = new_flow("count")
    graph.to(count, name="step").respond()
    tensor = {"name": "x", "shape": [2], "datatype": "INT64", "data": [1, 2]}
    found = events(asked(graph, "POST", "/v2/models/count/infer", json={"inputs": [tensor]}))
    assert [answer["outputs"][0]["data"] for answer in found] == [[1], [2]]


@BOTH
def test_a_failure_before_the_first_chunk_has_a_status(asked: Ask, model: str) -> None:
    body = {"inputs": [1], "fail_at": 0}
    found = asked(parts, "POST", f"/v2/models/{model}/infer", json=body, headers=EVENTS)
    told = f"the answer broke off: model '{model}' failed: ValueError: no more"
    assert (found.status_code, found.json()) == (500, {"error": told})


def test_a_refusal_before_the_first_chunk_keeps_its_status(asked: Ask) -> None:
    class Refuses(V2ModelServer):
        def load(self) -> None: ...

        def predict(self, request: Any) -> Any:
            raise BadRequest("not today")
            yield

    found = asked(served(Refuses), "POST", "/m/infer", json={"inputs": [1]}, headers=EVENTS)
    assert (found.status_code, found.json()) == (400, {"error": "the answer broke off: not today"})


@BOTH
def test_a_later_failure_is_the_last_event(asked: Ask, model: str) -> None:
    body = {"inputs": [1, 2], "fail_at": 1}
    found = asked(parts, "POST", f"/v2/models/{model}/infer", json=body, headers=EVENTS)
    first, last, _ = found.text.split("\n\n")
    assert json.loads(first.removeprefix("data: "))["outputs"] == [1]
    told = f"the answer broke off: model '{model}' failed: ValueError: no more"
    assert last == "event: error\ndata: " + json.dumps({"error": told}, separators=(",", ":"))
    whole = asked(parts, "POST", f"/v2/models/{model}/infer", json=body)
    assert (whole.status_code, whole.text) == (500, f"step '{model}' failed: ValueError: no more")


@pytest.mark.parametrize("kind", [Parts, AsyncParts])
@pytest.mark.parametrize("headers", [EVENTS, {}])
def test_a_chunk_that_takes_too_long_ends_the_answer(asked: Ask, kind: Any, headers: Any) -> None:
    body = {"inputs": [1], "pause_s": 1}
    found = asked(served(kind), "POST", "/m/infer", Settings(timeout_s=0.1), json=body, headers=headers)
    assert found.status_code == 504


# ---- where something comes after the model ------------------------------------------------------------------


class Counted(Parts):
    """Counts its outputs."""

    def postprocess(self, response: Any) -> Any:
        return {**response, "count": len(response["outputs"])}


class CountedLater(Counted):
    """Does it asynchronously."""

    async def postprocess(self, response: Any) -> Any:  # type: ignore[override]  # any hook may be async
        await asyncio.sleep(0)
        return Counted.postprocess(self, response)


class BothLater(CountedLater, AsyncParts):
    """Is asynchronous throughout."""


@pytest.mark.parametrize("kind", [Counted, BothLater])
def test_each_answer_is_postprocessed(asked: Ask, kind: Any) -> None:
    found = events(asked(served(kind), "POST", "/m/infer", json={"inputs": [5, 6]}, headers=EVENTS))
    assert [(answer["outputs"], answer["count"]) for answer in found] == [([5], 1), ([6], 1)]


def test_a_plain_generator_cannot_wait_for_what_is_postprocessed_later(asked: Ask) -> None:
    found = asked(served(CountedLater), "POST", "/m/infer", json={"inputs": [5, 6]}, headers=EVENTS).json()
    assert (found["outputs"], found["count"]) == ([5, 6], 2)


def test_a_flow_whose_last_step_is_the_model_answers_in_chunks(asked: Ask) -> None:
    graph = new_flow("flow")
    first = graph.to(name="more", handler="({'inputs': event['inputs'] + [3]})")
    first.to(Parts, name="m").respond()
    found = events(asked(graph, "POST", "/", json={"inputs": [1]}, headers=EVENTS))
    assert [answer["outputs"] for answer in found] == [[1], [3]]


def test_so_does_one_that_ends_in_a_router(asked: Ask) -> None:
    graph = new_flow("flow")
    graph.to(name="same", handler="(event)").to("*", name="models").respond()
    graph["models"].add_route("m", class_name=AsyncParts)
    found = events(asked(graph, "POST", "/v2/models/m/infer", json={"inputs": [1, 2]}, headers=EVENTS))
    assert [answer["outputs"] for answer in found] == [[1], [2]]


@pytest.mark.parametrize("kind", [Parts, AsyncParts])
def test_steps_that_follow_get_all_of_it(asked: Ask, kind: Any) -> None:
    graph = new_flow("flow")
    graph.to(kind, name="m").to(name="sum", handler="({'sum': sum(event['outputs'])})").respond()
    assert asked(graph, "POST", "/", json={"inputs": [1, 2]}, headers=EVENTS).json() == {"sum": 3}


def test_an_answer_that_goes_into_the_body_is_whole(asked: Ask) -> None:
    graph = new_flow("flow")
    graph.to(Parts, name="m", result_path="found").respond()
    found = asked(graph, "POST", "/", json={"inputs": [1, 2]}, headers=EVENTS).json()
    assert (found["inputs"], found["found"]["outputs"]) == ([1, 2], [1, 2])


def test_a_vote_is_one_answer(asked: Ask) -> None:
    server = create_graph_server()
    server.set_topology("router", "VotingEnsemble", name="vote", exist_ok=True)
    for key in "ab":
        server.add_model(key, class_name=Parts)
    for path in ("vote/infer", "a/infer"):
        found = asked(server, "POST", f"/v2/models/{path}", json={"inputs": [1, 2]}, headers=EVENTS)
        assert found.json()["outputs"] == [1, 2]


# ---- what is known afterwards -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Parts, AsyncParts])
def test_tracking_knows_all_chunks_and_how_it_ended(asked: Ask, kind: Any) -> None:
    server = served(kind)
    server.track_models = True
    for body in ({"id": "1", "inputs": [1, 2]}, {"id": "2", "inputs": [1, 2], "fail_at": 1}):
        asked(server, "POST", "/m/infer", json=body, headers=EVENTS)
    good, bad = server.context.stream.output_stream.read()
    assert (good["request"]["id"], good["resp"]["outputs"], "error" in good) == ("1", [1, 2], False)
    assert (bad["request"]["id"], bad["resp"], bad["error"]) == ("2", None, "ValueError: no more")


def test_tracking_knows_that_nobody_wanted_the_rest() -> None:
    server = served(Parts)
    server.track_models = True
    server.init()
    from graphkit import Event

    event = Event({"inputs": [1, 2, 3]}, path="m/infer", method="POST")
    event._chunked = server._last_models()
    answers = server.run(event, get_body=True)
    assert next(answers)["outputs"] == [1]
    answers.close()
    server.flush()
    (record,) = server.context.stream.output_stream.read()
    assert (record["resp"]["outputs"], record["error"]) == ([1], "nobody wanted more than 1 chunks")


# ---- real servers -------------------------------------------------------------------------------------------


@BOTH
def test_a_chunk_arrives_before_the_next_one_is_made(serving: Callable[..., Any], tmp_path: Path, model: str) -> None:
    served, go_on = serving("parts"), tmp_path / "go on"
    body = {"inputs": [1, 2], "wait_for": str(go_on)}
    url = f"{served.url}/v2/models/{model}/infer"
    with httpx.stream("POST", url, json=body, headers=EVENTS, timeout=60) as answer:
        pieces = answer.iter_text()
        text = next(pieces)
        assert '"outputs":[1]' in text
        go_on.touch()
        text += "".join(pieces)
    assert '"outputs":[2]' in text


def test_a_client_that_leaves_ends_the_model(serving: Callable[..., Any], tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    served = serving("parts", environment={"TEST_TAKEN": str(closed)})
    body = {"inputs": [0] * 10**5, "pause_s": 0.01}
    url = f"{served.url}/v2/models/later/infer"
    with httpx.stream("POST", url, json=body, headers=EVENTS, timeout=60) as answer:
        next(answer.iter_text())
    end = time.monotonic() + 60
    while not closed.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert closed.exists()
