"""Bursts: many events at once on the path of production; figures that take little room; nothing is recorded."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import tracemalloc
from typing import Any

import pytest

from graphkit import BurstReport, GraphError, Response, new_flow
from graphkit.runtime.burst import MOST_MESSAGES, Burst
from graphkit.server.bursts import new_burst


def test_every_event_is_sent_and_measured_and_nothing_is_recorded(graph: Any) -> None:
    seen: list[Any] = []
    graph.to(name="note", handler=lambda event: seen.append((event.path, event.body, event.method)), full_event=True)
    server = graph.to_mock_server()
    report = server.burst("/p", {"x": [1]}, n=30, concurrency=3, progress=False)
    assert seen == [("/p", {"x": [1]}, "POST")] * 30
    assert (report.sent, report.n, report.concurrency, report.errors) == (30, 30, 3, {})
    assert all(latency > 0 for latency in report.latencies_us)
    assert report.throughput > 0
    assert len(server.runs) == 0


def test_no_more_are_under_way_than_was_said(graph: Any) -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def count(body: Any) -> Any:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.005)
        with lock:
            now[0] -= 1

    graph.to(count)
    graph.to_mock_server().burst(body=1, n=40, concurrency=4, progress=False)
    assert 2 <= most[0] <= 4


def test_an_async_graph_has_its_events_side_by_side() -> None:
    now, most = [0], [0]

    async def count(body: Any) -> Any:
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.01)
        now[0] -= 1

    graph = new_flow()
    graph.to(count)
    graph.to_mock_server().burst(body=1, n=40, concurrency=8, progress=False)
    assert 2 <= most[0] <= 8


def test_errors_are_counted_by_message(graph: Any) -> None:
    numbers = iter(range(100))

    def sometimes(body: Any) -> Any:
        number = next(numbers)
        if number % 4 == 1:
            raise ValueError("odd")
        return Response(body="busy", status_code=503) if number % 4 == 3 else number

    graph.to(sometimes)
    report = graph.to_mock_server().burst(body=1, n=40, concurrency=1, progress=False)
    assert report.errors == {"500: step 'sometimes' failed: ValueError: odd": 10, "503: busy": 10}
    assert (report.error_count, sum(report.failed), report.sent) == (20, 20, 40)


def test_messages_are_bounded(graph: Any) -> None:
    numbers = iter(range(1000))

    def fail(body: Any) -> Any:
        raise ValueError(f"{next(numbers)} " + "x" * 10_000)

    graph.to(fail)
    report = graph.to_mock_server().burst(body=1, n=MOST_MESSAGES + 30, concurrency=1, progress=False)
    assert len(report.errors) == MOST_MESSAGES + 1
    assert report.errors["other errors"] == 30
    assert max(map(len, report.errors)) <= 500


def test_each_event_has_a_body_of_its_own(graph: Any) -> None:
    def spoil(body: Any) -> Any:
        body["rows"].append(1)
        assert len(body["rows"]) == 1

    graph.to(spoil)
    body: dict[str, Any] = {"rows": []}
    report = graph.to_mock_server().burst(body=body, n=20, progress=False)
    assert (report.errors, body) == ({}, {"rows": []})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n": 0}, GraphError, "n must be a whole number from 1 on, not 0"),
        ({"n": True}, GraphError, "n must be"),
        ({"concurrency": 1.5}, GraphError, r"concurrency must be .*, not 1\.5"),
        ({"path": {"x": 1}}, TypeError, r"path is a text.*burst\(body=\.\.\.\)"),
    ],
)
def test_bad_input_is_a_clear_error(graph: Any, options: Any, error: Any, message: str) -> None:
    graph.to(name="same", handler="(event)")
    with pytest.raises(error, match=message):
        graph.to_mock_server().burst(progress=False, **options)


def test_a_graph_that_cannot_be_bound_is_an_error_at_once(graph: Any) -> None:
    graph.to("NoSuchClass")
    with pytest.raises(GraphError, match="NoSuchClass"):
        graph.to_mock_server(namespace={}).burst(progress=False)


def test_a_burst_can_be_cancelled_and_its_figures_stay(graph: Any) -> None:
    begun, stop = threading.Event(), threading.Event()
    numbers = iter(range(10_000))

    def wait(body: Any) -> Any:
        if next(numbers) >= 10:
            begun.set()
            stop.wait(20)

    graph.to(wait)
    burst = new_burst(graph.to_mock_server(), "/", 1, 1000, 2).start()
    assert begun.wait(20)
    burst.cancel()
    stop.set()
    report = burst.finish()
    assert report.cancelled
    assert 10 <= report.sent < 1000
    assert "cancelled" in repr(report)


def test_a_hanging_event_does_not_hold_a_cancelled_burst(graph: Any) -> None:
    begun, stop = threading.Event(), threading.Event()

    def hang(body: Any) -> Any:
        begun.set()
        stop.wait(60)

    graph.to(hang)
    burst = new_burst(graph.to_mock_server(), "/", 1, 10, 1).start()
    assert begun.wait(20)
    burst.cancel()
    report = burst.finish()
    stop.set()
    assert (report.cancelled, report.sent) == (True, 0)
    assert "0 of 10 events" in repr(report)
    assert "<svg" not in report._repr_html_()


def test_an_interrupt_returns_what_was_measured(graph: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    graph.to(name="same", handler="(event)")
    waits = []

    def interrupted(self: Any, timeout_s: Any = None) -> bool:
        waits.append(timeout_s)
        raise KeyboardInterrupt

    monkeypatch.setattr(Burst, "wait", interrupted)
    report = graph.to_mock_server().burst(body=1, n=100_000, progress=False)
    assert waits
    assert report.sent <= 100_000


def test_the_progress_bar_leaves_the_text_alone(graph: Any, capsys: pytest.CaptureFixture[str]) -> None:
    graph.to(name="same", handler="(event)")
    report = graph.to_mock_server().burst(body=1, n=20)
    assert report.sent == 20
    assert capsys.readouterr().out == ""


def test_percentiles_are_those_of_the_nearest_rank() -> None:
    report = BurstReport("/", 4, 1, 2.0, [4.0, 1.0, 3.0, 2.0], bytes(4), {})
    assert [report.percentile(share) for share in (0, 25, 50, 51, 99, 100)] == [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]
    assert report.throughput == 2.0
    with pytest.raises(ValueError, match="from 0 to 100"):
        report.percentile(101)
    with pytest.raises(ValueError, match="no event was answered"):
        BurstReport("/", 4, 1, 2.0, [], b"", {}).percentile(50)


def test_a_report_shows_itself_as_text_html_dict_frame_and_figure() -> None:
    report = BurstReport("/<p>", 3, 2, 0.5, [1000.0, 2000.0, 3000.0], b"\0\1\0", {"500: <script>": 1})
    text, html = repr(report), report._repr_html_()
    assert text.splitlines()[0] == "3 events to /<p>, 2 at once, in 500 ms: 6 per second, 1 failed"
    assert "p50 2 ms" in text
    assert "1 x 500: <script>" in text
    assert "<script>" not in html
    assert "<p>" not in html
    assert html.count("<rect") == 3
    told = report.to_dict()
    assert (told["latency_us"]["p99"], told["errors"]) == (3000.0, {"500: <script>": 1})
    frame = report.to_frame()
    assert (frame["latency_us"].tolist(), frame["failed"].tolist()) == ([1000.0, 2000.0, 3000.0], [False, True, False])
    assert len(report.plot(bins=3).axes[0].patches) == 3


def test_ten_thousand_events_take_little_memory_and_little_html(graph: Any) -> None:
    graph.to(name="row", handler=lambda body: {"rows": body["rows"] * 2})
    server = graph.to_mock_server()
    body = {"rows": [1.5] * 200}
    server.burst(body=body, n=100, progress=False)
    gc.collect()
    tracemalloc.start()
    try:
        report = server.burst(body=body, n=10_000, progress=False)
        grown, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.sent == 10_000
    assert grown < 2**20
    assert peak < 10 * 2**20
    assert len(report._repr_html_()) < 20_000
