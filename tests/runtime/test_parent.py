"""A graph whose process is killed leaves no worker processes behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import os, sys, time
import graphkit

def pid(event):
    return {"pid": os.getpid()}

graph = graphkit.new_router("ParallelRun", executor_type="process", extend_event=False)
graph.add_route("a", handler="pid")
server = graph.to_mock_server()
print(server.test(body={"x": 1})["pid"], flush=True)
time.sleep(600)
"""


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")  # where nobody reaps it, an ended process stays as a zombie
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_workers_end_with_a_process_that_is_killed() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    assert worker != process.pid
    assert _runs(worker)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    end = time.monotonic() + 30
    while _runs(worker):
        assert time.monotonic() < end, "the worker still runs"
        time.sleep(0.1)
