"""Child functions: which steps a server has, and how events get from one function to the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphkit import Event, GraphServer, StepError, create_graph_server, new_flow, open_stream
from graphkit.core.protocols import Stream

MADE: list[str] = []


class Step:
    """A step that says where it ran."""

    def __init__(self, name: str, context: Any) -> None:
        MADE.append(name)
        self.name = name
        self.context = context

    def do(self, x: Any) -> Any:
        return {**x, self.name: self.context.current_function}


@pytest.fixture(autouse=True)
def made() -> list[str]:
    """Return the names of the steps that were constructed."""
    MADE.clear()
    return MADE


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a new stream, of each embedded driver in turn."""
    name = request.node.name.replace("[", "-").replace("]", "")
    return f"memory://functions-{name}" if request.param == "memory" else f"file://{tmp_path}/events.db?stream={name}"


@pytest.fixture
def stream(url: str) -> Any:
    """Return the stream between the functions; it is closed in the end."""
    opened = open_stream(url)
    yield opened
    opened.close()


Parts = Callable[..., Any]


@pytest.fixture
def parts(engine: str) -> Parts:
    """Return ``parts(url)``: a flow that goes on behind a queue in a child function."""

    def make(path: str | None, **options: Any) -> Any:
        flow = new_flow(engine=engine)
        queue = flow.to(Step, "first").to("$queue", "q", path=path, **options)
        queue.to(Step, "second", function="child").to(Step, "third", function="child").respond()
        return flow

    return make


def function_of(graph: Any, name: str | None) -> GraphServer:
    server = GraphServer(graph)
    server.set_current_function(name)
    return server


def stored(url: str) -> list[Any]:
    """Return what a stream holds, and leave nothing open."""
    stream = open_stream(url)
    bodies: list[Any] = stream.read()
    stream.close()
    return bodies


# ---- which steps there are ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, ""])
def test_the_root_has_the_steps_up_to_the_queue(parts: Parts, url: str, made: list[str], name: str | None) -> None:
    server = function_of(parts(url), name)
    server.init()
    assert made == ["first"]
    assert server.graph["second"].async_object is None
    server.wait_for_completion()


def test_a_child_has_its_own_steps_and_starts_behind_the_queue(parts: Parts, url: str, made: list[str]) -> None:
    server = function_of(parts(url), "child")
    assert server.test(body={"x": 1}) == {"x": 1, "second": "child", "third": "child"}
    assert made == ["second", "third"]


def test_the_star_has_all_of_them_and_the_queue_in_memory(
    parts: Parts, url: str, stream: Stream, made: list[str]
) -> None:
    server = function_of(parts(url), "*")
    assert server.test(body={"x": 1}) == {"x": 1, "first": "*", "second": "*", "third": "*"}
    assert made == ["first", "second", "third"]
    assert len(stream) == 0


def test_the_mock_server_is_the_star_where_nothing_else_is_said(parts: Parts, url: str) -> None:
    assert parts(url).to_mock_server().test(body={}) == {"first": "*", "second": "*", "third": "*"}
    assert parts(url).to_mock_server(current_function="child").test(body={}) == {"second": "child", "third": "child"}


def test_create_graph_server_is_the_root_where_nothing_else_is_said(parts: Parts, url: str, made: list[str]) -> None:
    server = create_graph_server(graph=parts(url))
    server.init()
    child = create_graph_server(graph=parts(url), current_function="child")
    child.init()
    assert made == ["first", "second", "third"]
    assert (server.context.current_function, child.context.current_function) == (None, "child")
    server.wait_for_completion()


def test_the_function_may_be_set_again(parts: Parts, url: str, made: list[str]) -> None:
    server = function_of(parts(url), "child")
    server.test(body={})
    server.set_current_function("*")
    assert server.context.current_function == "*"
    assert server.test(body={}) == {"first": "*", "second": "*", "third": "*"}
    assert sorted(made) == ["first", "second", "third"]


def test_names_of_other_functions_are_not_looked_up(engine: str, url: str) -> None:
    flow = new_flow(engine=engine)
    flow.to(name="first", handler="(event)").to("$queue", "q", path=url).to("Elsewhere", function="child")
    server = function_of(flow, "")
    assert set(server.test(body=1)) == {"id"}
    with pytest.raises(StepError, match="'Elsewhere' is not defined"):
        function_of(flow, "child").test(body=1)
    server.wait_for_completion()


@pytest.mark.parametrize("name", ["childe", "queue"])
def test_a_function_that_runs_no_step_is_told(parts: Parts, url: str, name: str) -> None:
    with pytest.raises(StepError, match=f"no step runs in the function '{name}'"):
        function_of(parts(url), name).test(body=1)


def test_a_queue_without_a_path_cannot_leave_the_server(parts: Parts) -> None:
    assert function_of(parts(None), "*").test(body={}) == {"first": "*", "second": "*", "third": "*"}
    with pytest.raises(StepError, match="the queue has no path, so that the function 'child' cannot read from it"):
        function_of(parts(None), "").test(body={})


# ---- how events get there -----------------------------------------------------------------------------------------


def test_events_pass_through_the_stream_with_all_that_belongs_to_them(
    engine: str, url: str, stream: Stream, tmp_path: Path
) -> None:
    def seen(event: Event) -> dict[str, Any]:
        names = ("body", "id", "path", "method", "headers", "key")
        return {name: getattr(event, name) for name in names} | {"time": str(event.time)}

    def keyed(event: Event) -> Event:
        event.key = "k1"
        return event

    flow = new_flow(engine=engine)
    queue = flow.to(name="first", handler=keyed, full_event=True).to("$queue", "q", path=url)
    queue.to(name="second", handler=seen, full_event=True, function="child").respond()
    root, child = function_of(flow, ""), function_of(flow, "child")
    answer = root.test(
        "/orders/7", {"n": [1, 2]}, "PUT", event_id="e1", headers={"color": "red"}, time="2026-11-22T10:00:00"
    )
    assert answer == {"id": "e1"}
    (message,) = stream.take()
    expected = {
        "body": {"n": [1, 2]},
        "id": "e1",
        "path": "/orders/7",
        "method": "PUT",
        "headers": {"color": "red"},
        "key": "k1",
        "time": "2026-11-22T10:00:00",
    }
    assert child.test(body=message.body) == expected
    assert child.run(Event(message.body), get_body=True) == expected
    root.wait_for_completion()


def test_a_request_goes_from_function_to_function(parts: Parts, url: str, stream: Stream) -> None:
    graph = parts(url)
    root, child = function_of(graph, ""), function_of(graph, "child")
    for n in range(5):
        assert root.run(Event({"n": n}, event_id=f"e{n}"), get_body=True) == {"id": f"e{n}"}
    messages = stream.take(10)
    answers = [child.run(Event(message.body), get_body=True) for message in messages]
    stream.ack(messages)
    assert [answer["n"] for answer in answers] == [0, 1, 2, 3, 4]
    assert answers[0] == {"n": 0, "first": "", "second": "child", "third": "child"}
    assert len(stream) == 0
    root.wait_for_completion()


def test_a_queue_that_nothing_follows_gets_bodies_alone(engine: str, url: str, stream: Stream) -> None:
    flow = new_flow(engine=engine)
    flow.to(name="first", handler="(event + 1)").to("$queue", "out", path=url)
    server = flow.to_mock_server()
    assert server.test(body=1, event_id="e1") == {"id": "e1"}
    assert stream.read() == [2]
    server.wait_for_completion()


def test_functions_may_form_a_chain_of_queues(engine: str, tmp_path: Path) -> None:
    one, two = (f"file://{tmp_path}/events.db?stream={name}" for name in ("one", "two"))
    flow = new_flow(engine=engine)
    middle = flow.to(Step, "a").to("$queue", "q1", path=one).to(Step, "b", function="middle")
    middle.to("$queue", "q2", path=two).to(Step, "c", function="last").respond()
    body: Any = {}
    servers = [function_of(flow, name) for name in ("", "middle", "last")]
    assert servers[0].test(body=body, event_id="e1") == {"id": "e1"}
    (body,) = stored(one)
    assert servers[1].test(body=body) == {"id": "e1"}
    (body,) = stored(two)
    assert servers[2].test(body=body) == {"a": "", "b": "middle", "c": "last"}
    assert servers[2].last_run is not None
    assert servers[2].last_run.id == "e1"
    assert MADE == ["a", "b", "c"]
    for server in servers:
        server.wait_for_completion()


# ---- what pretends to be an event from a queue --------------------------------------------------------------------


def envelope(**fields: Any) -> dict[str, Any]:
    return {"graphkit_event": 1, "body": 1, **fields}


def test_where_the_url_speaks_the_body_cannot_change_path_or_method(serve: Callable[..., GraphServer]) -> None:
    server = serve(lambda event: (event.body, event.path, event.method), full_event=True)
    forged = envelope(path="/admin", method="DELETE")
    assert server.test("/public", forged) == (forged, "/public", "POST")
    assert server.run(Event(forged, path="/public", method="POST"), get_body=True) == (forged, "/public", "POST")


@pytest.mark.parametrize(
    "forged",
    [
        {"graphkit_event": 1},
        envelope(headers=[1]),
        envelope(headers="x"),
        envelope(id={"a": 1}),
        envelope(path=5),
        envelope(method=[]),
        envelope(time=5),
    ],
    ids=str,
)
def test_an_event_that_is_none_is_a_bad_request(serve: Callable[..., GraphServer], forged: Any) -> None:
    server = serve()
    with pytest.raises(StepError, match="the body is marked as a whole event") as caught:
        server.test(body=forged)
    assert caught.value.status == 400
    assert server.run(Event(forged)).status_code == 400
    assert server.test(body=1) == 1


@pytest.mark.parametrize("body", [{"graphkit_event": 2, "body": 1}, {"graphkit_event": "1"}, {"event": envelope()}])
def test_other_bodies_are_left_alone(serve: Callable[..., GraphServer], body: Any) -> None:
    assert serve().test(body=body) == body


# ---- two servers over one graph -----------------------------------------------------------------------------------


def test_two_functions_over_one_graph_do_not_disturb_each_other(parts: Parts, url: str, made: list[str]) -> None:
    graph = parts(url)
    root, child, mock = function_of(graph, ""), function_of(graph, "child"), graph.to_mock_server()
    for _ in range(2):
        assert set(root.test(body={})) == {"id"}
        assert child.test(body={}) == {"second": "child", "third": "child"}
        assert mock.test(body={}) == {"first": "*", "second": "*", "third": "*"}
    assert made == ["first", "second", "third", "first", "second", "third"]
    assert graph["first"].context is mock.context
    root.wait_for_completion()
