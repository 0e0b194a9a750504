"""Answers in chunks: each is sent when it is yielded, failures are told, nobody yields for a client that left."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from graphkit import Response, new_flow
from graphkit.server.settings import Settings
from tests.server.http.served import async_counter, counter

Ask = Callable[..., httpx.Response]


def events(text: str) -> list[Any]:
    return [json.loads(part.removeprefix("data: ")) for part in text.split("\n\n") if part]


@pytest.mark.parametrize("graph", [counter, async_counter], ids=["plain", "async"])
def test_chunks_are_those_that_the_mock_server_gives(asked: Ask, graph: Any) -> None:
    found = asked(graph, "POST", "/", json={"to": 3})
    assert found.headers["content-type"] == "text/event-stream"
    assert events(found.text) == [{"number": 0}, {"number": 1}, {"number": 2}]
    if graph is counter:
        assert list(graph.to_mock_server().test(body={"to": 3})) == events(found.text)


@pytest.mark.parametrize("graph", [counter, async_counter], ids=["plain", "async"])
@pytest.mark.parametrize("to", [0, 2])
def test_the_client_says_which_form_it_wants(asked: Ask, graph: Any, to: int) -> None:
    expected = [{"number": number} for number in range(to)]
    found = asked(graph, "POST", "/", json={"to": to}, headers={"accept": "application/json"})
    assert (found.headers["content-type"], found.json()) == ("application/json", expected)
    found = asked(graph, "POST", "/", json={"to": to}, headers={"accept": "application/x-ndjson"})
    assert found.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in found.text.splitlines()] == expected


@pytest.mark.parametrize("graph", [counter, async_counter], ids=["plain", "async"])
def test_a_failure_before_the_first_chunk_has_a_status(asked: Ask, graph: Any) -> None:
    found = asked(graph, "POST", "/", json={"to": 3, "fail_at": 0})
    assert (found.status_code, found.json()) == (500, {"error": "the answer broke off: ValueError: no more"})


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_step_that_exits_between_chunks_fails_and_the_server_goes_on(asked: Ask, is_async: bool, first: bool) -> None:
    def plain(body: Any) -> Iterator[int]:
        if not first:
            yield 1
        raise SystemExit("usage")

    async def later(body: Any) -> AsyncIterator[int]:
        for number in plain(body):
            yield number

    graph = new_flow()
    graph.to(later if is_async else plain, name="bad")
    told = '{"error":"the answer broke off: SystemExit: usage"}'
    for _ in range(2):
        found = asked(graph, "POST", "/", json={})
        assert found.status_code == (500 if first else 200)
        assert found.text == (told if first else f"data: 1\n\nevent: error\ndata: {told}\n\n")


@pytest.mark.parametrize("graph", [counter, async_counter], ids=["plain", "async"])
def test_a_later_failure_is_the_last_event(asked: Ask, graph: Any) -> None:
    found = asked(graph, "POST", "/", json={"to": 3, "fail_at": 2})
    assert found.status_code == 200
    *chunks, last, _ = found.text.split("\n\n")
    assert len(chunks) == 2
    assert last == 'event: error\ndata: {"error":"the answer broke off: ValueError: no more"}'


@pytest.mark.parametrize("graph", [counter, async_counter], ids=["plain", "async"])
def test_a_chunk_that_takes_too_long_ends_the_answer(asked: Ask, graph: Any) -> None:
    found = asked(graph, "POST", "/", Settings(timeout_s=0.1), json={"to": 2, "pause_s": 1})
    assert found.status_code == 504


def test_a_response_may_hold_chunks_of_a_type_of_its_own(asked: Ask) -> None:
    def table(body: Any) -> Any:
        def lines() -> Iterator[str]:
            yield "a,b\n"
            yield "1,ä\n"

        return Response(headers={"X-Rows": "1"}, body=lines(), content_type="text/csv", status_code=201)

    graph = new_flow()
    graph.to(table, full_event=True).respond()
    found = asked(graph, "POST", "/", json=1)
    assert (found.status_code, found.text) == (201, "a,b\n1,ä\n")
    assert (found.headers["content-type"], found.headers["x-rows"]) == ("text/csv", "1")


def test_chunks_arrive_while_the_step_goes_on(serving: Callable[..., Any]) -> None:
    served = serving("async_counter")
    with httpx.stream("POST", served.url, json={"to": 4, "pause_s": 0.2}, timeout=20) as answer:
        arrived = [time.monotonic() for _ in answer.iter_text()]
    assert len(arrived) >= 4
    assert arrived[-1] - arrived[0] > 0.3


def test_a_client_that_leaves_ends_the_step(serving: Callable[..., Any], tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    served = serving("async_counter", environment={"TEST_TAKEN": str(closed)})
    with httpx.stream("POST", served.url, json={"to": 10**6, "pause_s": 0.01}, timeout=20) as answer:
        next(answer.iter_text())
    end = time.monotonic() + 10
    while not closed.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert closed.exists()


def test_a_failure_that_has_no_form_breaks_the_answer_off(serving: Callable[..., Any]) -> None:
    served = serving("tables")
    assert httpx.post(served.url, json={"to": 3}).text == "0\n1\n2\n"
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(served.url, json={"to": 3, "fail_at": 2})
    assert "the answer broke off: ValueError: no more" in served.log.read_text()
