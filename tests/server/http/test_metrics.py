"""``/metrics``: what is counted is what happened, also over several workers, and strangers cannot blow it up."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from graphkit import GraphServer, MissingExtra, asgi_app, create_graph_server, new_flow, new_router
from graphkit.server.settings import Settings
from tests.server.http.served import Same, half_broken, models

INFER = "/v2/models/linear/infer"


def numbers(text: str) -> dict[str, float]:
    """Return samples by name and labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def told(server: Any, requests: list[tuple[str, str, Any]], **settings: Any) -> dict[str, float]:
    """Return the numbers after some requests."""

    async def ask() -> str:
        app = asgi_app(server, Settings(**settings))
        app.start()
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # as in conftest
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for method, path, body in requests:
                await client.request(method, path, json=body)
            text = (await client.get("/metrics")).text
        app.close()
        return text

    return numbers(asyncio.run(ask()))


def test_requests_are_counted_by_model_and_status() -> None:
    good, bad = {"inputs": [[1, 2]]}, {"inputs": [["x"]]}
    found = told(models, [("POST", INFER, good)] * 3 + [("POST", INFER, bad), ("GET", "/nowhere/at/all", None)])
    assert found["graphkit_requests_total{method=POST,model=linear,status=200}"] == 3
    assert found["graphkit_requests_total{method=POST,model=linear,status=400}"] == 1
    assert found["graphkit_requests_total{method=GET,model=,status=404}"] == 1
    assert found["graphkit_request_seconds_count{model=linear}"] == 4
    assert found["graphkit_requests_in_flight{}"] == 1  # the question itself


@pytest.mark.parametrize("path", ["/", "/v2/models/"])
def test_a_model_that_the_body_names_is_counted(path: str) -> None:
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}
    bodies: list[Any] = [
        {"inputs": [[1, 2]], "model": "linear", "operation": "infer"},
        {"inputs": [tensor], "model": "linear", "operation": "infer"},
        {"inputs": [[1, 2]], "model": "versioned:1", "operation": "infer"},
        {"inputs": [[1, 2]], "model": "unknown", "operation": "infer"},
    ]
    found = told(models, [("POST", path, body) for body in bodies])
    assert found["graphkit_requests_total{method=POST,model=linear,status=200}"] == 2
    assert found["graphkit_requests_total{method=POST,model=versioned,status=200}"] == 1
    assert found["graphkit_requests_total{method=POST,model=,status=404}"] == 1


def test_answers_make_no_names_of_models_up() -> None:
    graph = new_flow()
    graph.to(name="say", handler="({'model_name': event})").to("*", name="inner").respond()
    graph["inner"].add_route("one", handler="(event)")
    found = told(graph, [("POST", "/", body) for body in ("one", "two", ["three"], {"four": 4})])
    assert found["graphkit_requests_total{method=POST,model=one,status=200}"] == 1
    assert found["graphkit_requests_total{method=POST,model=,status=200}"] == 3


def test_models_that_are_not_ready_are_told() -> None:
    found = told(half_broken, [])
    assert found["graphkit_model_ready{model=linear,version=}"] == 1
    assert found["graphkit_model_ready{model=versioned,version=2}"] == 1
    assert found["graphkit_model_ready{model=unloaded,version=}"] == 0


def test_what_strangers_make_up_makes_no_new_numbers() -> None:
    requests = [("GET", f"/made/up/{number}", None) for number in range(30)]
    requests += [(f"METHOD{number}", "/", None) for number in range(30)]
    names = [name for name in told(models, requests) if name.startswith("graphkit_requests_total")]
    assert len(names) == 2


def flow(*steps: Any) -> GraphServer:
    graph = new_flow("chain")
    last: Any = graph
    for step in steps:
        last = last.to(step)
    last.respond()
    server: GraphServer = graph.to_mock_server(namespace=globals())
    return server


def first(body: Any) -> Any:
    time.sleep(0.002)
    return body


async def second(body: Any) -> Any:
    await asyncio.sleep(0)
    if body == "bad":
        raise ValueError("bad")
    return body


@pytest.mark.parametrize("steps", [(first,), (first, second)], ids=["plain", "async"])
def test_steps_are_timed_where_that_is_wanted(steps: Any) -> None:
    found = told(flow(*steps), [("POST", "/", "a")] * 3, metrics="steps")
    assert found["graphkit_step_seconds_count{step=first}"] == 3
    assert found["graphkit_step_seconds_sum{step=first}"] >= 0.006
    assert found["graphkit_requests_total{method=POST,model=chain,status=200}"] == 3


def test_failures_are_counted_by_step() -> None:
    found = told(flow(first, second), [("POST", "/", "a"), ("POST", "/", "bad")], metrics="steps")
    assert found["graphkit_step_errors_total{step=second}"] == 1
    assert found["graphkit_step_seconds_count{step=second}"] == 2
    assert "graphkit_step_errors_total{step=first}" not in found


def test_routes_are_steps() -> None:
    found = told(models, [("POST", INFER, {"inputs": [[1, 2]]})], metrics="steps")
    assert found["graphkit_step_seconds_count{step=linear}"] == 1
    assert found["graphkit_step_seconds_count{step=router}"] == 1  # which has no name here; spans call it the same
    assert "graphkit_step_seconds_count{step=}" not in found
    named = new_router(name="shop")
    named.add_route("same", class_name=Same)
    found = told(GraphServer(named), [("POST", "/v2/models/same/infer", {"inputs": [1]})], metrics="steps")
    assert found["graphkit_step_seconds_count{step=shop}"] == 1


def test_steps_are_not_timed_otherwise() -> None:
    found = told(flow(first), [("POST", "/", "a")])
    assert not [name for name in found if "step" in name]


def test_what_waits_in_a_step_is_told() -> None:
    graph = new_flow()
    graph.to("Batch", name="pairs", max_events=2).to(first).respond()
    found = told(graph, [("POST", "/", 1)])
    assert found["graphkit_queue_depth{step=pairs}"] == 1


def test_metrics_can_be_switched_off(asked: Callable[..., httpx.Response]) -> None:
    assert asked(models, "GET", "/metrics", Settings(metrics="off")).status_code == 404
    assert asked(models, "GET", "/metrics", Settings(api_keys=("k",))).status_code == 401


def test_a_server_without_prometheus_says_what_to_install(
    asked: Callable[..., httpx.Response], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)  # as if it were not installed
    found = asked(models, "GET", "/metrics")
    assert found.status_code == 501
    assert "pip install 'graphkit-serving[serve]'" in found.json()["error"]
    [line] = [record.getMessage() for record in caplog.records if record.name == "graphkit"]
    assert line.startswith(found.json()["error"])
    assert asked(models, "POST", INFER, json={"inputs": [[1, 2]]}).status_code == 200
    caplog.clear()
    assert asked(models, "GET", "/metrics", Settings(metrics="off")).status_code == 404
    assert not caplog.records
    with pytest.raises(MissingExtra, match="serve"):
        asgi_app(models, Settings(metrics="requests"))


def test_several_workers_are_added_up(serving: Callable[..., Any]) -> None:
    served = serving("worker", workers=2, metrics="steps")
    seen = set()
    with httpx.Client(headers={"connection": "close"}, timeout=20) as client:
        for number in range(200):
            seen.add(client.post(served.url, json={"number": number}).json()["process"])
        found = numbers(client.get(f"{served.url}/metrics").text)
    assert len(seen) == 2
    assert found["graphkit_requests_total{method=POST,model=work,status=200}"] == 200
    assert found["graphkit_step_seconds_count{step=step}"] == 200


def test_requests_that_wait_to_share_a_call_are_told() -> None:
    server = create_graph_server()
    server.add_model("m", class_name=Same, max_batch_size=4, max_delay_ms=1)
    found = told(server, [("POST", "/v2/models/m/infer", {"inputs": [1]})])
    assert found["graphkit_queue_depth{step=m}"] == 0


def test_many_requests_are_all_counted() -> None:
    good = {"inputs": [[1, 2]]}
    found = told(models, [("POST", INFER, good)] * 600)
    assert found["graphkit_requests_total{method=POST,model=linear,status=200}"] == 600
    assert found["graphkit_request_seconds_count{model=linear}"] == 600
