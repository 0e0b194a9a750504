"""The streams that a server writes to: errors, and what its models were asked and answered."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graphkit import (
    Event,
    GraphContext,
    GraphServer,
    StepError,
    StreamError,
    V2ModelServer,
    create_graph_server,
    open_stream,
    tracking_frame,
)
from graphkit.core.protocols import Stream

Serve = Callable[..., GraphServer]


def fail(x: Any) -> Any:
    raise ValueError(f"no {x}")


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, stream_url: str, tmp_path: Path) -> str:
    """Return the address of a new stream, of each embedded driver in turn."""
    return stream_url if request.param == "memory" else f"file://{tmp_path}/events.db"


@pytest.fixture
def stream(url: str) -> Iterator[Stream]:
    """Return the stream at ``url``; it is closed in the end."""
    opened = open_stream(url)
    yield opened
    opened.close()


# ---- the error stream ---------------------------------------------------------------------------------------------


def test_the_error_of_a_step_is_written_to_the_error_stream(serve: Serve, url: str, stream: Stream) -> None:
    server = serve(fail, error_stream=url, function_uri="project/name")
    server.test("/a", {"x": 1}, event_id="e1", silent=True)
    server.run(Event({"x": 2}, event_id="e2"))
    asyncio.run(server.run_async(Event({"x": 3}, event_id="e3")))
    server.wait_for_completion()
    first, second, third = stream.read()
    assert first == {
        "function_uri": "project/name",
        "worker": 0,
        "host": socket.gethostname(),
        "source": "step",
        "event": {"id": "e1", "body": {"x": 1}},
        "message": "step 'step' failed: ValueError: no {'x': 1}",
        "args": {},
    }
    assert [second["event"]["id"], third["event"]["id"]] == ["e2", "e3"]


def test_an_error_that_a_handler_takes_is_written_too(graph: Any, stream_url: str) -> None:
    graph.to(name="fail", handler=fail).error_handler(name="catch", handler="('caught')").respond()
    server = graph.to_mock_server(error_stream=stream_url)
    assert server.test(body=1) == "caught"
    (record,) = open_stream(stream_url).read()
    assert record["source"] == "fail"


def test_errors_of_no_step_are_written_as_well(serve: Serve, stream_url: str) -> None:
    server = serve(lambda x: object(), error_stream=stream_url)
    server.test(body="{", content_type="json", silent=True)
    server.test(body=1, get_body=False, silent=True)
    server.graph["step"].handler = "Unknown"
    server.test(body=1, silent=True)
    refused, unsendable, unbound = open_stream(stream_url).read()
    assert "not usable JSON" in refused["message"]
    assert refused["event"]["body"] == "{"
    assert "cannot be sent" in unsendable["message"]
    assert "'Unknown' is not defined" in unbound["message"]


def test_steps_may_push_errors_themselves(serve: Serve, stream_url: str) -> None:
    def step(event: Event, context: GraphContext) -> str:
        context.push_error(event, "odd", source="me", row=5, why={"a": object})
        return "fine"

    server = serve(step, full_event=True, error_stream=stream_url)
    assert server.test(body=[1], event_id="e1") == "fine"
    (record,) = open_stream(stream_url).read()
    assert (record["message"], record["source"]) == ("odd", "me")
    assert record["event"] == {"id": "e1", "body": [1]}
    assert record["args"] == {"row": 5, "why": {"a": "<class 'object'>"}}


def test_without_a_stream_nothing_is_written_and_nothing_fails(serve: Serve) -> None:
    server = serve(lambda event, context: context.push_error(event, "odd"), full_event=True)
    assert server.test(body=1) is None


def test_an_odd_body_does_not_cost_the_record(serve: Serve, stream_url: str) -> None:
    server = serve(fail, error_stream=stream_url)
    loop: list[Any] = []
    loop.append(loop)
    for body in (object(), {1, 2}, float("nan"), b"\xff", {(1, 2): 3}, loop):
        server.test(body=body, content_type="text/plain", silent=True)
    assert len(open_stream(stream_url).read()) == 6


class Failing:
    """A stream whose writes fail."""

    url = "failing://"

    def push(self, data: Any, *, key: str | None = None) -> None:
        raise StreamError("the disk is full")

    def close(self) -> None: ...


def test_a_failing_error_stream_is_logged_and_never_raised(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(fail)
    server.init()
    server._error_stream_object = Failing()
    with caplog.at_level(logging.ERROR, "graphkit"), pytest.raises(StepError, match="ValueError: no 1"):
        server.test(body=1)
    assert "the error stream could not be written: the disk is full" in caplog.text


def test_set_error_stream_opens_at_once(serve: Serve, url: str, stream: Stream) -> None:
    server = serve(fail)
    server.set_error_stream(url)
    assert server.error_stream == url
    server.test(body=1, silent=True)
    server.wait_for_completion()
    assert len(stream.read()) == 1


def test_the_error_stream_may_change_at_any_time(serve: Serve, stream_url: str) -> None:
    server = serve(fail, error_stream=f"{stream_url}-1")
    server.test(body=1, silent=True)
    server.set_error_stream(f"{stream_url}-2")
    server.test(body=2, silent=True)
    server.error_stream = f"{stream_url}-3"
    server.test(body=3, silent=True)
    server.set_error_stream(None)
    server.test(body=4, silent=True)
    server.error_stream = f"{stream_url}-3"
    server.test(body=5, silent=True)
    counts = [[record["event"]["body"] for record in open_stream(f"{stream_url}-{n}").read()] for n in (1, 2, 3)]
    assert counts == [[1], [2], [3, 5]]


def test_a_stream_that_cannot_be_opened_is_told(serve: Serve, stream_url: str) -> None:
    server = serve(fail, error_stream="nosuch://x")
    with pytest.raises(StepError, match="there is no driver for nosuch:// streams") as caught:
        server.test(body=1)
    assert isinstance(caught.value.__cause__, StreamError)
    server.set_error_stream(stream_url)
    with pytest.raises(StreamError, match="nosuch"):
        server.set_error_stream("nosuch://x")
    assert server.error_stream == stream_url
    server.test(body=1, silent=True)
    assert len(open_stream(stream_url).read()) == 1


def test_verbose_logs_errors_as_they_happen(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve(fail)
    with caplog.at_level(logging.ERROR, "graphkit"):
        server.test(body=1, silent=True)
        assert caplog.text == ""
        server.verbose = True
        server.test(body=2, silent=True)
    assert "error in step step: step 'step' failed: ValueError: no 2" in caplog.text


# ---- tracking -----------------------------------------------------------------------------------------------------


class Model(V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        if request["inputs"] == ["fail"]:
            raise ValueError("odd input")
        time.sleep(0.002)
        self.set_metric("count", len(request["inputs"]))
        return [2 * x for x in request["inputs"]]


def tracked(url: str | None = None, **parameters: Any) -> GraphServer:
    if url is not None:
        parameters["log_stream"] = url
    server = create_graph_server(parameters, track_models=True, function_uri="project/name")
    server.add_model("iris:3", class_name=Model)
    return server


def test_a_record_is_written_per_request(url: str, stream: Stream) -> None:
    server = tracked(url)
    before = dt.datetime.now(dt.timezone.utc)
    server.test("iris/versions/3/infer", {"id": "r1", "inputs": [1, 2]})
    server.run(Event({"inputs": [3]}, path="iris/versions/3/infer", method="POST", event_id="e2"))
    server.test("iris/versions/3/infer", {"inputs": ["fail"]}, silent=True)
    server.test("iris/versions/3/ready", method="GET")
    server.wait_for_completion()
    first, second, failed = stream.read()
    assert first["request"] == {"id": "r1", "inputs": [1, 2]}
    assert first["resp"]["outputs"] == [2, 4]
    assert (first["model"], first["version"], first["class"], first["op"]) == ("iris", "3", "Model", "infer")
    assert (first["function_uri"], first["host"]) == ("project/name", socket.gethostname())
    assert first["metrics"] == {"count": 2}
    assert 2_000 <= first["microsec"] < 60_000_000
    assert before <= dt.datetime.fromisoformat(first["when"])
    assert (second["request"]["id"], second["resp"]["outputs"]) == ("e2", [6])
    assert (failed["resp"], failed["error"]) == (None, "ValueError: odd input")


def test_the_records_can_be_read_as_a_data_frame(url: str, stream: Stream) -> None:
    server = tracked(url)
    for n in range(3):
        server.test("iris/versions/3/infer", {"inputs": [n]})
    server.wait_for_completion()
    frame = tracking_frame(stream)
    assert frame["inputs"].tolist() == [[0], [1], [2]]
    assert frame["outputs"].tolist() == [[0], [2], [4]]
    assert frame["metrics.count"].tolist() == [1, 1, 1]
    assert (frame["microsec"] >= 2_000).all()
    assert stream.as_df()["model"].tolist() == ["iris"] * 3


def test_without_a_stream_of_its_own_it_is_kept_in_memory() -> None:
    server = tracked()
    server.test("iris/versions/3/infer", {"inputs": [1]})
    server.wait_for_completion()
    assert len(tracking_frame(server.context.stream.output_stream)) == 1
    server.init()
    server.test("iris/versions/3/infer", {"inputs": [2]})
    server.wait_for_completion()
    assert tracking_frame(server.context.stream.output_stream)["inputs"].tolist() == [[1], [2]]


def test_two_servers_do_not_share_it() -> None:
    first, second = tracked(), tracked()
    for server in (first, second):
        server.test("iris/versions/3/infer", {"inputs": [1]})
        server.wait_for_completion()
    assert len(first.context.stream.output_stream) == len(second.context.stream.output_stream) == 1


def test_the_mock_server_writes_at_once(graph: Any) -> None:
    graph.to("*", name="models").respond()
    server = graph.to_mock_server(track_models=True)
    server.add_model("m", class_name=Model)
    server.test("m/infer", {"inputs": [1]})
    assert len(server.context.stream.output_stream) == 1


def test_other_servers_write_in_batches(stream_url: str) -> None:
    server = tracked(stream_url, tracking_batch=3, tracking_delay_s=1000)
    for n in range(4):
        server.test("iris/versions/3/infer", {"inputs": [n]})
    stream = open_stream(stream_url)
    assert [record["request"]["inputs"] for record in stream.read()] == [[0], [1], [2]]
    server.wait_for_completion()
    assert len(stream.read()) == 4


def test_a_part_of_the_requests_may_be_sampled(stream_url: str) -> None:
    server = tracked(stream_url, sampling_percentage=25, sampling_seed=1)
    server.graph["iris:3"].class_name = Quick
    for n in range(200):
        server.test("iris/versions/3/infer", {"inputs": [n]})
    server.wait_for_completion()
    records = open_stream(stream_url).read()
    assert 20 < len(records) < 90
    assert {record["sampling_percentage"] for record in records} == {25.0}


class Quick(V2ModelServer):
    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return request["inputs"]


@pytest.mark.parametrize("track_models", [None, False])
def test_tracking_is_off_where_nothing_asks_for_it(track_models: bool | None) -> None:
    server = create_graph_server(track_models=track_models)
    server.add_model("m", class_name=Quick)
    server.test("m/infer", {"inputs": [1]})
    assert server.context.stream.enabled is False
    assert server.context.stream.output_stream is None


def test_a_log_stream_alone_asks_for_it(stream_url: str) -> None:
    server = create_graph_server({"log_stream": stream_url + "-{project}"}, function_uri="shop/name")
    server.add_model("m", class_name=Quick)
    server.test("m/infer", {"inputs": [1]})
    server.wait_for_completion()
    assert len(open_stream(f"{stream_url}-shop").read()) == 1


def test_options_of_the_log_stream_are_handed_on(stream_url: str) -> None:
    server = create_graph_server({"log_stream": stream_url, "stream_args": {"maxlen": 7}})
    server.add_model("m", class_name=Quick)
    server.init()
    assert server.context.stream.output_stream.maxlen == 7


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"sampling_percentage": 200}, "'sampling_percentage' must be a number from 0 to 100, not 200"),
        ({"log_stream": "memory://{name}"}, "'log_stream' may hold {project}, and no other braces"),
        ({"log_stream": "memory://{"}, "'log_stream' may hold {project}, and no other braces"),
        ({"log_stream": 5}, "'log_stream' must be the URL of a stream, not 5"),
        ({"log_stream": "memory://a", "stream_args": 5}, "'stream_args' must be a dict, not 5"),
        ({"log_stream": "nosuch://a"}, "there is no driver for nosuch:// streams"),
        ({"log_stream": "memory://a", "stream_args": {"maxln": 5}}, "did you mean 'maxlen'"),
    ],
)
def test_bad_settings_are_told(parameters: dict[str, Any], told: str) -> None:
    server = tracked(**parameters)
    with pytest.raises(StepError, match=re.escape(told)):
        server.test("iris/versions/3/infer", {"inputs": [1]})


def test_a_failing_stream_fails_no_request(caplog: pytest.LogCaptureFixture) -> None:
    server = tracked(tracking_batch=1)
    server.init_states()
    server.context.stream.output_stream = Failing()
    with caplog.at_level(logging.ERROR, "graphkit"):
        assert server.test("iris/versions/3/infer", {"inputs": [1]})["outputs"] == [2]
    assert "1 tracking records could not be pushed: the disk is full" in caplog.text
