import datetime as dt
import logging
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from graphkit.core.context import GraphContext, StreamContext
from graphkit.core.errors import GraphError, StreamError
from graphkit.models.tracking import ModelLog, tracking_frame


class Recorder:
    """A stream that keeps the batches it is given, or fails."""

    def __init__(self):
        self.batches = []
        self.fails = False

    def push(self, data):
        if self.fails:
            raise StreamError("disk full")
        self.batches.append(data)

    def read(self):
        return [record for batch in self.batches for record in batch]


class IrisModel:
    def __init__(self):
        self.name, self.version = "iris", "3"
        self.labels, self.metrics = {"team": "flowers"}, {}


@pytest.fixture
def stream():
    return Recorder()


@pytest.fixture
def model():
    return IrisModel()


@pytest.fixture
def make_log(stream, model):
    """Return a function that makes a log under some parameters of the server."""
    made = []

    def make(is_mock=False, **parameters):
        context = GraphContext(server=SimpleNamespace(parameters=parameters, verbose=False, function_uri="p/f"))
        context.is_mock = is_mock
        context.worker_id = 7
        context.stream = StreamContext(stream, "p/f")
        made.append(ModelLog(model, context))
        return made[-1]

    yield make
    for log in made:
        log.flush()


def push(log, i=0, **kwargs):
    log.push({"id": str(i), "inputs": [[i]]}, {"outputs": [i]}, "infer", time.perf_counter_ns(), **kwargs)


def test_a_record_says_what_came_in_what_went_out_and_where(make_log, stream):
    log = make_log()
    push(log, 5)
    log.flush()
    (record,) = stream.read()
    when = dt.datetime.fromisoformat(record.pop("when"))
    assert when.utcoffset() == dt.timedelta(0)
    assert abs(dt.datetime.now(dt.timezone.utc) - when) < dt.timedelta(minutes=1)
    assert 0 <= record.pop("microsec") < 1_000_000
    assert record.pop("host")
    assert record == {
        "class": "IrisModel",
        "model": "iris",
        "version": "3",
        "worker": 7,
        "function_uri": "p/f",
        "sampling_percentage": 100.0,
        "labels": {"team": "flowers"},
        "request": {"id": "5", "inputs": [[5]]},
        "op": "infer",
        "resp": {"outputs": [5]},
        "metrics": {},
    }


def test_latency_is_the_whole_time_in_microseconds(make_log, stream):
    log = make_log()
    log.push({}, {}, "infer", time.perf_counter_ns() - 2_500_000_000)
    log.flush()
    (record,) = stream.read()
    assert 2_500_000 <= record["microsec"] < 3_500_000
    started = dt.datetime.fromisoformat(record["when"])
    assert dt.datetime.now(dt.timezone.utc) - started >= dt.timedelta(seconds=2.5)


def test_a_failed_request_carries_its_error(make_log, stream):
    log = make_log()
    log.push({"inputs": [1]}, None, "infer", time.perf_counter_ns(), error=ValueError("bad"))
    log.push({"inputs": [1]}, None, "infer", time.perf_counter_ns(), error="plain text")
    log.flush()
    assert [record["error"] for record in stream.read()] == ["ValueError: bad", "plain text"]
    assert [record["resp"] for record in stream.read()] == [None, None]


def test_metrics_are_those_of_the_moment(make_log, stream, model):
    log = make_log()
    model.metrics["drift"] = 1
    push(log)
    model.metrics["drift"] = 2
    push(log)
    log.flush()
    assert [record["metrics"]["drift"] for record in stream.read()] == [1, 2]


def test_nothing_of_a_request_is_held(make_log, stream):
    log = make_log()
    request, response = {"inputs": [[1]]}, {"outputs": [1]}
    log.push(request, response, "infer", time.perf_counter_ns())
    request["inputs"][0].append(2)
    response["outputs"].clear()
    log.flush()
    (record,) = stream.read()
    assert (record["request"], record["resp"]) == ({"inputs": [[1]]}, {"outputs": [1]})


def test_arrays_become_lists_and_odd_values_texts(make_log, stream):
    log = make_log()
    log.push({"inputs": np.array([[1.5, 2.5]]), "hook": len}, "\ud800", "infer", time.perf_counter_ns())
    log.flush()
    (record,) = stream.read()
    assert record["request"] == {"inputs": [[1.5, 2.5]], "hook": "<built-in function len>"}
    assert record["resp"] == r"'\ud800'"
    assert record["op"] == "infer"


def test_records_are_pushed_when_a_batch_is_full(make_log, stream):
    log = make_log(tracking_batch=3, tracking_delay_s=1000)
    for i in range(7):
        push(log, i)
    assert [len(batch) for batch in stream.batches] == [3, 3]
    log.flush()
    assert [record["request"]["id"] for record in stream.read()] == list("0123456")


def test_a_record_waits_no_longer_than_the_delay(make_log, stream):
    log = make_log(tracking_batch=1000, tracking_delay_s=0.05)
    push(log)
    deadline = time.monotonic() + 30
    while not stream.batches and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(stream.read()) == 1
    push(log)
    while len(stream.batches) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(stream.read()) == 2


def test_flushing_leaves_no_timer_behind(make_log):
    log = make_log(tracking_delay_s=1000)
    push(log)
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    log.flush()
    for timer in timers:
        timer.join(10)
        assert not timer.is_alive()


def test_flushing_nothing_pushes_nothing(make_log, stream):
    make_log().flush()
    assert stream.batches == []


def test_in_the_mock_server_records_are_there_at_once(make_log, stream):
    push(make_log(is_mock=True))
    assert len(stream.read()) == 1


def test_elsewhere_they_are_collected(make_log, stream):
    push(make_log())
    assert stream.read() == []


def test_a_part_of_the_requests_is_sampled_repeatably(make_log, stream):
    def sampled(seed):
        stream.batches.clear()
        log = make_log(sampling_percentage=20, sampling_seed=seed)
        for i in range(1000):
            push(log, i)
        log.flush()
        return [record["request"]["id"] for record in stream.read()]

    first = sampled(1)
    assert 130 < len(first) < 270
    assert sampled(1) == first
    assert sampled(2) != first
    assert stream.read()[0]["sampling_percentage"] == 20.0


def test_errors_are_recorded_whatever_the_sample(make_log, stream):
    log = make_log(sampling_percentage=0)
    push(log)
    push(log, error=ValueError("bad"))
    log.flush()
    assert [record["error"] for record in stream.read()] == ["ValueError: bad"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("sampling_percentage", 101, "from 0 to 100, not 101"),
        ("sampling_percentage", -1, "from 0 to 100, not -1"),
        ("sampling_percentage", "many", "not 'many'"),
        ("sampling_percentage", float("nan"), "not nan"),
        ("tracking_batch", True, "not True"),
        ("tracking_delay_s", None, "not None"),
    ],
)
def test_bad_parameters_are_refused(make_log, name, value, told):
    with pytest.raises(GraphError, match=f"parameter '{name}' must be a number.*{told}"):
        make_log(**{name: value})


def test_a_stream_that_fails_is_logged_and_counted_and_breaks_nothing(make_log, stream, caplog):
    log = make_log(tracking_batch=2)
    stream.fails = True
    with caplog.at_level(logging.ERROR, "graphkit"):
        push(log)
        push(log)
    assert log.failed == 2
    assert "model 'iris': 2 tracking records could not be pushed: disk full" in caplog.text
    stream.fails = False
    push(log)
    push(log)
    assert (len(stream.read()), log.failed) == (2, 2)


def test_threads_lose_no_record(make_log, stream):
    log = make_log(tracking_batch=10, tracking_delay_s=0.01)

    def work(worker):
        for i in range(200):
            push(log, worker * 1000 + i)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.flush()
    expected = [worker * 1000 + i for worker in range(5) for i in range(200)]
    assert sorted(int(record["request"]["id"]) for record in stream.read()) == expected


def test_the_frame_has_a_row_for_each_request(make_log, stream, model):
    log = make_log()
    model.metrics["drift"] = 0.5
    push(log, 1)
    log.push({"inputs": [2]}, None, "infer", time.perf_counter_ns(), error=ValueError("bad"))
    log.push("odd", "answer", "op", time.perf_counter_ns())
    log.flush()
    frame = tracking_frame(stream)
    assert frame["inputs"].tolist() == [[[1]], [2], "odd"]
    assert frame["outputs"].tolist()[0] == [1]
    assert frame["outputs"].tolist()[2] == "answer"
    assert frame["metrics.drift"].tolist() == [0.5] * 3
    assert frame["labels.team"].tolist() == ["flowers"] * 3
    assert frame["error"].tolist()[1] == "ValueError: bad"
    assert str(frame["when"].dt.tz) == "UTC"
    assert "request" not in frame


def test_the_frame_of_no_records_is_empty(stream):
    assert len(tracking_frame(stream)) == 0
