import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphkit.streams.file import FileStream
from graphkit.streams.memory import MemoryStream


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self, now=1_000_000.0):
        self.now = now

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "file"])
def make_stream(request, tmp_path, clock):
    """Return a function that makes a stream of each kind, on a clock that stands still."""
    made = []

    def make(**options):
        if request.param == "memory":
            made.append(MemoryStream(f"memory://s{len(made)}", clock=clock, **options))
        else:
            made.append(FileStream(f"file://{tmp_path}/s{len(made)}.db", clock=clock, **options))
        return made[-1]

    yield make
    for stream in made:
        stream.close()


@pytest.fixture
def stream(make_stream):
    return make_stream()


@pytest.fixture
def start_python():
    """Return a function that starts a Python process on some code; what still runs at the end is killed."""
    started = []

    def start(code, *args):
        path = os.pathsep.join(part or str(Path.cwd()) for part in sys.path)
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
