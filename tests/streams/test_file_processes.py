"""Several processes on one file, and processes that are killed."""

import signal
import time

import pytest

from graphkit.streams.file import FileStream

PRODUCE = """
import sys
from graphkit.streams.file import FileStream

stream, name = FileStream(sys.argv[1]), sys.argv[2]
for i in range(int(sys.argv[3])):
    stream.push({"from": name, "i": i})
    print(i, flush=True)
"""

CONSUME = """
import os, sys, time
from graphkit.streams.file import FileStream

stream = FileStream(sys.argv[1])
done = os.open(sys.argv[2], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
idle_since = time.monotonic()
while time.monotonic() - idle_since < 1.5:
    messages = stream.take(5, lease_s=0.5)
    if not messages:
        time.sleep(0.02)
        continue
    for message in messages:
        time.sleep(0.002)
        os.write(done, f"{message.body}\\n".encode())
        stream.ack([message])
    idle_since = time.monotonic()
"""


@pytest.fixture
def url(tmp_path):
    return f"file://{tmp_path}/events.db"


def test_processes_that_open_a_new_file_at_once_all_succeed(url, start_python):
    producers = [start_python(PRODUCE, url, name, 20) for name in "abcd"]
    for producer in producers:
        _, err = producer.communicate(timeout=120)
        assert (producer.returncode, err) == (0, "")
    stream = FileStream(url)
    stored = stream.read()
    stream.close()
    for name in "abcd":
        assert [body["i"] for body in stored if body["from"] == name] == list(range(20))


def test_what_a_killed_producer_had_pushed_is_there(url, start_python):
    producer = start_python(PRODUCE, url, "a", 1_000_000)
    told = []
    for line in producer.stdout:
        told.append(int(line))
        if len(told) == 50:
            producer.send_signal(signal.SIGKILL)
    assert producer.wait() == -signal.SIGKILL
    stream = FileStream(url)
    stored = [body["i"] for body in stream.read()]
    # the last one may have been stored without a word about it
    assert stored[: len(told)] == told
    assert len(stored) <= len(told) + 1
    stream.push("next")
    assert stream.read(len(stored)) == ["next"]
    stream.close()


def test_a_killed_consumers_entries_come_again_to_another(url, start_python):
    stream = FileStream(url)
    stream.push([1, 2, 3])
    take = "import sys, time; from graphkit.streams.file import FileStream; s = FileStream(sys.argv[1]); "
    consumer = start_python(take + "print(len(s.take(2, lease_s=0.3)), flush=True); time.sleep(60)", url)
    assert consumer.stdout.readline() == "2\n"
    assert [m.body for m in stream.take(5)] == [3]
    consumer.send_signal(signal.SIGKILL)
    consumer.wait()
    time.sleep(0.3)
    assert [(m.body, m.attempts) for m in stream.take(5)] == [(1, 2), (2, 2)]
    stream.close()


def test_nothing_is_lost_when_consumers_are_killed_again_and_again(url, start_python, tmp_path):
    count, done = 300, tmp_path / "done.txt"
    stream = FileStream(url)
    stream.push(list(range(count)))
    for _ in range(3):
        victims = [start_python(CONSUME, url, done) for _ in range(2)]
        before = len(done.read_text().split()) if done.exists() else 0
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and (len(done.read_text().split()) if done.exists() else 0) < before + 20:
            time.sleep(0.01)
        for victim in victims:
            victim.send_signal(signal.SIGKILL)
            victim.wait()
    last = start_python(CONSUME, url, done)
    _, err = last.communicate(timeout=120)
    assert err == ""
    handled = [int(line) for line in done.read_text().split()]
    assert set(handled) == set(range(count))
    assert len(stream) == 0
    stream.close()
