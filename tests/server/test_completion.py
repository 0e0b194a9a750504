"""``wait_for_completion``: what is held back goes on, what is buffered is written, and nothing is left running."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from graphkit import Event, GraphServer, StepError, V2ModelServer, create_graph_server, open_stream


class Sink:
    """A step that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def do(self, x: Any) -> Any:
        self.got.append(x)
        return x


@pytest.fixture
def threads() -> Iterator[Callable[[], list[threading.Thread]]]:
    """Return a function that gives the threads that were started since, once they had the time to end."""
    before = set(threading.enumerate())

    def left() -> list[threading.Thread]:
        new = [thread for thread in threading.enumerate() if thread not in before]
        for thread in new:
            thread.join(10)
        return [thread for thread in new if thread.is_alive()]

    yield left
    assert left() == []


Threads = Callable[[], list[threading.Thread]]


# ---- draining -----------------------------------------------------------------------------------------------------


def test_batches_go_on(graph: Any) -> None:
    graph.to("Batch", "pairs", max_events=2).to(Sink, "sink")
    server = graph.to_mock_server()
    for n in range(5):
        server.test(body=n)
    sink = graph["sink"].async_object
    assert sink.got == [[0, 1], [2, 3]]
    server.wait_for_completion()
    assert sink.got == [[0, 1], [2, 3], [4]]


def test_batches_behind_batches_go_on_in_order(graph: Any) -> None:
    graph.to("Batch", "threes", max_events=3).to("Batch", "twos", max_events=2).to(Sink, "sink")
    server = graph.to_mock_server()
    for n in range(7):
        server.run(Event(n))
    server.wait_for_completion()
    assert graph["sink"].async_object.got == [[[0, 1, 2], [3, 4, 5]], [[6]]]


def test_joins_that_wait_are_given_up_and_written_down(graph: Any, stream_url: str) -> None:
    graph.to(name="a", handler="(event)")
    graph.add_step("Merge", "merge", after="a", expected_num_events=2).to(Sink, "sink")
    server = graph.to_mock_server(error_stream=stream_url)
    server.test(body={"x": 1}, event_id="e1")
    merge = graph["merge"].async_object
    assert merge.pending == 1
    server.wait_for_completion()
    assert (merge.pending, graph["sink"].async_object.got) == (0, [])
    (record,) = open_stream(stream_url).read()
    assert "'e1' was given up with 1 of 2 parts" in record["message"]


def test_tracking_records_are_written(stream_url: str) -> None:
    server = create_graph_server({"log_stream": stream_url, "tracking_delay_s": 1000})
    server.add_model("m", class_name=Quick)
    server.test("m/infer", {"inputs": [1]})
    stream = open_stream(stream_url)
    assert len(stream) == 0
    server.wait_for_completion()
    assert len(stream) == 1


class Quick(V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return request["inputs"]


def test_what_has_been_asked_is_answered_first(graph: Any, threads: Threads) -> None:
    begun = threading.Event()

    async def slowly(x: int) -> int:
        begun.set()
        await asyncio.sleep(0.05)
        return x + 1

    graph.to(name="slowly", handler=slowly).respond()
    server = graph.to_mock_server()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.test, "/", 1)
        assert begun.wait(10)
        server.wait_for_completion()
        assert asked.result() == 2


def test_what_fails_on_its_way_is_told_and_the_rest_is_closed_all_the_same(graph: Any, threads: Threads) -> None:
    async def fail(x: Any) -> Any:
        raise ValueError(f"no {x}")

    graph.to("Batch", "batch", max_events=2, timeout_s=1000).to(name="fail", handler=fail)
    server = graph.to_mock_server()
    server.test(body=1)
    with pytest.raises(StepError, match=r"step 'fail' failed: ValueError: no \[1\]"):
        server.wait_for_completion()
    assert threads() == []
    server.wait_for_completion()


# ---- nothing is left ----------------------------------------------------------------------------------------------


def test_the_loops_thread_ends(graph: Any, threads: Threads) -> None:
    async def wait(x: Any) -> Any:
        await asyncio.sleep(0)
        return x

    graph.to(name="wait", handler=wait).respond()
    server = graph.to_mock_server()
    for _ in range(2):
        assert server.test(body=1) == 1
        server.wait_for_completion()
        assert threads() == []


def test_the_threads_of_an_ensemble_end(threads: Threads) -> None:
    server = GraphServer()
    server.set_topology("router", "VotingEnsemble", vote_type="regression", executor_type="thread")
    for key in "abc":
        server.add_model(key, class_name=Quick)
    for _ in range(2):
        assert server.test("/infer", {"inputs": [1, 2]})["outputs"] == [1, 2]
        server.wait_for_completion()
        assert threads() == []


@pytest.mark.slow
def test_the_processes_of_an_ensemble_end_and_start_again(threads: Threads) -> None:
    server = GraphServer()
    server.set_topology("router", "ParallelRun", executor_type="process")
    for key in "ab":
        server.add_model(key, handler=f"({{'{key}': event['x']}})")
    for _ in range(2):
        assert server.test("/", {"x": 1}) == {"a": 1, "b": 1}
        server.wait_for_completion()
        assert threads() == []


def test_the_thread_that_looks_after_what_waits_ends_and_starts_again(graph: Any, threads: Threads) -> None:
    graph.to("Batch", "batch", max_events=100, timeout_s=0.02).to(Sink, "sink")
    server = graph.to_mock_server()
    sink = None
    for n in range(3):
        server.run(Event(n))
        sink = sink or graph["sink"].async_object
        deadline = time.monotonic() + 60
        while len(sink.got) <= n:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        server.wait_for_completion()
        assert threads() == []
    assert sink is not None
    assert sink.got == [[0], [1], [2]]


def test_the_timers_of_tracking_end(threads: Threads, stream_url: str) -> None:
    server = create_graph_server({"log_stream": stream_url, "tracking_delay_s": 1000})
    server.add_model("m", class_name=Quick)
    server.run(Event({"inputs": [1]}, path="m/infer", method="POST"))
    server.wait_for_completion()
    assert threads() == []


def test_files_are_closed_and_opened_again(graph: Any, tmp_path: Path) -> None:
    def file(name: str) -> str:
        return f"file://{tmp_path}/{name}.db"

    graph.to(name="step", handler="(event['x'])").to("$queue", "out", path=file("out"))
    server = GraphServer(graph, {"log_stream": file("log")}, error_stream=file("errors"))
    for count in (1, 2):
        server.test(body={"x": count})
        server.test(body={}, silent=True)
        server.wait_for_completion()
        # an SQLite file in WAL mode that nobody holds open stands alone
        assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".db") == []
        stored = open_stream(file("out"))
        assert stored.read() == list(range(1, count + 1))
        stored.close()


# ---- afterwards ---------------------------------------------------------------------------------------------------


def test_the_server_can_be_used_again(graph: Any, threads: Threads) -> None:
    async def twice(x: int) -> int:
        return 2 * x

    graph.to(name="twice", handler=twice).to("Batch", "batch", max_events=2).to(Sink, "sink")
    server = graph.to_mock_server()
    for n in range(3):
        server.test(body=n)
        assert server.run(Event(n)).status_code == 200
        server.wait_for_completion()
    sink = graph["sink"].async_object
    assert sink.got == [[0, 0], [2, 2], [4, 4]]


def test_steps_keep_what_they_know(graph: Any) -> None:
    graph.to(Sink, "sink").to("Batch", "batch", timeout_s=1000)
    server = graph.to_mock_server()
    server.test(body=1)
    sink = graph["sink"].async_object
    server.wait_for_completion()
    server.test(body=2)
    assert graph["sink"].async_object is sink
    assert sink.got == [1, 2]
    server.wait_for_completion()


def test_calling_it_twice_or_before_all_else_does_nothing(graph: Any, threads: Threads) -> None:
    step = graph.to("Batch", "batch", timeout_s=1000).to(Sink, "sink")
    server = graph.to_mock_server()
    server.wait_for_completion()
    assert server.context is None
    server.test(body=1)
    server.wait_for_completion()
    server.wait_for_completion()
    assert step.async_object.got == [[1]]
    GraphServer().wait_for_completion()


def test_it_works_where_a_loop_is_running(graph: Any, threads: Threads) -> None:
    async def wait(x: Any) -> Any:
        await asyncio.sleep(0)
        return x

    graph.to(name="wait", handler=wait).to("Batch", "batch", max_events=5).to(Sink, "sink")
    server = graph.to_mock_server()

    async def cell() -> None:
        await server.run_async(Event(1))
        server.run(Event(2))
        server.wait_for_completion()

    asyncio.run(cell())
    assert graph["sink"].async_object.got == [[1, 2]]


def test_a_graph_that_has_changed_since_is_drained_as_it_was(graph: Any) -> None:
    batch = graph.to("Batch", "batch", max_events=5)
    batch.to(Sink, "sink")
    server = graph.to_mock_server()
    server.test(body=1)
    sink = graph["sink"].async_object
    graph["sink"].to(name="more", handler="(event)")
    server.wait_for_completion()
    assert sink.got == [[1]]
    server.test(body=2)
    server.wait_for_completion()
    assert sink.got == [[1], [2]]


def test_one_server_does_not_drain_another(graph: Any) -> None:
    graph.to("Batch", "batch", max_events=5).to(Sink, "sink")
    first, second = graph.to_mock_server(), graph.to_mock_server()
    first.test(body=1)
    sink = graph["sink"].async_object
    second.test(body=2)
    second.wait_for_completion()
    assert sink.got == []
    first.wait_for_completion()
    assert sink.got == [[1]]


async def directly(call: Callable[[], Any]) -> None:
    call()


async def in_a_thread(call: Callable[[], Any]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


@pytest.mark.parametrize("how", [directly, in_a_thread, asyncio.to_thread])
def test_a_step_may_ask_for_it_although_its_own_event_is_under_way(
    how: Any, graph: Any, threads: Callable[[], list[threading.Thread]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphkit.runtime.loop.GRACE_S", 0.01)

    async def rest(x: int) -> int:
        await how(server.wait_for_completion)
        return x

    async def later(x: int) -> int:
        await asyncio.sleep(0.01)
        return x + 1

    graph.to(name="rest", handler=rest).to(name="later", handler=later).respond()
    server = graph.to_mock_server()
    assert [server.test(body=1), server.test(body=2)] == [2, 3]
    server.wait_for_completion()
    # the thread of asyncio.to_thread is the loop's own, and ends with it or with the process
    assert [thread for thread in threads() if not thread.name.startswith("asyncio")] == []
