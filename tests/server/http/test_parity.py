"""Over HTTP a graph answers exactly what the mock server answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, ClassVar

import httpx
import msgspec
import numpy as np
import pytest

from graphkit import Event, GraphServer, Response, V2ModelServer, create_graph_server, new_flow
from graphkit.server.settings import Settings


class Double(V2ModelServer):
    """Doubles."""

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return [2 * x for x in request["inputs"]]

    def op_raw(self, event: Any) -> Any:
        return Response(headers={"X-Kind": "raw"}, body=b"\x00\x01", content_type="image/png", status_code=201)


class Picture(V2ModelServer):
    """Tells how large a picture is."""

    oip_inputs: ClassVar[str] = "arrays"

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return [len(item.read()) for item in request["inputs"]]


class Made(V2ModelServer):
    """Makes a tensor that cannot be sent."""

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return [{"name": "y", "shape": [1], "datatype": "BYTES", "data": [object()]}]


class Broken(V2ModelServer):
    """Cannot be loaded."""

    def load(self) -> None:
        raise OSError("no file")


def models() -> GraphServer:
    server = create_graph_server()
    for key, kind in (
        ("double", Double),
        ("double:2", Double),
        ("picture", Picture),
        ("broken", Broken),
        ("made", Made),
    ):
        server.add_model(key, class_name=kind)
    return server


def whole_event(event: Event) -> Any:
    return {"method": event.method, "path": event.path, "body": event.body, "given": event.headers.get("x-given")}


def odd(body: Any) -> Any:
    kinds = {"text": "é", "bytes": b"\xff", "number": 1.5, "none": None, "array": np.arange(3), "nan": [float("nan")]}
    kinds |= {"object": object(), "fails": 1, "busy": Response(body="later", status_code=503)}
    if body == "fails":
        raise ValueError("no such luck")
    return kinds[body]


async def slowly(body: Any) -> Any:
    await asyncio.sleep(0)
    return odd(body)


def flow(step: Any, **options: Any) -> GraphServer:
    graph = new_flow("flow")
    graph.to(step, name="step", **options).respond()
    server: GraphServer = graph.to_mock_server(namespace=globals())
    return server


JSON = {"content-type": "application/json"}
TENSOR = {"name": "x", "shape": [2], "datatype": "INT64", "data": [1, 2]}
REQUESTS: list[tuple[Callable[[], GraphServer], str, str, Any, dict[str, str]]] = [
    (models, "POST", "/v2/models/double/infer", {"id": "1", "inputs": [1, 2]}, JSON),
    (models, "POST", "/double/predict", {"id": "1", "inputs": [1, 2]}, {}),
    (models, "POST", "/v2/models/double/versions/2/infer", {"id": "1", "inputs": [1.5]}, JSON),
    (models, "POST", "/v2/models/double/infer", {"id": "1", "inputs": [TENSOR]}, JSON),
    (models, "POST", "/v2/models/double/infer", {"id": "1", "inputs": [{**TENSOR, "shape": [3]}]}, JSON),
    *[(models, "POST", "/v2/models/double/infer", b'{"inputs":[{"name":"x","datatype":"FP32","data":[NaN', headers)
      for headers in (JSON, {})],
    (models, "POST", "/v2/models/double/infer", {"id": "1", "inputs": [{"name": "x", "shape": [1]}]}, JSON),
    (models, "POST", "/v2/models/double/infer", {"id": "1", "inputs": [{**TENSOR, "data": None}]}, JSON),
    (models, "POST", "/v2/models/made/infer", {"id": "1", "inputs": [TENSOR]}, JSON),
    (models, "POST", "/v2/models/double/raw", {"inputs": []}, JSON),
    (models, "POST", "/v2/models/double/infer", {"inputs": 1}, JSON),
    (models, "POST", "/v2/models/double/infer", b"{", JSON),
    (models, "POST", "/v2/models/double/infer", b"\xff\xfe", JSON),
    (models, "POST", "/v2/models/double/infer", b"{", {}),
    (models, "POST", "/v2/models/double/infer", b"", JSON),
    (models, "POST", "/v2/models/double/infer", b'{"id":"1","inputs":[1]}', {"content-type": "text/plain"}),
    (models, "POST", "/v2/models/double/infer", msgspec.msgpack.encode({"id": "1", "inputs": [3]}),
     {"content-type": "application/msgpack"}),
    (models, "POST", "/v2/models/double/infer", b"\xc1", {"content-type": "application/msgpack"}),
    (models, "POST", "/v2/models/double/inferr", {"inputs": [1]}, JSON),
    (models, "POST", "/v2/models/dubble/infer", {"inputs": [1]}, JSON),
    (models, "POST", "/v2/models/broken/infer", {"inputs": [1]}, JSON),
    (models, "POST", "/v2/models/double/infer", {"id": "1", "operation": "raw", "inputs": [1]}, JSON),
    (models, "POST", "/", {"id": "1", "model": "double", "operation": "infer", "inputs": [1]}, JSON),
    (models, "POST", "/v2/models/double/infer", {"data_url": "/etc/hostname"}, JSON),
    (models, "POST", "/v2/models/picture/infer", b"\x89PNG", {"content-type": "image/png", "x-event-id": "1"}),
    *[(models, "POST", f"/{model}/infer", {"id": "1", "inputs": inputs}, {**JSON, "accept": accept})
      for accept in ("application/json", "text/html, Application/JSON;q=0.9", "application/json;q=0", "*/*")
      for model, inputs in (("double", 1), ("dubble", [1]), ("broken", [1]), ("double", [2]))],
    (models, "GET", "/", None, {}),
    (models, "GET", "/v2/health", None, {}),
    (models, "GET", "/v2/models/", None, {}),
    (models, "GET", "/double", None, {}),
    (models, "GET", "/double/ready", None, {"x-event-id": "1"}),
    (models, "GET", "/broken/ready", None, {}),
    (models, "GET", "/nobody/ready", None, {}),
    *[(lambda: flow(odd), "POST", "/", kind, JSON) for kind in
      ("text", "bytes", "number", "none", "array", "nan", "object", "fails", "busy", "unknown")],
    *[(lambda: flow(odd), "POST", "/", kind, {**JSON, "accept": "application/json"}) for kind in
      ("text", "object", "fails", "busy")],
    *[(lambda: flow(slowly), "POST", "/a/b", kind, JSON) for kind in ("text", "array", "fails", "busy", "object")],
    *[(lambda: flow(whole_event, full_event=True), method, "/some/ä path", body, {**JSON, "x-given": "yes"})
      for method, body in (("POST", {"a": 1}), ("PUT", [1]), ("PATCH", 1), ("DELETE", None), ("GET", None))],
    (lambda: flow(whole_event, full_event=True), "POST", "/", b"\x00", {"content-type": "application/octet-stream"}),
]  # fmt: skip


def comparable(status: int, content_type: str, body: bytes) -> Any:
    """Return an answer without what differs from one moment to the next."""
    content_type = content_type.partition(";")[0]
    if content_type == "application/json" and body:
        value = json.loads(body)
        if isinstance(value, dict):
            value.pop("timestamp", None)
        return status, content_type, value
    return status, content_type, body


@pytest.mark.parametrize("number", range(len(REQUESTS)))
def test_http_answers_what_test_answers(asked: Callable[..., httpx.Response], number: int) -> None:
    make, method, path, body, headers = REQUESTS[number]
    sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    tested = make().test(
        path,
        sent or None,
        method,
        content_type=headers.get("content-type"),
        headers=headers,
        silent=True,
        get_body=False,
    )
    expected_body = tested.body.encode() if isinstance(tested.body, str) else tested.body or b""
    found = asked(make(), method, path, Settings(), content=sent, headers=headers)
    expected = comparable(tested.status_code, tested.content_type, expected_body)
    assert comparable(found.status_code, found.headers["content-type"], found.content) == expected
    for name, value in tested.headers.items():
        assert found.headers[name] == value


def test_a_head_request_is_a_get_without_the_body(asked: Callable[..., httpx.Response]) -> None:
    found = asked(models(), "HEAD", "/v2/health")
    assert (found.status_code, found.content) == (200, b"")
    assert found.headers["content-length"] == str(len(asked(models(), "GET", "/v2/health").content))


def test_an_error_is_json_where_json_is_wanted(asked: Callable[..., httpx.Response]) -> None:
    for accept, text in (("application/json", '{"error":"%s"}'), ("*/*", "%s")):
        found = asked(flow(odd), "POST", "/", json="fails", headers={"accept": accept})
        assert (found.status_code, found.text) == (500, text % "step 'step' failed: ValueError: no such luck")
    found = asked(flow(odd), "POST", "/", json="busy", headers={"accept": "application/json"})
    assert (found.status_code, found.text) == (503, "later")  # as the step has it


def test_msgpack_is_answered_where_it_is_wanted(asked: Callable[..., httpx.Response]) -> None:
    found = asked(flow(odd), "POST", "/", json="bytes", headers={"accept": "application/msgpack"})
    assert found.headers["content-type"] == "application/msgpack"
    assert msgspec.msgpack.decode(found.content) == b"\xff"


def test_the_query_reaches_steps_that_get_the_event(asked: Callable[..., httpx.Response]) -> None:
    def query(event: Any) -> Any:
        return event.query

    assert asked(flow(query, full_event=True), "POST", "/?a=1&b=%20", json=1).text == "a=1&b=%20"


def test_the_answer_carries_the_requests_id(asked: Callable[..., httpx.Response]) -> None:
    found = asked(models(), "POST", "/double/infer", json={"inputs": [1]}, headers={"x-request-id": "r-1"})
    assert found.headers["x-request-id"] == "r-1"
    assert found.json()["id"] == "r-1"
