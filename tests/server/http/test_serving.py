"""Real servers in processes of their own: workers, TLS, reload, and ends that lose nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from graphkit import GraphError, new_flow
from graphkit.server.http.serve import serve
from graphkit.server.settings import Settings

CODE = "import graphkit\ngraph = graphkit.new_flow()\ngraph.to(%s).respond()\n"


class Clients:
    """Clients that send numbered requests one after the other until they are told that the connection ends."""

    def __init__(self, url: str, count: int, sleep_s: float = 0.0) -> None:
        self.url = url
        self.sleep_s = sleep_s
        self.answered: list[int] = []
        self.lost: list[str] = []
        self.stopped = threading.Event()
        self._number = iter(range(10**9))
        self._threads = [threading.Thread(target=self._send) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        with httpx.Client(timeout=20, verify=False) as client:
            while not self.stopped.is_set():
                number = next(self._number)
                try:
                    answer = client.post(self.url, json={"number": number, "sleep_s": self.sleep_s})
                    assert answer.json()["number"] == number
                except Exception as exc:  # told by the test
                    self.lost.append(f"{type(exc).__name__}: {exc}")
                    return
                self.answered.append(number)
                if answer.headers.get("connection") == "close":
                    return

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("graph", ["worker", "async_worker"])
def test_a_server_that_is_told_to_end_answers_what_it_has_taken(
    serving: Callable[..., Any], tmp_path: Path, workers: int, graph: str
) -> None:
    taken = tmp_path / "taken"
    environment = {"TEST_TAKEN": str(taken)}
    served = serving(graph, environment, workers=workers, drain_s=0.5)
    clients = Clients(served.url, 12, sleep_s=0.05)
    time.sleep(1)
    code = served.stop()
    clients.join()
    assert clients.lost == []
    assert len(clients.answered) > 12
    assert code == 0, served.log.read_text()
    if graph == "worker":
        assert sorted(map(int, taken.read_text().split())) == sorted(clients.answered)
    with pytest.raises(httpx.ConnectError):
        httpx.get(served.url)


def test_a_request_that_is_being_answered_outlives_the_signal(serving: Callable[..., Any]) -> None:
    served = serving("worker", drain_s=0.1)
    answers: list[Any] = []
    slow = threading.Thread(
        target=lambda: answers.append(httpx.post(served.url, json={"number": 1, "sleep_s": 1.5}, timeout=20).json())
    )
    slow.start()
    time.sleep(0.3)
    served.process.send_signal(signal.SIGTERM)
    slow.join(20)
    assert answers[0]["number"] == 1
    assert served.process.wait(10) == 0


def test_a_server_that_drains_says_that_it_is_not_ready(serving: Callable[..., Any]) -> None:
    served = serving("worker", drain_s=3)
    served.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    found = httpx.get(f"{served.url}/v2/health/ready")
    assert (found.status_code, found.json()["reason"]) == (503, "the server is shutting down")
    assert httpx.post(served.url, json={"number": 1}).json()["number"] == 1
    served.process.send_signal(signal.SIGTERM)  # a second one ends it at once
    assert served.process.wait(2.5) == 0


def test_a_worker_that_is_killed_is_replaced(serving: Callable[..., Any]) -> None:
    served = serving("worker", workers=2)

    def processes() -> set[int]:
        found = set()
        for _ in range(40):
            try:
                found.add(httpx.post(served.url, json={"number": 0}, timeout=5).json()["process"])
            except httpx.TransportError:
                time.sleep(0.1)
        return found

    end = time.monotonic() + 20
    before: set[int] = set()
    while len(before) < 2 and time.monotonic() < end:
        before |= processes()
    assert len(before) == 2
    killed = before.pop()
    os.kill(killed, signal.SIGKILL)
    after: set[int] = set()
    while len(after - {killed}) < 2 and time.monotonic() < end + 10:
        after |= processes()
    assert len(after - {killed}) >= 2
    assert served.stop() == 0


def test_a_certificate_makes_it_https(serving: Callable[..., Any], certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    served = serving("worker", tls_cert=str(cert), tls_key=str(key))
    context = ssl.create_default_context(cafile=str(cert))
    assert httpx.post(served.url, json={"number": 1}, verify=context).json()["number"] == 1


def test_code_that_changes_is_served_anew(tmp_path: Path) -> None:
    code = tmp_path / "app.py"
    code.write_text(CODE % "name='s', handler='(event + 1)'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).resolve().parents[3]
    script = (
        "from graphkit.server.http.serve import serve; from graphkit.server.settings import Settings; "
        f"serve({str(code)!r}, Settings(port={port}, reload=True, drain_s=0))"
    )
    log = tmp_path / "log.txt"
    with log.open("wb") as out:
        environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        assert answer_of(port, "2"), log.read_text()
        new = code.read_text().replace("+ 1", "+ 100")
        for _ in range(6):
            code.write_text(new)  # what is written before the watch has begun is not seen
            if answer_of(port, "101", 5):
                break
        else:
            raise AssertionError(log.read_text())
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def answer_of(port: int, expected: str, wait_s: float = 30) -> bool:
    """Return whether a server answers 1 with what is expected, before long."""
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        try:
            if httpx.post(f"http://127.0.0.1:{port}", json=1, timeout=5).text == expected:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    return False


def test_several_workers_open_their_graph_themselves() -> None:
    with pytest.raises(GraphError, match="name it"):
        serve(new_flow(), Settings(workers=2))


def test_what_cannot_be_opened_is_told_before_anything_is_served() -> None:
    with pytest.raises(GraphError, match="there is no"):
        serve("no/such/folder", Settings(port=0))


def test_workers_without_a_folder_for_their_metrics_do_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    with pytest.raises(GraphError, match=r"folder for their metrics.* TMPDIR"):
        serve("app.py", Settings(workers=2, metrics="requests"))


def test_workers_that_cannot_start_end_the_server(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(CODE % "'Lost', name='s'")
    root = Path(__file__).resolve().parents[3]
    script = (
        "from graphkit.server.http.serve import serve; from graphkit.server.settings import Settings; "
        "serve('bad.py', Settings(port=0, workers=2))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "Lost" in done.stderr
    assert "the workers could not start" in done.stderr


def test_logs_are_lines_of_json(serving: Callable[..., Any]) -> None:
    served = serving("worker", log_level="info")
    served.stop()
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    assert {"time", "level", "logger", "message"} <= lines[0].keys()
    assert any("Shutting down" in line["message"] for line in lines)
