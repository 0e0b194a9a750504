"""Queue steps: handed on in memory where a follower runs here, else written to a stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphkit import Event, GraphError, GraphServer, QueueStep, StepError
from graphkit.runtime.envelope import is_wrapped, unwrap


def mock(graph: Any, **options: Any) -> GraphServer:
    server: GraphServer = graph.to_mock_server(namespace=globals(), **options)
    return server


@pytest.fixture(params=["", "memory", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return no path, then one of each stream that is always there."""
    paths = {"": "", "memory": f"memory://{request.node.name}", "file": f"file://{tmp_path / 'q.db'}"}
    return paths[request.param]


def test_a_queue_at_the_end_stores_bodies(new_graph: Any, ask: Any, path: str) -> None:
    graph = new_graph()
    queue = graph.to(name="inc", handler="(event + 1)").to(QueueStep("q", path=path))
    server = mock(graph)
    assert ask(server, 1, event_id="e1") == {"id": "e1"}
    assert ask(server, 2, event_id="e2") == {"id": "e2"}
    assert queue.async_object.read() == [2, 3]
    server.wait_for_completion()
    assert ask(server, 3, event_id="e3") == {"id": "e3"}
    assert queue.async_object.read() == [2, 3, 4]
    server.wait_for_completion()


@pytest.mark.parametrize("body", [None, [], [1, [2]], {"a": [1]}, "text", 2.5])
def test_one_event_is_one_entry_whatever_its_body_is(new_graph: Any, ask: Any, body: Any) -> None:
    graph = new_graph()
    queue = graph.to(QueueStep("q"))
    ask(mock(graph), body)
    assert queue.async_object.read() == [body]


def test_with_full_event_the_entry_is_the_whole_event(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    queue = graph.to(">>", "q", full_event=True)
    ask(mock(graph), {"x": 1}, event_id="e1", path="/p")
    (entry,) = queue.async_object.read()
    assert is_wrapped(entry)
    event = unwrap(Event(entry))
    assert (event.id, event.path, event.body) == ("e1", "/p", {"x": 1})


def test_the_key_of_the_event_is_the_key_of_the_entry(new_graph: Any, ask: Any) -> None:
    def key(event: Event) -> Event:
        event.key = event.body
        return event

    graph = new_graph()
    queue = graph.to(key, full_event=True).to(QueueStep("q"))
    server = mock(graph)
    for body in ("a", 7, ""):
        ask(server, body)
    assert [message.key for message in queue.async_object.take(3)] == ["a", "7", None]


def test_two_queues_without_a_path_are_two_queues(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    one, two = graph.to(QueueStep("one")), graph.to(name="inc", handler="(event + 1)").to(QueueStep("two"))
    first, second = mock(graph), mock(graph)
    ask(first, 1)
    assert (one.async_object.read(), two.async_object.read()) == ([1], [2])
    ask(second, 5)
    assert (one.async_object.read(), two.async_object.read()) == ([5], [6])


def test_branches_may_end_in_a_queue_beside_a_responder(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    queue = graph.to(QueueStep("q"))
    graph.to(name="inc", handler="(event + 1)").respond()
    assert ask(mock(graph), 1) == 2
    assert queue.async_object.read() == [1]


def test_a_body_that_cannot_be_stored_is_an_error_of_the_queue(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    graph.to(name="odd", handler=lambda body: object).to(QueueStep("q"))
    with pytest.raises(StepError, match=r"step 'q' failed: .*cannot be written as JSON"):
        ask(mock(graph), 1)


def test_settings_reach_the_stream(new_graph: Any, ask: Any) -> None:
    graph = new_graph()
    queue = graph.to(QueueStep("q", maxlen=1, shards=2, retention_in_hours=1))
    server = mock(graph)
    ask(server, 1)
    with pytest.raises(StepError, match="step 'q' failed: stream memory://q is full"):
        ask(server, 2)
    assert queue.async_object.maxlen == 1


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (QueueStep("q", path="kafka://host/topic"), "there is no driver for kafka:// streams here"),
        (QueueStep("q", path="memory://x", maxlne=5), "has no option 'maxlne', did you mean 'maxlen'"),
        (QueueStep("q", path="memory://x", maxlen=0), "maxlen must be a whole number"),
    ],
    ids=["scheme", "option", "value"],
)
def test_a_stream_that_cannot_be_opened_is_told_when_the_graph_is_bound(
    new_graph: Any, step: QueueStep, problem: str
) -> None:
    graph = new_graph()
    graph.to(QueueStep.from_dict(step.to_dict()))
    with pytest.raises(GraphError, match="step 'q' could not be made: .*" + problem):
        mock(graph).init_object()


def test_in_the_mock_server_a_queue_that_is_followed_hands_on_also_with_a_path(
    new_graph: Any, ask: Any, path: str
) -> None:
    graph = new_graph()
    queue = graph.to(QueueStep("q", path=path))
    queue.to(name="child", handler="(event + 1)", function="child")
    assert ask(mock(graph), 1) == 2
    assert queue.async_object is None
