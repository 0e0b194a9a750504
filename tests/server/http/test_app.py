"""The application's own affairs: guards before the graph, questions about the models, what browsers ask."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import graphkit
from graphkit import GraphError, asgi_app, create_graph_server, new_flow
from graphkit.server.http.app import as_server
from graphkit.server.settings import Settings
from tests.server.http.served import half_broken, models, sizes

Ask = Callable[..., httpx.Response]
INFER = "/v2/models/linear/infer"


# ---- guards -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic s3cret"}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"x-api-key": ""}, 401),
        ({"authorization": "Bearer s3cret"}, 200),
        ({"authorization": "bearer other"}, 200),
        ({"x-api-key": "s3cret"}, 200),
    ],
)
def test_a_key_is_needed_where_there_are_keys(asked: Ask, headers: dict[str, str], status: int) -> None:
    settings = Settings(api_keys=("s3cret", "other"))
    for method, path in (("POST", INFER), ("GET", "/v2"), ("GET", "/openapi.json"), ("GET", "/docs")):
        found = asked(models, method, path, settings, json={"inputs": [[1, 2]]}, headers=headers)
        assert found.status_code == status, path
    assert asked(models, "GET", "/v2/health/live", settings).status_code == 200


def test_a_refusal_says_how_to_bring_a_key(asked: Ask) -> None:
    found = asked(models, "POST", INFER, Settings(api_keys=("s3cret",)))
    assert found.headers["www-authenticate"].startswith("Bearer")
    assert "X-API-Key" in found.json()["error"]


def test_a_body_up_to_the_limit_is_taken_and_no_larger_one(asked: Ask) -> None:
    settings = Settings(max_body_bytes=1000)
    assert asked(sizes, "POST", "/", settings, content=b"x" * 1000).json()["size"] == 1000
    found = asked(sizes, "POST", "/", settings, content=b"x" * 1001)
    assert (found.status_code, found.headers["connection"]) == (413, "close")
    assert "1000 bytes" in found.json()["error"]

    async def parts() -> Any:
        for _ in range(11):
            yield b"x" * 100

    assert asked(sizes, "POST", "/", settings, content=parts()).status_code == 413


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_packed_body_is_unpacked(asked: Ask, pack: Callable[[bytes], bytes]) -> None:
    coding = "gzip" if pack is gzip.compress else "deflate"
    body = json.dumps({"inputs": [[1, 2]]}).encode()
    headers = {"content-encoding": coding, "content-type": "application/json"}
    assert asked(models, "POST", INFER, content=pack(body), headers=headers).json()["outputs"] == [21.0]


@pytest.mark.parametrize(
    ("body", "coding", "status"),
    [
        (gzip.compress(b"0" * 10_000_000), "gzip", 413),
        (gzip.compress(b"abc")[:-4], "gzip", 400),
        (b"abc", "gzip", 400),
        (b"abc", "br", 415),
        (gzip.compress(gzip.compress(b"abc")), "gzip, gzip", 200),
        (gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 200),
        (b"abc", "identity", 200),
    ],
    ids=range(7),  # what gzip makes holds the time
)
def test_a_packed_body_is_unpacked_within_limits(asked: Ask, body: bytes, coding: str, status: int) -> None:
    found = asked(
        sizes, "POST", "/", Settings(max_body_bytes=100_000), content=body, headers={"content-encoding": coding}
    )
    assert found.status_code == status


def test_large_answers_are_packed_for_clients_that_ask_for_it(asked: Ask) -> None:
    graph = new_flow()
    graph.to(name="many", handler="(['abc'] * 5000)").respond()
    found = asked(graph, "POST", "/", headers={"accept-encoding": "gzip"}, json=1)
    assert found.headers["content-encoding"] == "gzip"
    assert int(found.headers["content-length"]) < 1000
    assert found.json() == ["abc"] * 5000
    for settings, accepted in ((Settings(), "gzip;q=0"), (Settings(gzip_min_bytes=0), "gzip")):
        found = asked(graph, "POST", "/", settings, headers={"accept-encoding": accepted}, json=1)
        assert "content-encoding" not in found.headers


def test_more_requests_than_allowed_at_a_time_are_told_to_come_back() -> None:
    release = asyncio.Event()

    async def wait(body: Any) -> Any:
        await release.wait()
        return body

    graph = new_flow()
    graph.to(wait).respond()

    async def burst() -> list[httpx.Response]:
        app = asgi_app(graph, Settings(max_in_flight=3))
        app.start()
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # as in conftest
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            jobs = [asyncio.ensure_future(client.post("/", json=number)) for number in range(5)]
            for _ in range(50):
                await asyncio.sleep(0)
            assert (await client.get("/v2/health/live")).status_code == 200
            assert "graphkit_requests_in_flight" in (await client.get("/metrics")).text
            release.set()
            found = await asyncio.gather(*jobs)
            after = await client.post("/", json="after")
        app.close()
        assert app.in_flight == 0
        return [*found, after]

    found = asyncio.run(burst())
    assert sorted(answer.status_code for answer in found) == [200, 200, 200, 200, 429, 429]
    assert all(answer.headers["retry-after"] == "1" for answer in found if answer.status_code == 429)
    assert found[-1].text == "after"


@pytest.mark.parametrize(("metrics", "expected"), [("requests", [401, 200]), ("off", [401, 429])])
def test_a_full_server_tells_its_numbers_to_those_who_have_a_key(metrics: str, expected: list[int]) -> None:
    release = asyncio.Event()

    async def wait(body: Any) -> Any:
        await release.wait()

    graph = new_flow()
    graph.to(wait).respond()

    async def statuses() -> list[int]:
        app = asgi_app(graph, Settings(max_in_flight=1, api_keys=("k",), metrics=metrics))
        app.start()
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # as in conftest
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            job = asyncio.ensure_future(client.post("/", json=1, headers={"x-api-key": "k"}))
            for _ in range(50):
                await asyncio.sleep(0)
            asked = [{}, {"x-api-key": "k"}]
            found = [(await client.get("/metrics", headers=headers)).status_code for headers in asked]
            release.set()
            await job
        app.close()
        return found

    assert asyncio.run(statuses()) == expected


def test_an_answer_that_takes_too_long_is_given_up(asked: Ask) -> None:
    import threading

    over = threading.Event()

    def hang(body: Any) -> Any:
        return over.wait(20)

    graph = new_flow()
    graph.to(hang).respond()
    found = asked(graph, "POST", "/", Settings(timeout_s=0.2), json=1)
    over.set()
    assert (found.status_code, found.json()) == (504, {"error": "no answer within 0.2 s"})


def test_an_async_step_that_takes_too_long_is_cancelled(asked: Ask) -> None:
    ended = []

    async def hang(body: Any) -> Any:
        try:
            await asyncio.sleep(20)
        finally:
            ended.append(True)

    graph = new_flow()
    graph.to(hang).respond()
    assert asked(graph, "POST", "/", Settings(timeout_s=0.2), json=1).status_code == 504
    assert ended == [True]


@pytest.mark.parametrize("kind", ["plain", "async", "inside"])
def test_a_step_that_exits_is_an_error_and_no_end(asked: Ask, kind: str) -> None:
    def leave(body: Any) -> Any:
        raise SystemExit("usage")

    async def leave_later(body: Any) -> Any:
        await asyncio.sleep(0)
        leave(body)

    graph = new_flow()
    graph.to(leave_later if kind == "async" else leave, name="bad")
    if kind == "inside":
        graph.to(leave_later, name="other")
        graph["bad"].respond()
    server = graph.to_mock_server(namespace={})
    for _ in range(2):
        found = asked(server, "POST", "/", json={})
        assert (found.status_code, found.text) == (500, "step 'bad' failed: SystemExit: usage")


def test_a_refused_encoding_of_text_is_answered(asked: Ask) -> None:
    assert (
        asked(models, "POST", INFER, content=b"\xff", headers={"content-type": "application/json"}).status_code == 400
    )


# ---- browsers -----------------------------------------------------------------------------------------------


def test_other_origins_are_told_nothing_by_default(asked: Ask) -> None:
    headers = {"origin": "https://a.example", "access-control-request-method": "POST"}
    assert asked(models, "OPTIONS", INFER, headers=headers).status_code == 405
    found = asked(models, "POST", INFER, json={"inputs": [[1, 2]]}, headers=headers)
    assert not [name for name in found.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("allowed", "origin", "told"),
    [
        (("https://a.example",), "https://a.example", "https://a.example"),
        (("https://a.example",), "https://b.example", None),
        (("*",), "https://b.example", "*"),
    ],
)
def test_origins_that_are_allowed_may_ask(asked: Ask, allowed: Any, origin: str, told: str | None) -> None:
    settings = Settings(cors_origins=allowed, api_keys=("k",))
    headers = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
    preflight = asked(models, "OPTIONS", INFER, settings, headers=headers)
    assert preflight.status_code == (403 if told is None else 204)
    found = asked(models, "POST", INFER, settings, json={"inputs": [[1, 2]]}, headers={**headers, "x-api-key": "k"})
    assert found.status_code == 200
    for answer in (preflight, found):
        assert answer.headers.get("access-control-allow-origin") == told
        assert answer.headers.get("access-control-expose-headers") == (None if told is None else "x-request-id")
    if told is not None:
        assert preflight.headers["access-control-allow-headers"] == "x-api-key"


def test_the_page_loads_nothing_from_elsewhere(asked: Ask) -> None:
    found = asked(models, "GET", "/docs")
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in found.headers["content-security-policy"]
    assert re.findall(r"(?:https?:)?//[a-z]", found.text) == []


def test_pages_can_be_switched_off(asked: Ask) -> None:
    for path in ("/docs", "/openapi.json"):
        assert asked(models, "GET", path, Settings(docs=False)).status_code == 404
    assert asked(models, "POST", "/docs").headers["allow"] == "GET, HEAD"


# ---- questions ----------------------------------------------------------------------------------------------


def test_questions_about_the_server(asked: Ask) -> None:
    assert asked(models, "GET", "/v2").json()["extensions"] == ["binary_tensor_data", "streaming_answers"]
    assert asked(models, "GET", "/v2/health/live").json() == {"live": True}
    assert asked(models, "GET", "/v2/health/ready").json() == {"ready": True, "live": True}
    assert asked(models, "GET", "/v2/models").json() == {"models": ["linear", "same", "versioned:1", "versioned:2"]}
    assert asked(models, "GET", "/v2/models/linear/ready").json() == {"name": "linear", "ready": True}
    about = asked(models, "GET", "/v2/models/versioned/versions/2").json()
    assert (about["name"], about["version"], about["versions"]) == ("versioned", "2", ["1", "2"])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v2/models/liner", "did you mean 'linear'"),
        ("/v2/models/versioned", "served by version only"),
        ("/v2/models/versioned/versions/3/ready", "has no version '3'"),
    ],
)
def test_unknown_models_are_named(asked: Ask, path: str, message: str) -> None:
    found = asked(models, "GET", path)
    assert found.status_code == 404
    assert message in found.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v2", "GET, HEAD"),
        ("DELETE", "/v2/health/live", "GET, HEAD"),
        ("POST", "/v2/models/linear/ready", "GET, HEAD"),
        ("GET", INFER, "POST"),
        ("PUT", INFER, "POST"),
        ("TRACE", "/", "DELETE, GET, HEAD, PATCH, POST, PUT"),
    ],
)
def test_methods_that_a_path_does_not_know_are_refused(asked: Ask, method: str, path: str, allowed: str) -> None:
    found = asked(models, method, path)
    assert (found.status_code, found.headers["allow"]) == (405, allowed)


def test_a_model_that_cannot_be_loaded_makes_the_server_not_ready_and_the_others_answer(asked: Ask) -> None:
    found = asked(half_broken, "GET", "/v2/health/ready")
    assert found.status_code == 503
    assert found.json()["models"] == {"unloaded": "OSError: no such file"}
    found = asked(half_broken, "GET", "/v2/models/unloaded/ready")
    assert (found.status_code, found.json()["ready"]) == (408, False)
    assert asked(half_broken, "POST", INFER, json={"inputs": [[1, 2]]}).status_code == 200
    assert asked(half_broken, "POST", "/v2/models/unloaded/infer", json={"inputs": []}).status_code == 503


def test_a_flow_is_a_model_of_its_own_name(asked: Ask) -> None:
    graph = new_flow("sum")
    graph.to(name="add", handler="(sum(event['inputs']))").respond()
    assert asked(graph, "GET", "/v2/models").json() == {"models": ["sum"]}
    assert asked(graph, "GET", "/v2/models/sum/ready").json() == {"name": "sum", "ready": True}
    tensor = {"name": "x", "shape": [2], "datatype": "INT32", "data": [1, 2]}
    assert asked(graph, "POST", "/v2/models/sum/infer", json={"inputs": [tensor]}).json()["outputs"][0]["data"] == [3]


def test_routers_within_a_flow_are_found(asked: Ask) -> None:
    graph = new_flow("chain")
    graph.to(name="same", handler="(event)").to("*", name="inner").respond()
    graph["inner"].add_route("one", handler="(event)")
    assert asked(graph, "GET", "/v2/models").json() == {"models": ["one"]}
    assert asked(graph, "GET", "/v2/models/one/ready").status_code == 200


# ---- start and end ------------------------------------------------------------------------------------------


def test_a_graph_that_cannot_be_bound_ends_the_start_with_the_reason() -> None:
    graph = new_flow()
    graph.to("NoSuchClass", name="lost").respond()
    sent: list[Any] = []

    async def start() -> None:
        async def receive() -> Any:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            sent.append(message)

        await asgi_app(graph.to_mock_server())({"type": "lifespan"}, receive, send)

    asyncio.run(start())
    assert sent[0]["type"] == "lifespan.startup.failed"
    assert "NoSuchClass" in sent[0]["message"]


def test_an_application_answers_without_having_been_started() -> None:
    app = asgi_app(models)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # as in conftest
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(INFER, json={"inputs": [[1, 2]]})

    assert asyncio.run(ask()).json()["outputs"] == [21.0]


def test_whatever_is_a_graph_can_be_served() -> None:
    server = create_graph_server()
    assert as_server(server) is server
    assert isinstance(as_server(new_flow()), graphkit.GraphServer)
    assert isinstance(as_server(graphkit.new_router()), graphkit.GraphServer)
    assert as_server("tests/server/http/served.py:models").graph.get_children()
    with pytest.raises(GraphError):
        as_server(3)


def test_data_urls_are_allowed_by_settings() -> None:
    server = create_graph_server({"allowed_data_urls": "/a"})
    asgi_app(server, Settings(allowed_data_urls=("/b",)))
    assert server.parameters["allowed_data_urls"] == ["/a", "/b"]


def test_web_sockets_are_closed_politely() -> None:
    sent: list[Any] = []

    async def connect() -> None:
        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await asgi_app(models)({"type": "websocket"}, receive, send)

    asyncio.run(connect())
    assert sent[0]["type"] == "websocket.close"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"x-request-id": "r-1"}, "r-1"),
        ({"x-request-id": "r-1", "x-event-id": "e-1"}, "r-1"),
        ({"x-event-id": "e-1"}, "e-1"),
        ({"mlrun_event_id": "e-1"}, "e-1"),
        ({"x-request-id": ""}, None),
        ({}, None),
    ],
)
def test_every_answer_tells_the_id_of_its_request(asked: Ask, sent: dict[str, str], expected: str | None) -> None:
    seen = []

    def step(event: Any) -> Any:
        seen.append(event.id)
        if event.body == "fail":
            raise ValueError("no")
        own = {"x-request-id": "own"} if event.body == "own" else {}
        return graphkit.Response(headers=own, body=(str(n) for n in range(3)) if event.body == "chunks" else "whole")

    graph = new_flow()
    graph.to(step, full_event=True).respond()
    for body in ("ok", "fail", "chunks"):
        found = asked(graph, "POST", "/", json=body, headers=sent)
        assert found.headers.get_list("x-request-id") == [expected or seen[-1]]
        assert expected is not None or re.fullmatch("[0-9a-f]{32}", seen[-1])
    assert asked(graph, "POST", "/", json="own", headers=sent).headers.get_list("x-request-id") == ["own"]
    for settings in (Settings(max_body_bytes=1), Settings(api_keys=("k",)), Settings(metrics="off")):
        found = asked(graph, "POST", "/", settings, json="ok", headers=sent)
        assert found.headers["x-request-id"] == (expected or found.headers["x-request-id"])


def test_an_answer_that_took_too_long_tells_the_id_that_its_steps_have_logged(asked: Ask) -> None:
    seen = []

    async def hang(event: Any) -> Any:
        seen.append(event.id)
        await asyncio.sleep(20)

    graph = new_flow()
    graph.to(hang, full_event=True).respond()
    found = asked(graph, "POST", "/", Settings(timeout_s=0.2), json=1)
    assert (found.status_code, found.headers["x-request-id"]) == (504, seen[0])


def test_headers_that_would_break_the_answer_are_left_out(asked: Ask) -> None:
    def answer(event: Any) -> Any:
        headers = {"X-Good": "a", "X-Bad": "a\r\nset-cookie: b", "X Odd": "c", "X-Del": "\x7f", "X-Euro": "€"}
        return graphkit.Response(headers=headers, body="d", content_type="text/\r\nplain")

    graph = new_flow()
    graph.to(answer, full_event=True).respond()
    found = asked(graph, "POST", "/", json=1, headers={"x-request-id": "a\x7fb"})
    assert (found.status_code, found.text) == (200, "d")
    assert found.headers["x-good"] == "a"
    assert found.headers["content-type"] == "application/octet-stream"
    assert not {"x-bad", "x odd", "x-del", "x-euro", "set-cookie", "x-request-id"} & set(found.headers)


def test_readiness_follows_models_that_load_in_the_background() -> None:
    import threading

    loaded = threading.Event()

    class Slow(graphkit.V2ModelServer):
        def load(self) -> None:
            assert loaded.wait(20)

        def predict(self, request: Any) -> Any:
            return request["inputs"]

    server = create_graph_server(load_mode="async")
    server.add_model("slow", class_name=Slow)

    async def ask() -> list[Any]:
        app = asgi_app(server)
        app.start()
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # as in conftest
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            before = [await client.get("/v2/health/ready"), await client.get("/v2/models/slow/ready")]
            before.append(await client.post("/v2/models/slow/infer", json={"inputs": [1]}))
            loaded.set()
            while (await client.get("/v2/health/ready")).status_code != 200:
                await asyncio.sleep(0.01)
            after = await client.post("/v2/models/slow/infer", json={"inputs": [1]})
        app.close()
        return [*before, after]

    ready, model, early, answer = asyncio.run(ask())
    assert (ready.status_code, ready.json()["models"]) == (503, {"slow": "is not loaded yet"})
    assert (model.status_code, model.json()) == (408, {"name": "slow", "ready": False})
    assert early.status_code == 503
    assert answer.json()["outputs"] == [1]
