"""Clients that misbehave, and models that hang: each gets a clear answer or is dropped, and the others are served."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.server.http.processes import Served

INFER = "/v2/models/linear/infer"


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a server over the models with tight limits."""
    given = {
        "header_timeout_s": 0.5,
        "body_timeout_s": 0.5,
        "keep_alive_s": 1.0,
        "max_header_bytes": 8192,
        "max_body_bytes": 1_000_000,
    }
    served = Served("models", tmp_path_factory.mktemp("limited") / "log.txt", {}, given)
    try:
        served.wait()
        yield served
    finally:
        served.kill()


def connected(served: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=10)


def everything(client: socket.socket) -> bytes:
    """Return all that a server sends until it closes the connection."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


def is_well(served: Any) -> bool:
    found = httpx.post(served.url + INFER, json={"inputs": [[1, 2]]}, timeout=10)
    return bool(found.json()["outputs"] == [21.0])


@pytest.mark.parametrize("sent", [b"", b"POST / HT", b"POST / HTTP/1.1\r\nhost: a\r\nx-a: "])
def test_a_client_that_does_not_finish_its_headers_is_dropped(limited: Served, sent: bytes) -> None:
    with connected(limited) as client:
        client.sendall(sent)
        began = time.monotonic()
        assert everything(client) == b""
        assert time.monotonic() - began < 5
    assert is_well(limited)


def test_a_client_that_sends_headers_byte_by_byte_is_dropped(limited: Served) -> None:
    sent = 0
    with connected(limited) as client, contextlib.suppress(ConnectionError):
        for byte in b"POST / HTTP/1.1\r\n" + b"x" * 200:
            client.sendall(bytes([byte]))
            sent += 1
            time.sleep(0.02)
    assert sent < 200
    assert is_well(limited)


def test_a_client_that_does_not_finish_its_body_is_told_so(limited: Served) -> None:
    with connected(limited) as client:
        client.sendall(b"POST %s HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{" % INFER.encode())
        assert everything(client).startswith(b"HTTP/1.1 408 ")
    with connected(limited) as client:
        client.sendall(b"POST %s HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{" % INFER.encode())
        assert everything(client).startswith(b"HTTP/1.1 408 ")
    assert is_well(limited)


def test_an_idle_connection_is_closed(limited: Served) -> None:
    with connected(limited) as client:
        client.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        assert everything(client).startswith(b"HTTP/1.1 200 ")


def test_what_is_no_request_is_refused_as_json(limited: Served) -> None:
    with connected(limited) as client:
        client.sendall(b"garbage\r\n\r\n")
        head, _, body = everything(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert json.loads(body) == {"error": "this is no HTTP request"}


def test_headers_that_are_too_large_are_refused(limited: Served) -> None:
    for sent in (
        b"GET /v2 HTTP/1.1\r\nhost: a\r\nx-a: %s\r\n\r\n" % (b"x" * 9000),
        b"GET /%s HTTP/1.1\r\nhost: a\r\n\r\n" % (b"x" * 9000),
        b"POST %s HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nx-a: %s\r\n\r\n{}" % (INFER.encode(), b"x" * 9000),
        b"GET /v2 HTTP/1.1\r\nhost: a\r\nx-a: %s" % (b"x" * 200_000),
    ):
        with connected(limited) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(sent)
            found = everything(client)
            assert found == b"" or found.startswith(b"HTTP/1.1 431 "), found
    with connected(limited) as client:
        client.sendall(b"GET /v2 HTTP/1.1\r\nhost: a\r\nx-a: %s\r\n\r\n" % (b"x" * 9000))
        assert b"larger than 8192 bytes" in everything(client)
    with connected(limited) as client:  # the limit is for one request, not for all on a connection
        for _ in range(3):
            client.sendall(b"GET /v2 HTTP/1.1\r\nhost: a\r\nx-a: %s\r\n\r\n" % (b"x" * 7000))
            answer = b""
            while b"extensions" not in answer:
                answer += client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")
    assert is_well(limited)


def test_a_hundred_megabytes_are_refused_without_being_read(limited: Served) -> None:
    with connected(limited) as client:
        client.sendall(b"POST %s HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n{" % INFER.encode())
        assert everything(client).startswith(b"HTTP/1.1 413 ")

    def megabytes() -> Iterator[bytes]:
        for _ in range(100):
            yield b"0" * 1_000_000

    with contextlib.suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        assert httpx.post(limited.url + INFER, content=megabytes(), timeout=20).status_code == 413
    assert is_well(limited)
    status = Path(f"/proc/{limited.process.pid}/status")
    if status.exists():
        (peak,) = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        assert int(peak) < 250_000  # kilobytes


def test_a_hundred_megabytes_are_taken_where_that_is_allowed(serving: Callable[..., Any]) -> None:
    served = serving("sizes", max_body_bytes=100_000_000)
    assert httpx.post(served.url, content=b"0" * 100_000_000, timeout=60).json()["size"] == 100_000_000


def test_a_client_that_does_not_read_its_answer_is_dropped(serving: Callable[..., Any]) -> None:
    served = serving("models", body_timeout_s=0.5)
    size = 32_000_000
    tensor = {"name": "x", "shape": [4_000_000], "datatype": "FP64", "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    lines = f"POST /v2/models/same/infer HTTP/1.1\r\nhost: a\r\ncontent-length: {len(head) + size}\r\n"
    lines += f"inference-header-content-length: {len(head)}\r\n\r\n"
    with connected(served) as client:
        client.sendall(lines.encode() + head + bytes(size))
        time.sleep(2)
        assert len(everything(client)) < size
    assert is_well(served)


def test_clients_that_vanish_leave_nothing_behind(limited: Served) -> None:
    descriptors = Path(f"/proc/{limited.process.pid}/fd")
    for sent in (
        b"",
        b"POST",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{",
        b"GET /v2 HTTP/1.1\r\n\r\n",
    ):
        for _ in range(20):
            client = connected(limited)
            client.sendall(sent)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            client.close()  # with a reset, as a machine that went away
    assert is_well(limited)
    if descriptors.exists():
        end = time.monotonic() + 10
        while len(list(descriptors.iterdir())) > 40 and time.monotonic() < end:
            time.sleep(0.1)
        assert len(list(descriptors.iterdir())) <= 40


def test_a_thousand_connections_at_a_time_are_answered(models: Served) -> None:
    request = b'{"inputs": [[1, 2]]}'
    head = f"POST {INFER} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(request)}\r\n\r\n".encode()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        for _ in range(3):
            writer.write(head + request)
            answer = await reader.readuntil(b'+00:00"}')
            if not answer.startswith(b"HTTP/1.1 200 ") or b'"outputs":[21.0]' not in answer:
                return False
        writer.close()
        return True

    async def all_of_them() -> list[bool]:
        streams = []
        for _ in range(1000):
            streams.append(await asyncio.open_connection("127.0.0.1", models.port))
        return await asyncio.gather(*(ask(*stream) for stream in streams))

    assert asyncio.run(all_of_them()) == [True] * 1000


def test_a_model_that_hangs_does_not_hold_up_others(serving: Callable[..., Any]) -> None:
    served = serving("worker", timeout_s=1.0, threads=2)

    async def ask() -> list[int]:
        async with httpx.AsyncClient(timeout=20) as client:
            hanging = [client.post(served.url, json={"number": 0, "sleep_s": 5}) for _ in range(2)]
            jobs = [asyncio.ensure_future(job) for job in hanging]
            found = [await job for job in jobs]
            after = await client.post(served.url, json={"number": 1})
            live = await client.get(f"{served.url}/v2/health/live")
        return [answer.status_code for answer in (*found, after, live)]

    assert asyncio.run(ask()) == [504, 504, 200, 200]
    assert served.stop() == 0


def test_a_model_that_hangs_after_having_been_quick_is_interrupted(serving: Callable[..., Any]) -> None:
    served = serving("spinner", timeout_s=0.5)
    with httpx.Client(timeout=20) as client:
        for _ in range(50):  # enough to be trusted with the loop
            assert client.post(served.url, json={}).status_code == 200
        assert client.post(served.url, json={"hang": True}).status_code == 504
        assert client.post(served.url, json={}).status_code == 200


# ---- malformed requests -------------------------------------------------------------------------------------

_TOKENS = st.sampled_from(
    [b"GET", b"POST", b"\r\n", b"\r\n\r\n", b"HTTP/1.1", b"HTTP/9.9", b"/v2/models/linear/infer", b"/", b":", b"\0",
     b"content-length: 5", b"content-length: -1", b"content-length: 5, 6", b"transfer-encoding: chunked", b"5\r\nhello",
     b"host: a", b"content-type: application/json", b"inference-header-content-length: 7", b"content-encoding: gzip",
     b"{\"inputs\":[[1,2]]}", b"expect: 100-continue", b"upgrade: websocket", b"connection: upgrade", b"\xff\xfe"]
)  # fmt: skip
_GARBAGE = st.lists(st.one_of(_TOKENS, st.binary(max_size=20)), min_size=1, max_size=25).map(b"".join)


def test_bytes_that_are_no_requests_never_break_the_server(models: Served) -> None:
    sent = 0

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(_GARBAGE, min_size=25, max_size=25))
    def send(batch: list[bytes]) -> None:
        nonlocal sent
        for garbage in batch:
            with connected(models) as client, contextlib.suppress(ConnectionError):
                client.sendall(garbage)
                client.shutdown(socket.SHUT_WR)
                first = client.recv(4096)
                assert not first.startswith(b"HTTP/1.1 5"), (garbage, first)
            sent += 1

    send()
    assert sent >= 1000
    assert is_well(models)


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
_TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(st.text(max_size=3), _JSON),
        "shape": st.one_of(st.lists(st.integers(-2, 4), max_size=3), _JSON),
        "datatype": st.one_of(st.sampled_from(["FP32", "BYTES", "BOOL", "INT8", "UINT64", "FP16"]), _JSON),
        "data": st.one_of(st.lists(st.integers(-3, 300), max_size=6), st.lists(st.text(max_size=3)), _JSON),
        "parameters": st.one_of(st.fixed_dictionaries({"binary_data_size": st.integers(-2, 40)}), _JSON),
    },
)
_REQUEST = st.fixed_dictionaries(
    {"inputs": st.one_of(st.lists(_TENSOR, max_size=3), _JSON)},
    optional={
        "id": _JSON,
        "outputs": st.one_of(st.lists(st.fixed_dictionaries({"name": st.text(max_size=8)})), _JSON),
        "parameters": st.one_of(st.just({"binary_data_output": True}), _JSON),
    },
)
_BODY = st.one_of(
    _REQUEST.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    st.tuples(_REQUEST.map(lambda value: json.dumps(value).encode()), st.binary(max_size=40)).map(b"".join),
    st.binary(max_size=60),
)
_TYPES = ["application/json", "application/msgpack", "application/octet-stream", "image/png", "", "x/y"]
_PATHS = [INFER, "/v2/models/same/infer", "/v2/models/versioned/versions/2/infer", "/linear", "/"]


@pytest.mark.slow
def test_requests_that_are_malformed_are_refused_with_a_reason(models: Served) -> None:
    sent = 0
    client = http.client.HTTPConnection("127.0.0.1", models.port, timeout=20)

    @settings(
        max_examples=70, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.lists(_BODY, min_size=6, max_size=6, unique=True), st.none() | st.integers(-1, 90))
    def send(bodies: list[bytes], length: int | None) -> None:
        nonlocal sent
        for path, body, content_type in itertools.product(_PATHS, bodies, _TYPES):
            headers = {"content-type": content_type} if content_type else {}
            if length is not None:
                headers["inference-header-content-length"] = str(length)
            client.request("POST", path, body, headers)
            answer = client.getresponse()
            told = answer.read()
            assert answer.status in (200, 400, 404), (path, body, headers, answer.status, told)
            assert told
            sent += 1

    send()
    client.close()
    assert sent >= 10_000
    assert is_well(models)
