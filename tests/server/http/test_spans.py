"""Spans of requests, steps and models, with OpenTelemetry's own SDK and its exporter into memory."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from graphkit import FlowStep, GraphServer, V2ModelServer, asgi_app, create_graph_server, new_flow
from graphkit.server.http.logs import JsonLines
from graphkit.server.http.spans import set_up_spans, span_here
from graphkit.server.settings import Settings

ON = Settings(traces=True, metrics="off")
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
Asked = Callable[..., httpx.Response]


class Twice(V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        if None in request["inputs"]:
            raise ValueError(f"nothing to double for {self.context.get_secret('TOKEN')}")
        return [2 * x for x in request["inputs"]]


class Slowly(Twice):
    async def predict(self, request: Any) -> Any:
        await asyncio.sleep(0.001)
        with trace.get_tracer("own").start_as_current_span(f"own {self.name}"):
            return [2 * x for x in request["inputs"]]


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """Return what gets the spans of this process, whose provider can be set once only."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    found = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(found))
    return found


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Callable[[], dict[str, ReadableSpan]]:
    """Return a function that returns this test's spans by name."""
    exporter.clear()

    def found() -> dict[str, ReadableSpan]:
        return {span.name: span for span in exporter.get_finished_spans()}

    return found


def parents(spans: dict[str, ReadableSpan]) -> dict[str, str | None]:
    names = {span.context.span_id: name for name, span in spans.items()}
    return {name: None if span.parent is None else names.get(span.parent.span_id) for name, span in spans.items()}


def router(**models: Any) -> GraphServer:
    server = create_graph_server(secret_sources=[{"kind": "inline", "source": {"TOKEN": "s3cr3t-value"}}])
    for key, model in models.items():
        server.add_model(key.replace("_", ":"), class_name=model)
    return server


def test_a_request_has_a_span_with_spans_of_its_steps_below_it(asked: Asked, spans: Any) -> None:
    server = router(m_1=Twice)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "r-1"}
    answer = asked(server, "POST", "/v2/models/m/versions/1/infer", ON, json={"inputs": [1]}, headers=headers)
    assert answer.json()["outputs"] == [2]
    found = spans()
    assert parents(found) == {"POST": None, "router": "POST", "m:1": "router"}
    request, model = found["POST"], found["m:1"]
    assert request.parent.span_id == int(PARENT, 16)
    assert {f"{span.context.trace_id:032x}" for span in found.values()} == {TRACE}
    assert request.kind is SpanKind.SERVER
    assert dict(request.attributes) == {
        "http.request.method": "POST",
        "url.path": "/v2/models/m/versions/1/infer",
        "graphkit.request.id": "r-1",
        "http.response.status_code": 200,
    }
    assert dict(model.attributes) == {
        "graphkit.step.path": "m:1",
        "graphkit.step.kind": "task",
        "graphkit.step.status": "ok",
        "graphkit.model.name": "m",
        "graphkit.model.version": "1",
    }
    assert request.start_time <= model.start_time <= model.end_time <= request.end_time


def test_a_span_knows_a_request_by_the_id_that_its_client_is_told(asked: Asked, spans: Any) -> None:
    answer = asked(router(m=Twice), "POST", "/v2/models/m/infer", ON, json={"inputs": [1]})
    assert spans()["POST"].attributes["graphkit.request.id"] == answer.headers["x-request-id"] == answer.json()["id"]


@pytest.mark.parametrize("settings", [ON, Settings(traces=True, access_log=True)])
def test_lines_of_the_log_tell_the_span_that_they_are_written_in(asked: Asked, spans: Any, settings: Settings) -> None:
    def notes(x: Any) -> Any:
        logging.getLogger("graphkit").warning("noted")
        if x:
            raise ValueError("no")
        return x

    graph = new_flow()
    graph.to(notes, name="notes").respond()
    formatter = JsonLines()
    formatter.span = span_here
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    logging.getLogger("graphkit").addHandler(handler)
    try:
        asked(graph.to_mock_server(), "POST", "/", settings, json=1)
        logging.getLogger("graphkit").warning("outside")
    finally:
        logging.getLogger("graphkit").removeHandler(handler)
    lines = {line["message"]: line for line in map(json.loads, out.getvalue().splitlines())}
    found = {name: f"{span.context.span_id:016x}" for name, span in spans().items()}
    (trace_id,) = {f"{span.context.trace_id:032x}" for span in spans().values()}
    assert lines["noted"]["span_id"] == found["notes"]
    assert lines["step 'notes' failed: ValueError: no"]["span_id"] == found["POST"]
    if settings.access_log:
        assert lines["POST / 500"]["span_id"] == found["POST"]
    assert {line["trace_id"] for line in lines.values() if "span_id" in line} == {trace_id}
    assert "trace_id" not in lines["outside"]


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_a_failure_is_told_on_the_step_at_fault_without_secrets(asked: Asked, spans: Any, engine: str) -> None:
    graph = new_flow(engine=engine)
    graph.to(name="prepare", handler="({'inputs': event})").to(Twice, name="m").respond()
    server = graph.to_mock_server(secret_sources=[{"kind": "inline", "source": {"TOKEN": "s3cr3t-value"}}])
    assert asked(server, "POST", "/", ON, json=[None]).status_code == 500
    found = spans()
    assert parents(found) == {"POST": None, "prepare": "POST", "m": "POST"}
    assert found["prepare"].status.status_code is StatusCode.UNSET
    failed = found["m"]
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == "ValueError: nothing to double for ***"
    assert failed.attributes["graphkit.step.status"] == "error"
    (event,) = failed.events
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["exception.message"] == "nothing to double for ***"
    assert "predict" in event.attributes["exception.stacktrace"]
    assert "s3cr3t" not in str([span.to_json() for span in found.values()])
    assert found["POST"].status.status_code is StatusCode.ERROR
    assert found["POST"].attributes["http.response.status_code"] == 500


@pytest.mark.parametrize("executor", ["array", "thread"])
def test_models_of_an_ensemble_stand_side_by_side(asked: Asked, spans: Any, executor: str) -> None:
    server = create_graph_server()
    server.set_topology("router", "VotingEnsemble", executor_type=executor, vote_type="regression", exist_ok=True)
    for key, model in {"a": Twice, "b": Slowly, "c": Slowly}.items():
        server.add_model(key, class_name=model)
    for _ in range(2):
        assert asked(server, "POST", "/v2/models/infer", ON, json={"inputs": [1]}).json()["outputs"] == [2]
    of_step = {"a": "router", "b": "router", "c": "router", "own b": "b", "own c": "c"}
    assert parents(spans()) == {"POST": None, "router": "POST", **of_step}


def test_steps_of_nested_flows_stand_below_them(asked: Asked, spans: Any) -> None:
    graph = new_flow()
    inner = FlowStep("inner")
    inner.to(name="double", handler="(event * 2)")
    graph.to(inner)
    graph.add_step(name="shift", handler="(event + 1)", after="inner").respond()
    assert asked(graph.to_mock_server(), "POST", "/", ON, json=20).json() == 41
    assert parents(spans()) == {"POST": None, "inner": "POST", "inner/double": "inner", "shift": "POST"}


def test_the_span_that_is_current_around_the_application_is_the_parent(spans: Any) -> None:
    graph = new_flow()
    graph.to(name="double", handler="(event * 2)").respond()
    app = asgi_app(graph, ON)

    async def scene() -> tuple[Any, Any]:
        app.start()
        with trace.get_tracer("middleware").start_as_current_span("around") as around:
            transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                await client.post("/", json=1, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
            return around, trace.get_current_span()

    around, after = asyncio.run(scene())
    app.close()
    assert after is around
    assert parents(spans())["POST"] == "around"


def test_a_request_that_is_not_sampled_is_not_looked_on_at(asked: Asked, spans: Any) -> None:
    graph = new_flow()
    seen = []

    def step(event: Any) -> Any:
        seen.append(event._trace)
        return event

    graph.to(name="step", handler=step, full_event=True).respond()
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    assert asked(graph.to_mock_server(), "POST", "/", ON, json=1, headers=headers).status_code == 200
    assert seen == [None]
    assert spans() == {}


def test_all_that_looks_on_may_do_so_at_once(asked: Asked, spans: Any) -> None:
    settings = Settings(traces=True, metrics="steps", log_steps=True)
    server = router(a=Slowly, b=Twice)
    assert asked(server, "POST", "/v2/models/a/infer", settings, json={"inputs": [1]}).json()["outputs"] == [2]
    assert parents(spans()) == {"POST": None, "router": "POST", "a": "router", "own a": "a"}


def test_without_traces_nothing_is_looked_on_at(asked: Asked, spans: Any) -> None:
    app = asgi_app(router(m=Twice), Settings(metrics="off"))
    assert app._observers == []
    assert asked(router(m=Twice), "POST", "/v2/models/m/infer", json={"inputs": [1]}).status_code == 200
    assert spans() == {}


def test_a_process_sends_spans_where_the_environment_says() -> None:
    script = """
import asyncio, httpx
from graphkit import asgi_app, new_flow
from graphkit.core.errors import GraphError
from graphkit.server.http.spans import set_up_spans
from graphkit.server.settings import Settings
try:
    set_up_spans({"OTEL_TRACES_EXPORTER": "consol"})
except GraphError as exc:
    print(exc)
set_up_spans({"OTEL_TRACES_EXPORTER": "console"})
set_up_spans({"OTEL_TRACES_EXPORTER": "nothing is looked at again"})
graph = new_flow()
graph.to(name="double", handler="(event * 2)").respond()
app = asgi_app(graph, Settings(traces=True))
async def ask():
    app.start()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        await client.post("/", json=1)
asyncio.run(ask())
app.close()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "found 'consol', did you mean 'console'?" in done.stdout
    assert '"name": "double"' in done.stdout
    assert '"service.name": "graphkit"' in done.stdout


def test_a_provider_that_the_app_has_set_stays(exporter: InMemorySpanExporter) -> None:
    before = trace.get_tracer_provider()
    set_up_spans({"OTEL_TRACES_EXPORTER": "console"})
    assert trace.get_tracer_provider() is before


def test_the_log_of_a_server_tells_spans_too(serving: Callable[..., Any]) -> None:
    environment = {"OTEL_TRACES_EXPORTER": "none"}  # what is told is the client's own span then
    served = serving("worker", environment, traces=True, access_log=True, log_level="info")
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    assert httpx.post(served.url, json={"number": 1}, headers=headers).status_code == 200
    served.stop()
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    assert [line["trace_id"] for line in lines if line["message"] == "POST / 200"] == [TRACE]
    assert "trace_id" not in lines[0]
