"""What batches and joins hold back goes on when the graph is drained, or when its time is over."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from graphkit import Event, FlowStep, GraphServer, StepError
from graphkit.runtime.flush import holds_back, tick_interval


class Sink:
    """Notes what arrives."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def __call__(self, body: Any) -> Any:
        self.got.append(body)
        return body

    async def later(self, body: Any) -> Any:
        await asyncio.sleep(0)
        self.got.append(body)
        return body

    def wait(self, count: int) -> None:
        """Wait until so many have arrived."""
        deadline = time.monotonic() + 20
        while len(self.got) < count and time.monotonic() < deadline:
            time.sleep(0.005)


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture(params=["plain", "awaits"])
def receive(request: pytest.FixtureRequest, sink: Sink) -> Callable[[Any], Any]:
    """Return the sink as a plain function, then as one that awaits."""
    return sink if request.param == "plain" else sink.later


def mock(graph: Any, **options: Any) -> GraphServer:
    server: GraphServer = graph.to_mock_server(namespace=globals(), **options)
    return server


def test_a_batch_goes_on_when_the_graph_is_drained_and_the_server_is_used_again(
    new_graph: Any, ask: Any, sink: Sink, receive: Any
) -> None:
    graph = new_graph()
    graph.to("Batch", "pairs", max_events=2).to(name="sink", handler=receive)
    server = mock(graph)
    assert [ask(server, number) for number in range(3)] == [None, [0, 1], None]
    server.wait_for_completion()
    assert sink.got == [[0, 1], [2]]
    server.wait_for_completion()
    assert [ask(server, number) for number in range(2)] == [None, [0, 1]]
    assert sink.got == [[0, 1], [2], [0, 1]]


def test_batches_of_several_keys_go_on_in_order(new_graph: Any, sink: Sink, receive: Any) -> None:
    graph = new_graph()
    graph.to("Batch", "by_key", key_field="k").to(name="sink", handler=receive)
    server = mock(graph)
    for key in "abca":
        server.test(body={"k": key})
    server.wait_for_completion()
    assert [[body["k"] for body in batch] for batch in sink.got] == [["a", "a"], ["b"], ["c"]]


def test_what_one_batch_gives_rise_to_waits_in_the_next_and_is_flushed_too(
    new_graph: Any, sink: Sink, receive: Any
) -> None:
    graph = new_graph()
    graph.to("Batch", "one", max_events=3).to("Batch", "two", max_events=3).to(name="sink", handler=receive)
    server = mock(graph)
    for number in range(4):
        server.test(body=number)
    server.wait_for_completion()
    assert sink.got == [[[0, 1, 2], [3]]]


def test_each_flushed_batch_has_the_whole_budget_of_events(new_graph: Any, sink: Sink) -> None:
    graph = new_graph()
    graph.to("Batch", "by_key", key_field="k").to(name="sink", handler=sink)
    server = mock(graph, parameters={"max_events": 5})
    for key in range(20):
        server.test(body={"k": key})
    server.wait_for_completion()
    assert len(sink.got) == 20


def test_every_batch_leaves_a_nested_flow(new_graph: Any, sink: Sink, receive: Any) -> None:
    graph = new_graph()
    flow = graph.insert_step("inner", FlowStep("inner"))
    flow.to("Batch", "by_key", key_field="k").to(name="count", handler=len)
    graph.add_step(name="a", handler=receive, after="inner")
    graph.add_step(name="b", handler=receive, after="inner")
    server = mock(graph)
    for key in "aab":
        server.test(body={"k": key})
    # nothing left the nested flow, so that its answer is none
    assert sink.got == [None] * 6
    server.wait_for_completion()
    assert sink.got[6:] == [2, 2, 1, 1]


def test_a_failing_batch_costs_no_other(new_graph: Any, request: pytest.FixtureRequest) -> None:
    got: list[Any] = []

    def receive(batch: list[Any]) -> None:
        got.append(batch)
        if batch[0]["k"] != "c":
            raise ValueError(f"no {batch[0]['k']}")

    graph = new_graph()
    graph.to("Batch", "by_key", key_field="k").to(name="sink", handler=receive)
    server = mock(graph, error_stream=f"memory://{request.node.name}")
    for key in "abc":
        server.test(body={"k": key})
    with pytest.raises(StepError, match="step 'sink' failed: ValueError: no a"):
        server.wait_for_completion()
    assert len(got) == 3
    assert [record["message"] for record in server._error_stream_object.read()] == [
        "step 'sink' failed: ValueError: no a",
        "step 'sink' failed: ValueError: no b",
    ]
    server.wait_for_completion()


def test_error_handlers_take_what_fails_in_a_drain(new_graph: Any, sink: Sink) -> None:
    def fail(body: Any) -> Any:
        raise ValueError("no")

    graph = new_graph()
    graph.to("Batch", "pairs", max_events=2).to(fail).error_handler(name="catch", handler=sink)
    server = mock(graph)
    server.test(body=1)
    server.wait_for_completion()
    assert sink.got == [[1]]


class FailsToFlush:
    emits = True
    pending = 0
    timeout_s = None

    def do(self, body: Any) -> Any:
        return body

    def flush(self, expired_only: bool = False) -> Any:
        raise OSError("gone")


def test_a_step_that_cannot_flush_is_named(new_graph: Any, sink: Sink) -> None:
    graph = new_graph()
    graph.to(FailsToFlush, "bad").to("Batch", "pairs", max_events=2).to(name="sink", handler=sink)
    server = mock(graph)
    server.test(body=1)
    with pytest.raises(StepError, match="step 'bad' failed: OSError: gone"):
        server.wait_for_completion()
    assert sink.got == [[1]]


def test_a_request_that_fails_leaves_nothing_in_its_joins(
    new_graph: Any, ask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(body: Any) -> Any:
        raise ValueError("no")

    graph = new_graph()
    graph.to(name="a", handler="({'a': event})")
    graph.to(name="b", handler=fail)
    graph.add_step("Merge", name="join", after=["a", "b"])
    server = mock(graph)
    # recorded runs take the general way, in which the join gets its parts one by one
    server.test(body=1, silent=True, event_id="e1")
    join = graph["join"].async_object
    assert (join.pending, join.evicted) == (0, 0)
    with caplog.at_level(logging.WARNING, "graphkit"):
        server.wait_for_completion()
    assert "given up" not in caplog.text


def test_a_batch_goes_on_when_its_time_is_over(new_graph: Any, ask: Any, sink: Sink, receive: Any) -> None:
    graph = new_graph()
    graph.to("Batch", "timed", max_events=10, timeout_s=0.02).to(name="sink", handler=receive)
    server = mock(graph)
    ask(server, 1)
    sink.wait(1)
    assert sink.got == [[1]]
    server.wait_for_completion()
    # and again after a rest
    ask(server, 2)
    sink.wait(2)
    assert sink.got == [[1], [2]]
    server.wait_for_completion()


def test_an_expired_batch_that_fails_is_logged_and_the_next_goes_on(
    new_graph: Any, sink: Sink, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    def receive(batch: list[Any]) -> None:
        sink(batch)
        raise ValueError(f"no {batch}")

    graph = new_graph()
    graph.to("Batch", "timed", max_events=10, timeout_s=0.02).to(receive)
    server = mock(graph, error_stream=f"memory://{request.node.name}")
    with caplog.at_level(logging.ERROR, "graphkit"):
        for number in range(2):
            server.test(body=number)
            sink.wait(number + 1)
        deadline = time.monotonic() + 20
        while caplog.text.count("an expired event failed") < 2 and time.monotonic() < deadline:
            time.sleep(0.005)
    server.wait_for_completion()
    assert sink.got == [[0], [1]]
    assert [record["message"] for record in server._error_stream_object.read()] == [
        "step 'receive' failed: ValueError: no [0]",
        "step 'receive' failed: ValueError: no [1]",
    ]


def test_only_objects_that_hold_events_back_are_flushed_and_timed(new_graph: Any) -> None:
    graph = new_graph()
    graph.to("Batch", "slow", max_events=2, timeout_s=8).to("Batch", "quick", max_events=2, timeout_s=4)
    graph["quick"].to(name="plain", handler="(event)")
    server = mock(graph)
    server.init_object()
    assert server._bound is not None
    steps = list(server._bound.steps.values())
    assert [holds_back(step.object) for step in steps if step.path] == [True, True, False]
    assert tick_interval(steps) == 1
    assert tick_interval(steps[-1:]) is None
    server.wait_for_completion()


def test_a_flush_beside_requests_loses_nothing(new_graph: Any, sink: Sink) -> None:
    graph = new_graph()
    graph.to("Batch", "three", max_events=3).to(name="sink", handler=sink)
    server = mock(graph)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        drains = [loop.run_in_executor(None, server.wait_for_completion) for _ in range(5)]
        for number in range(100):
            await server.run_async(Event(number))
            await asyncio.sleep(0)
        await asyncio.gather(*drains)

    asyncio.run(main())
    server.wait_for_completion()
    assert sorted(number for batch in sink.got for number in batch) == list(range(100))
