"""A server whose disk is full goes on answering, and writes again when there is room."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from graphkit.streams.file import FileStream
from tests.server.http.disks import Disk
from tests.server.http.processes import Served
from tests.server.http.test_metrics import numbers

INFER = "/v2/models/linear/infer"


def ask(served: Served, count: int, size: int = 1) -> None:
    """Ask so many times, and check the answers."""
    with httpx.Client(base_url=served.url, timeout=20) as client:
        for number in range(count):
            answer = client.post(INFER, json={"inputs": [[number, 2]] * size})
            assert answer.json()["outputs"] == [number + 20] * size


def memory_kb(served: Served) -> int:
    (found,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{served.process.pid}/status").read_text())
    return int(found)


def is_so(condition: Callable[[], bool]) -> bool:
    """Return whether something is so before long."""
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_requests_that_cannot_be_tracked_are_answered(serving: Callable[..., Served], disk: Disk) -> None:
    url = f"file://{disk.folder}/log.db"
    served = serving("tracked", {"TEST_LOG_STREAM": url}, log_level="info")
    ask(served, 20)
    stream = FileStream(url)
    assert is_so(lambda: len(stream) == 20)
    disk.fill()
    ask(served, 100, size=3000)
    before = memory_kb(served)
    ask(served, 500, size=3000)  # more than 40 kB each, asked and answered
    assert memory_kb(served) - before < 12_000
    disk.make_room()
    lost = re.compile(r"(\d+) tracking records could not be pushed: .* full")
    assert is_so(lambda: sum(map(int, lost.findall(served.log.read_text()))) == 620 - len(stream) > 400)
    kept = len(stream)
    ask(served, 7)
    assert is_so(lambda: len(stream) == kept + 7)
    assert served.stop() == 0
    stream.close()


def test_a_stream_that_cannot_be_opened_is_told(disk: Disk, tmp_path: Path) -> None:
    disk.fill()
    served = Served("tracked", tmp_path / "log.txt", {"TEST_LOG_STREAM": f"file://{disk.folder}/log.db"}, {})
    assert served.process.wait(30) == 1
    assert f"stream file://{disk.folder}/log.db: " in served.log.read_text()
    assert "the server could not start" in served.log.read_text()


def test_errors_that_cannot_be_written_are_answered(serving: Callable[..., Served], disk: Disk) -> None:
    url = f"file://{disk.folder}/errors.db"
    served = serving("tracked", {"TEST_ERROR_STREAM": url})

    def fail(count: int) -> None:
        for _ in range(count):
            answer = httpx.post(served.url + INFER, json={"inputs": [["x" * 20_000, 2]]}, timeout=20)
            assert answer.status_code == 400
            assert "rows of two numbers are expected" in answer.text

    fail(3)
    stream = FileStream(url)
    assert len(stream) == 3
    disk.fill()
    fail(100)
    kept = len(stream)
    assert served.log.read_text().count("the error stream could not be written: ") == 103 - kept > 90
    disk.make_room()
    fail(2)
    assert len(stream) == kept + 2
    assert served.stop() == 0
    stream.close()


@pytest.mark.parametrize("full_at_first", [False, True])
def test_requests_that_cannot_be_counted_are_answered_and_counted_later(
    serving: Callable[..., Served], disk: Disk, full_at_first: bool
) -> None:
    if full_at_first:
        disk.fill()
    served = serving("models", {"PROMETHEUS_MULTIPROC_DIR": str(disk.folder)}, workers=2, metrics="steps")
    disk.fill()
    ask(served, 100)
    assert httpx.get(f"{served.url}/metrics").status_code == 200
    disk.make_room()
    asked = 100

    def all_are_counted() -> bool:
        nonlocal asked
        ask(served, 10)
        asked += 10
        told = httpx.get(f"{served.url}/metrics").text
        return numbers(told).get("graphkit_requests_total{method=POST,model=linear,status=200}") == asked

    assert is_so(all_are_counted)
    log = served.log.read_text()
    assert "metrics cannot be written and wait in memory: [Errno 28]" in log
    assert "died" not in log
    assert served.stop() == 0


def test_requests_that_cannot_be_logged_are_answered(disk: Disk) -> None:
    served = Served("models", disk.folder / "log.txt", {}, {"access_log": True, "log_level": "info"})
    try:
        served.wait()
        disk.fill()
        ask(served, 500)
        lines = served.log.read_text().splitlines()
        disk.make_room()
        ask(served, 10)
        assert served.stop() == 0
        more = [json.loads(line) for line in served.log.read_text().splitlines()[len(lines) :]]
        (lost,) = re.findall(r"(\d+) lines of this log could not be written", more[0]["message"])
        assert int(lost) > 400
        assert sum(line["logger"] == "graphkit.access" for line in more) >= 10  # one is logged when it was answered
    finally:
        served.kill()
