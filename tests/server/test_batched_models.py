"""Micro-batching in graphs: routers, ensembles and flows, callers in threads and on loops, tracking and draining."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from graphkit import Event, GraphError, RunCancelled, StepError, V2ModelServer, create_graph_server, new_flow

FOREVER_MS = 60_000


class Model(V2ModelServer):
    """Doubles its inputs; keeps what it was asked, and in which thread."""

    def load(self) -> None:
        self.calls: list[Any] = []
        self.threads: set[threading.Thread] = set()

    def predict(self, request: Any) -> Any:
        self.calls.append(request["inputs"])
        self.threads.add(threading.current_thread())
        if None in request["inputs"]:
            raise ValueError("nothing to double")
        return [2 * x for x in request["inputs"]]


def server_of(**class_args: Any) -> Any:
    server = create_graph_server()
    server.add_model("m", class_name=Model, **{"max_batch_size": 4, "max_delay_ms": FOREVER_MS, **class_args})
    return server


def model_of(server: Any, path: str = "m") -> Any:
    return server.graph._bound.object_of(path)


def in_threads(server: Any, count: int, path: str = "/v2/models/m/infer") -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda x: server.run(Event({"inputs": [x]}, path=path), None, True), range(count)))


def on_a_loop(server: Any, bodies: list[Any], path: str = "/v2/models/m/infer") -> list[Any]:
    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(server.run_async(Event(body, path=path), None, True) for body in bodies))

    return asyncio.run(all_at_once())


def collecting() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "graphkit-batches"}


def test_callers_in_threads_share_a_call():
    server = server_of()
    server.init()
    answers = in_threads(server, 4)
    assert [answer["outputs"] for answer in answers] == [[0], [2], [4], [6]]
    assert [sorted(call) for call in model_of(server).calls] == [[0, 1, 2, 3]]
    assert threading.main_thread() not in model_of(server).threads


def test_callers_on_a_loop_share_a_call_and_keep_their_ids():
    server = server_of()
    answers = on_a_loop(server, [{"inputs": [x], "id": f"id-{x}"} for x in range(4)])
    assert [(answer["id"], answer["outputs"]) for answer in answers] == [(f"id-{x}", [2 * x]) for x in range(4)]
    assert model_of(server).calls == [[0, 1, 2, 3]]


def test_a_test_is_answered_after_the_delay_and_recorded():
    server = server_of(max_delay_ms=1)
    assert server.test("m/infer", {"inputs": [1, 2]})["outputs"] == [2, 4]
    assert [step.name for step in server.last_run.steps] == ["", "m"]
    with pytest.raises(StepError, match="nothing to double") as caught:
        server.test("m/infer", {"inputs": [None]})
    assert caught.value.step == "m"
    assert isinstance(caught.value.__cause__, ValueError)


def test_the_request_at_fault_fails_alone():
    server = server_of(max_batch_size=3)
    good, bad, other = on_a_loop(server, [{"inputs": [1]}, {"inputs": [None]}, {"inputs": [3]}])
    assert (good["outputs"], other["outputs"]) == ([2], [6])
    assert bad.status_code == 500
    assert "nothing to double" in bad.body


def test_bad_requests_never_reach_the_batch():
    server = server_of(max_batch_size=1_000, max_delay_ms=1)
    good, bad = on_a_loop(server, [{"inputs": [1]}, {"input": [2]}])
    assert good["outputs"] == [2]
    assert bad.status_code == 400
    assert model_of(server).calls == [[1]]


def test_too_many_requests_are_refused_with_429():
    server = server_of(max_waiting=2)

    async def scene() -> Any:
        def ask(x: int) -> Any:
            return asyncio.create_task(server.run_async(Event({"inputs": [x]}, path="m/infer"), None, True))

        waiting = [ask(0), ask(1)]
        refused = await ask(2)
        await asyncio.to_thread(server.wait_for_completion)
        return refused, await asyncio.gather(*waiting)

    refused, answers = asyncio.run(scene())
    assert [answer["outputs"] for answer in answers] == [[0], [2]]
    assert refused.status_code == 429
    assert "max_waiting=2" in refused.body


@pytest.mark.parametrize("tracked", [False, True])
def test_tracking_has_one_record_for_each_request(tracked):
    server = create_graph_server(track_models=tracked)
    server.add_model("m", class_name=Model, max_batch_size=3, max_delay_ms=FOREVER_MS)
    server.init()
    on_a_loop(server, [{"inputs": [1], "id": "a"}, {"inputs": [None], "id": "b"}, {"inputs": [3], "id": "c"}])
    server.wait_for_completion()
    stream = server.context.stream.output_stream
    records = sorted(stream.read(), key=lambda record: record["request"]["id"]) if tracked else []
    found = [(r["request"]["id"], r["request"]["inputs"], (r["resp"] or {}).get("outputs")) for r in records]
    assert found == ([("a", [1], [2]), ("b", [None], None), ("c", [3], [6])] if tracked else [])


@pytest.mark.parametrize("executor", ["array", "thread"])
def test_models_of_an_ensemble_collect_their_own_requests(executor):
    server = create_graph_server()
    server.set_topology("router", "VotingEnsemble", executor_type=executor, vote_type="regression", exist_ok=True)
    for key in ("a", "b"):
        server.add_model(key, class_name=Model, max_batch_size=3, max_delay_ms=FOREVER_MS)
    answers = on_a_loop(server, [{"inputs": [x]} for x in range(3)], "/v2/models/infer")
    assert [answer["outputs"] for answer in answers] == [[0], [2], [4]]
    assert model_of(server, "a").calls == model_of(server, "b").calls == [[0, 1, 2]]
    answers = in_threads(server, 3, "/v2/models/infer")
    assert [answer["outputs"] for answer in answers] == [[0], [2], [4]]
    assert [sorted(call) for call in model_of(server, "a").calls[1:]] == [[0, 1, 2]]


def test_an_ensemble_in_processes_does_not_wait_for_others():
    server = create_graph_server()
    server.set_topology("router", "VotingEnsemble", executor_type="process", vote_type="regression", exist_ok=True)
    server.add_model("a", class_name=Model, max_batch_size=3, max_delay_ms=FOREVER_MS)
    try:
        assert server.test("infer", {"inputs": [1, 2]})["outputs"] == [2, 4]
    finally:
        server.wait_for_completion()


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_models_of_a_flow_collect_their_own_requests(engine):
    graph = new_flow(engine=engine)
    prepared = graph.to(name="prepare", handler="({'inputs': [event]})")
    for name in ("a", "b"):
        prepared.to(Model, name=name, max_batch_size=2, max_delay_ms=FOREVER_MS)
    graph.add_step("Merge", name="join", after=["a", "b"])
    server = graph.to_mock_server()
    answers = on_a_loop(server, [1, 2], "/")
    assert [answer["outputs"] for answer in answers] == [[2], [4]]
    assert model_of(server, "a").calls == model_of(server, "b").calls == [[1, 2]]


def test_waiting_for_completion_answers_what_waits_and_ends_the_thread():
    server = server_of()
    server.init()
    before = collecting()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.run, Event({"inputs": [21]}, path="/v2/models/m/infer"), None, True)
        while not model_of(server).batcher.waiting:
            assert not waiting.done()
        server.wait_for_completion()
        assert waiting.result(30)["outputs"] == [42]
    assert not collecting() - before
    assert in_threads(server, 4)[3]["outputs"] == [6]  # it can be used again
    server.wait_for_completion()


def test_no_thread_runs_for_a_model_that_nobody_asks():
    before = collecting()
    server = server_of()
    server.init()
    assert server.test("m", method="GET")["name"] == "m"
    assert not collecting() - before


def test_requests_of_the_open_inference_protocol_share_a_call():
    class Arrays(Model):
        oip_inputs = "arrays"

        def predict(self, request: Any) -> Any:
            self.calls.append(request["inputs"])
            return request["inputs"].sum(axis=1)

    server = create_graph_server()
    server.add_model("m", class_name=Arrays, max_batch_size=3, max_delay_ms=FOREVER_MS)

    def tensor(*rows: list[float]) -> dict[str, Any]:
        data = {"name": "x", "shape": [len(rows), 2], "datatype": "FP32", "data": [x for row in rows for x in row]}
        return {"inputs": [data]}

    one, two = on_a_loop(server, [tensor([1, 2]), tensor([3, 4], [5, 6])])
    assert one["outputs"][0]["data"] == [3]
    assert two["outputs"][0]["data"] == [7, 11]
    (call,) = model_of(server).calls
    assert isinstance(call, np.ndarray)
    assert call.shape == (3, 2)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"max_batch_size": "many"}, "max_batch_size is a whole number, 1 or more"),
        ({"max_delay_ms": 5, "max_batch_size": None}, "only with max_batch_size"),
        ({"max_delay_ms": -1}, "max_delay_ms is a number of milliseconds"),
        ({"max_batch_sise": 3}, "did you mean 'max_batch_size'"),
    ],
)
def test_wrong_arguments_are_refused_at_bind(args, message):
    with pytest.raises(GraphError, match=message) as caught:
        server_of(**args).init()
    assert "'m'" in str(caught.value)


def test_a_model_without_batching_keeps_its_shortcut():
    server = create_graph_server()
    server.add_model("m", class_name=Model)
    server.add_model("one", class_name=Model, max_batch_size=1)
    server.init()
    assert model_of(server, "m").is_plain
    assert model_of(server, "one").is_plain
    assert not model_of(server, "m").awaits


def test_what_waits_for_a_model_that_is_replaced_is_answered_by_it_at_once():
    class Thrice(Model):
        def predict(self, request: Any) -> Any:
            return [3 * x for x in request["inputs"]]

    server = server_of()
    server.init()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.run, Event({"inputs": [21]}, path="m/infer"), None, True)
        while not model_of(server).batcher.waiting:
            assert not waiting.done()
        server.add_model("m", class_name=Thrice, max_batch_size=4, max_delay_ms=0)
        assert server.test("m/infer", {"inputs": [1]})["outputs"] == [3]
        assert waiting.result(30)["outputs"] == [42]


def test_a_run_that_is_cancelled_leaves_the_others_their_answers():
    server = server_of(max_batch_size=3)
    server.init()
    gone = server.submit("m/infer", {"inputs": [1]})
    while not model_of(server).batcher.waiting:
        assert not gone.done()
    gone.cancel()
    with pytest.raises(RunCancelled):
        gone.result(30)
    assert [answer["outputs"] for answer in in_threads(server, 2)] == [[0], [2]]
    assert [sorted(call) for call in model_of(server).calls] == [[0, 1]]
