"""A step that blocks its event loop while it waits for a thread that waits for the loop: an error, and no hang."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from graphkit import Event, GraphServer, StepError, new_flow
from graphkit.runtime.knots import is_waiting, knot_with, wait_until

BLOCKS = r"waits_so \(test_knots.py, line \d+\) blocks the event loop"


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look soon at what keeps the loop."""
    monkeypatch.setattr("graphkit.runtime.loop.GRACE_S", 0.01)


def join(call: Callable[[], Any]) -> Callable[[], Any]:
    answers: list[Any] = []

    def keep() -> None:
        try:
            answers.append(call())
        except StepError as exc:
            answers.append(exc)

    thread = threading.Thread(target=keep)
    thread.start()

    def waits_so() -> Any:
        thread.join()
        if isinstance(answers[0], StepError):
            raise answers[0]
        return answers[0]

    return waits_so


def pool(call: Callable[[], Any]) -> Callable[[], Any]:
    threads = ThreadPoolExecutor(1)
    future = threads.submit(call)
    threads.shutdown(wait=False)

    def waits_so() -> Any:
        return future.result()

    return waits_so


def chain(call: Callable[[], Any]) -> Callable[[], Any]:
    """Wait for a thread that waits for a job of a pool."""
    return join(pool(call))


def server_of(*steps: Any) -> GraphServer:
    graph = new_flow()
    last = graph
    for index, step in enumerate(steps):
        last = last.to(step, name=f"s{index}")
    last.respond()
    server: GraphServer = graph.to_mock_server()
    return server


def again(start: Callable[[Callable[[], Any]], Callable[[], Any]], use: Callable[[GraphServer, int], Any]) -> Any:
    """Return a server whose step asks it anew in a thread, lets that begin on the loop, and then blocks the loop."""
    servers: list[GraphServer] = []

    async def ask(body: int) -> Any:
        if body == 0:
            begun.set()
            while not let_end.is_set():
                await asyncio.sleep(0.005)
            return "the end"
        waits = start(lambda: use(servers[0], body - 1))
        while not begun.is_set():
            await asyncio.sleep(0.005)
        return waits()

    begun, let_end = threading.Event(), threading.Event()
    servers.append(server_of(ask))
    return servers[0], let_end


@pytest.mark.parametrize("start", [join, pool, chain])
def test_a_request_that_has_begun_is_refused(start: Any) -> None:
    server, let_end = again(start, lambda server, body: server.test(body=body))
    with pytest.raises(StepError, match="blocks the event loop") as caught:
        server.test(body=1)
    assert caught.value.status == 500
    assert "await server.run_async(event)" in str(caught.value)
    let_end.set()
    assert server.test(body=0) == "the end"  # it goes on serving
    server.wait_for_completion()


def test_run_answers_with_the_error() -> None:
    server, let_end = again(join, lambda server, body: server.run(Event(body), get_body=True))
    answer = server.test(body=1, silent=True)
    assert answer.status_code == 500
    assert "blocks the event loop" in answer.body
    let_end.set()
    server.wait_for_completion()


def test_a_run_that_was_submitted_is_refused() -> None:
    def submit(call: Callable[[], Any]) -> Callable[[], Any]:
        pending = call()

        def waits_so() -> Any:
            return pending.result()

        return waits_so

    server, let_end = again(submit, lambda server, body: server.submit(body=body))
    with pytest.raises(StepError, match=BLOCKS):
        server.test(body=1)
    let_end.set()
    server.wait_for_completion()


@pytest.mark.parametrize("start", [join, pool])
def test_two_servers_that_wait_for_one_another_are_refused(start: Any) -> None:
    begun, over = threading.Event(), threading.Event()

    async def first(body: str) -> Any:
        if body == "inner":
            begun.set()
            while not over.is_set():
                await asyncio.sleep(0.005)
            return "inner"
        waits = start(lambda: servers[0].test(body="inner"))
        while not begun.is_set():
            await asyncio.sleep(0.005)
        return servers[1].test(body=waits)

    async def second(waits: Callable[[], Any]) -> Any:
        await asyncio.sleep(0)
        return waits()

    servers = [server_of(first), server_of(second)]
    # whoever looks first
    with pytest.raises(StepError, match=r"(first|waits_so) \(test_knots.py, line \d+\) blocks the event loop"):
        servers[0].test(body="outer")
    over.set()
    for server in servers:
        server.wait_for_completion()


def test_a_loop_that_is_blocked_by_something_else_is_waited_for() -> None:
    let_go, begun = threading.Event(), threading.Event()

    async def blocks(body: Any) -> Any:
        if body == "short":
            begun.set()
            while not let_go.is_set():
                await asyncio.sleep(0.005)
            return body
        other = threading.Thread(target=let_go.wait)
        other.start()
        while not begun.is_set():
            await asyncio.sleep(0.005)
        other.join()  # nobody knows whom this thread waits for
        return body

    server = server_of(blocks)
    pending = server.submit(body="long")
    short = server.submit(body="short")
    assert begun.wait(60)
    with pytest.raises(TimeoutError):
        short.result(0.3)
    let_go.set()
    assert (pending.result(60), short.result(60)) == ("long", "short")
    server.wait_for_completion()


def test_a_limited_wait_ends_by_itself() -> None:
    server, let_end = again(lambda call: _limited(call), lambda server, body: server.test(body=body))
    assert server.test(body=1) == "gave up"
    let_end.set()
    server.wait_for_completion()


def _limited(call: Callable[[], Any]) -> Callable[[], Any]:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()

    def waits_so() -> str:
        thread.join(0.2)
        return "gave up"

    return waits_so


# ---- who waits for whom -----------------------------------------------------------------------------------------


def seen_by_worker(wait: Callable[[threading.Thread, Future[str]], Any]) -> str:
    """Return what a thread of a pool sees of a thread that waits for it, or for its job, in some way."""
    gate = threading.Event()

    def look() -> str:
        assert gate.wait(60)
        looks = 0
        while waiter.is_alive() and looks < 20:
            place = knot_with(waiter)
            if place:
                return place
            looks += is_waiting(sys._current_frames().get(waiter.ident or 0))
        return ""

    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(threading.current_thread).result()
        future = pool.submit(look)
        waiter = threading.Thread(target=wait, args=(worker, future))
        waiter.start()
        gate.set()
        return future.result(60)


@pytest.mark.parametrize(
    ("wait", "is_seen"),
    [
        (lambda thread, future: future.result(), True),
        (lambda thread, future: future.result(60), False),
        (lambda thread, future: thread.join(1), False),
        (lambda thread, future: wait_until(threading.Event(), thread, 1), False),
    ],
)
def test_what_is_sure_is_told(wait: Any, is_seen: bool) -> None:
    assert bool(seen_by_worker(wait)) is is_seen
