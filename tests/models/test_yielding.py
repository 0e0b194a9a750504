"""Models that yield: everything that goes on with an answer gets all chunks, in a list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from graphkit import BadRequest, Event, GraphError, GraphServer, StepError, V2ModelServer, create_graph_server, new_flow


class Plain(V2ModelServer):
    """Yields twice of what it gets, and fails at what is negative."""

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        for number in request["inputs"]:
            if number < 0:
                raise self.get_param("error", ValueError)("no more")
            yield 2 * number

    def explain(self, request: Any) -> Any:
        yield from request["inputs"]


class Async(V2ModelServer):
    """Does the same, asynchronously."""

    def load(self) -> None: ...

    async def predict(self, request: Any) -> Any:
        for number in request["inputs"]:
            await asyncio.sleep(0)
            if number < 0:
                raise self.get_param("error", ValueError)("no more")
            yield 2 * number

    async def explain(self, request: Any) -> Any:
        for number in request["inputs"]:
            yield number


class Returns(V2ModelServer):
    """Returns a generator, once it has waited."""

    def load(self) -> None: ...

    async def predict(self, request: Any) -> Any:
        def double() -> Iterator[int]:
            for number in request["inputs"]:
                if number < 0:
                    raise self.get_param("error", ValueError)("no more")
                yield 2 * number

        await asyncio.sleep(0)
        return double()

    async def explain(self, request: Any) -> Any:
        async def same() -> AsyncIterator[int]:
            for number in request["inputs"]:
                yield number

        return same()


class Listed(V2ModelServer):
    """Does the same without yielding."""

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return [2 * number for number in request["inputs"]]


class Hooked(Plain):
    """Has hooks of its own."""

    def preprocess(self, request: Any, operation: str) -> Any:
        return {**request, "inputs": [number + 1 for number in request["inputs"]]}

    def postprocess(self, response: Any) -> Any:
        return {**response, "count": len(response["outputs"])}


KINDS = pytest.mark.parametrize("kind", [Plain, Async, Returns])


def served(kind: Any, **class_args: Any) -> GraphServer:
    server = create_graph_server()
    server.add_model("m", class_name=kind, **class_args)
    return server


@KINDS
def test_outputs_are_a_list_of_all_chunks(kind: Any) -> None:
    server = served(kind)
    body = {"id": "7", "inputs": [1, 2]}
    for _ in range(2):  # also once it is known that the graph awaits
        answer = server.test("m/infer", body)
        assert (answer["id"], answer["model_name"], answer["outputs"]) == ("7", "m", [2, 4])
        assert server.test("m/explain", body)["outputs"] == [1, 2]
        event = Event(body, path="m/infer", method="POST")
        assert server.run(event, get_body=True)["outputs"] == [2, 4]
        assert json.loads(server.run(event).body)["outputs"] == [2, 4]
        assert asyncio.run(server.run_async(event, get_body=True))["outputs"] == [2, 4]
    server.wait_for_completion()


@KINDS
def test_a_record_has_all_chunks(kind: Any) -> None:
    server = served(kind)
    server.test("m/infer", {"inputs": [1, 2]})
    assert server.last_run is not None
    assert server.last_run.answer["outputs"] == [2, 4]
    assert [step.output["outputs"] for step in server.last_run.steps] == [[2, 4], [2, 4]]
    server.wait_for_completion()


@KINDS
@pytest.mark.parametrize(("error", "status"), [(ValueError, 500), (BadRequest, 400)])
def test_a_failure_between_chunks_is_one_of_the_step(kind: Any, error: Any, status: int) -> None:
    server = served(kind, error=error)
    with pytest.raises(StepError, match=r"step 'm'.*no more") as caught:
        server.test("m/infer", {"inputs": [1, -1]})
    assert (caught.value.status, caught.value.step) == (status, "m")
    answer = server.run(Event({"inputs": [1, -1]}, path="m/infer", method="POST"))
    assert (answer.status_code, answer.body) == (status, caught.value.message)
    server.wait_for_completion()


def test_hooks_get_all_of_it_and_versions_stay() -> None:
    server = create_graph_server()
    server.add_model("m:3", class_name=Hooked)
    answer = server.test("m/versions/3/infer", {"inputs": [1, 2]})
    assert (answer["model_version"], answer["outputs"], answer["count"]) == ("3", [4, 6], 2)


@KINDS
def test_the_tracking_record_has_all_chunks(kind: Any) -> None:
    server = served(kind)
    server.track_models = True
    server.test("m/infer", {"id": "1", "inputs": [1, 2]})
    server.test("m/infer", {"id": "2", "inputs": [1, -2]}, silent=True)
    server.wait_for_completion()
    good, bad = server.context.stream.output_stream.read()
    assert (good["resp"]["outputs"], good["microsec"] > 0, "error" in good) == ([2, 4], True, False)
    assert (bad["resp"], bad["error"]) == (None, "ValueError: no more")


@pytest.mark.parametrize("kind", [Plain, Async])
def test_requests_cannot_share_what_is_yielded(kind: Any) -> None:
    with pytest.raises(GraphError, match="model 'm': predict yields, so that requests cannot share a call"):
        served(kind, max_batch_size=8).init()


@pytest.mark.parametrize("later", [False, True])
def test_a_generator_that_a_batch_returns_is_refused(later: bool) -> None:
    class Hidden(Plain):
        def predict(self, request: Any) -> Any:
            chunks = super().predict(request)

            async def wait() -> Any:
                return chunks

            return wait() if later else chunks

    server = served(Hidden, max_batch_size=8)
    with pytest.raises(StepError, match="model 'm': predict yields, so that requests cannot share a call"):
        server.test("m/infer", {"inputs": [1]})
    server.wait_for_completion()


@pytest.mark.parametrize("executor", ["array", "thread", "process"])
def test_an_ensemble_votes_on_all_chunks(executor: str) -> None:
    server = create_graph_server()
    server.set_topology("router", "VotingEnsemble", name="vote", exist_ok=True, executor_type=executor)
    for key, kind in {"a": Plain, "b": Listed, "c": Listed}.items():
        server.add_model(key, class_name=kind)
    assert server.test("vote/infer", {"inputs": [1, 2]})["outputs"] == [2, 4]
    assert server.run(Event({"inputs": [1, 2]}, path="infer", method="POST"), get_body=True)["outputs"] == [2, 4]
    assert server.test("a/infer", {"inputs": [1, 2]})["outputs"] == [2, 4]
    server.wait_for_completion()


@KINDS
@pytest.mark.parametrize("executor", ["array", "thread"])
def test_an_ensemble_waits_for_chunks_and_names_who_failed(kind: Any, executor: str) -> None:
    server = create_graph_server()
    server.set_topology("router", "VotingEnsemble", name="vote", exist_ok=True, executor_type=executor)
    for key, of in {"a": kind, "b": Plain}.items():
        server.add_model(key, class_name=of)
    for body, expected in (({"inputs": [1, 2]}, [2, 4]), ({"inputs": []}, [])):
        event = Event(body, path="infer", method="POST")
        assert server.run(event, get_body=True)["outputs"] == expected
    failed = server.run(Event({"inputs": [1, -1]}, path="infer", method="POST"))
    assert (failed.status_code, "step 'a' failed: ValueError: no more" in failed.body) == (500, True)
    server.wait_for_completion()


def test_results_are_merged_with_all_chunks() -> None:
    server = create_graph_server()
    server.set_topology("router", "ParallelRun", exist_ok=True)
    for key in "ab":
        server.add_model(key, class_name=Plain)
    assert server.test("/v2/models/infer", {"inputs": [1, 2]})["outputs"] == [2, 4]
    server.wait_for_completion()


@KINDS
@pytest.mark.parametrize("engine", ["sync", "async"])
def test_steps_behind_a_model_get_all_chunks(kind: Any, engine: str) -> None:
    graph = new_flow("flow", engine=engine)
    graph.to(kind, name="m").to(name="sum", handler="(sum(event['outputs']))").respond()
    server = graph.to_mock_server(namespace=globals())
    assert server.test(body={"inputs": [1, 2]}) == 6
    server.wait_for_completion()
