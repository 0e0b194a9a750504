"""Tracebacks cut to the user's code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graphkit import GraphServer, StepError, new_flow
from graphkit.runtime.records import StepRecord
from graphkit.runtime.user_code import user_traceback


def divide(body: Any) -> Any:
    return body["a"] / body["b"]


def parse(body: Any) -> Any:
    return json.loads(body)


def translate(body: Any) -> Any:
    try:
        return {}[body]
    except KeyError as exc:
        raise ValueError("no such word") from exc


def loops(body: Any) -> Any:
    return [[row["x"] for row in rows] for rows in body]


def again(depth: int) -> int:
    return again(depth + 1)


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Model:
    def do(self, body: Any) -> Any:
        return self.helper(body)

    def helper(self, body: Any) -> Any:
        raise LookupError(body)


def record_of(step: Any, body: Any, engine: str = "sync") -> StepRecord:
    graph = new_flow(engine=engine)
    graph.to(step, name="step").respond()
    server: GraphServer = graph.to_mock_server()
    server.test(body=body, content_type="text/plain", silent=True)
    assert server.last_run is not None
    record: StepRecord = server.last_run.steps[0]
    return record


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_only_the_users_own_lines_are_kept(engine: str) -> None:
    lines = (record_of(divide, {"a": 1, "b": 0}, engine).traceback or "").splitlines()
    assert lines[0].startswith('File "')
    assert lines[0].endswith("in divide")
    assert lines[1:] == ['    return body["a"] / body["b"]', "ZeroDivisionError: division by zero"]


def test_frames_of_libraries_are_counted() -> None:
    text = record_of(parse, "{").traceback or ""
    assert "in parse" in text
    assert "frames in json" in text
    assert "raw_decode" not in text


def test_methods_that_call_one_another_are_all_there() -> None:
    text = record_of(Model, "x").traceback or ""
    assert text.index("in do") < text.index("in helper") < text.index("LookupError: x")


def test_what_was_raised_comes_before_what_caused_it() -> None:
    record = record_of(translate, "word")
    text = record.traceback or ""
    assert record.error == "ValueError: no such word"
    assert text.index("ValueError: no such word") < text.index("caused by") < text.index("KeyError: 'word'")


def test_loops_within_a_line_are_told_once() -> None:
    lines = (record_of(loops, [[{}]]).traceback or "").splitlines()
    assert [line for line in lines if line.startswith("File")] == [lines[0]]
    assert lines[1:] == ['    return [[row["x"] for row in rows] for rows in body]', "KeyError: 'x'"]


def test_a_recursion_is_bounded() -> None:
    with pytest.raises(RecursionError) as caught:
        again(0)
    text = user_traceback(caught.value)
    assert "more frames" in text
    assert len(text) < 5_000


def test_an_exception_that_cannot_say_what_it_is_does_no_harm() -> None:
    assert user_traceback(Mute()) == "Mute: (its text raised RuntimeError)"


def test_a_step_that_works_has_none() -> None:
    assert record_of(divide, {"a": 1, "b": 1}).traceback is None


def test_secrets_are_hidden() -> None:
    def leak(body: Any, context: Any) -> Any:
        raise ValueError(f"key {context.get_secret('KEY')}")

    graph = new_flow()
    graph.to(leak, name="leak").respond()
    server = graph.to_mock_server(secret_sources=[{"kind": "inline", "source": {"KEY": "swordfish"}}])
    with pytest.raises(StepError):
        server.test(body=1)
    assert "swordfish" not in str(server.last_run.steps[0].traceback)
    assert "ValueError: key ***" in str(server.last_run.steps[0].traceback)
