"""Straight runs as one generated function: no text of the user's in it, and the failing step still known."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from graphkit import Event, GraphServer, StepError
from graphkit.runtime.fuse import MOST_STEPS, _compiled


def mock(graph: Any, **options: Any) -> GraphServer:
    server: GraphServer = graph.to_mock_server(namespace=globals(), **options)
    return server


def inc(x: Any) -> Any:
    return x + 1


def add(x: Any, by: int) -> Any:
    return x + by


class Adds:
    def do(self, x: Any) -> Any:
        return x + 1


class AddsToEvent:
    def do_event(self, event: Event) -> Event:
        event.body += 1
        return event


async def inc_later(x: Any) -> Any:
    return x + 1


def promise(x: Any) -> Any:
    return inc_later(x)


def fail(x: Any) -> Any:
    raise ValueError(f"no {x}")


KINDS: list[dict[str, Any]] = [
    {"handler": inc},
    {"handler": functools.partial(add, by=1)},
    {"class_name": Adds},
    {"class_name": AddsToEvent},
    {"handler": inc_later},
    {"handler": promise},
    {"handler": "(event + 1)"},
]


@pytest.mark.parametrize("at", range(len(KINDS) + 1))
def test_the_failing_step_is_named_wherever_it_stands(new_graph: Any, ask: Any, at: int) -> None:
    graph = step = new_graph()
    for number, kind in enumerate([*KINDS[:at], {"handler": fail}, *KINDS[at:]]):
        step = step.to(name=f"s{number}", **kind)
    with pytest.raises(StepError, match=rf"^step 's{at}' failed: ValueError: no {at}$"):
        ask(mock(graph), 0)


@pytest.mark.parametrize("kind", KINDS, ids=range(len(KINDS)))
def test_what_python_itself_raises_in_a_step_is_the_steps(new_graph: Any, ask: Any, kind: dict[str, Any]) -> None:
    graph = new_graph()
    graph.to(name="text", handler="(str(event))").to(name="bad", **kind).to(name="last", handler=inc)
    with pytest.raises(StepError, match=r"^step 'bad' failed: TypeError"):
        ask(mock(graph), 0)


def test_a_failing_step_of_a_run_that_was_cut_is_named(new_graph: Any, ask: Any) -> None:
    graph = step = new_graph()
    for number in range(2 * MOST_STEPS + 10):
        step = step.to(name=f"s{number}", handler=inc if number != MOST_STEPS + 3 else fail)
    with pytest.raises(StepError, match=rf"^step 's{MOST_STEPS + 3}' failed: ValueError: no {MOST_STEPS + 3}$"):
        ask(mock(graph), 0)
    graph[f"s{MOST_STEPS + 3}"].handler = inc
    assert ask(mock(graph), 0) == 2 * MOST_STEPS + 10


def test_a_run_that_calls_its_own_server_names_the_right_step(new_graph: Any, ask: Any) -> None:
    def again(x: int) -> Any:
        return server.test(body=x - 1) if x else fail(x)

    graph = new_graph()
    graph.to(name="first", handler="(event)").to(again).to(name="last", handler=inc)
    server = mock(graph)
    with pytest.raises(StepError, match=r"^step 'again' failed: ValueError: no 0$"):
        ask(server, 2)


def test_no_text_of_the_user_is_in_the_source(new_graph: Any, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = []

    def note(source: str) -> Any:
        sources.append(source)
        return _compiled(source)

    monkeypatch.setattr("graphkit.runtime.fuse._compiled", note)
    hostile = "'); import os; (\"\n\\"
    graph = new_graph()
    first = graph.to(name=hostile, handler="(event['spam'])", input_path="eggs", result_path="ham")
    first.to(name=f"{hostile} two", handler=inc, input_path="ham").error_handler(name=f"{hostile} catch", handler=inc)
    assert ask(mock(graph), {"eggs": {"spam": 1}}) == 2
    assert sources
    for word in ("import", "spam", "eggs", "ham", "'"):
        assert not any(word in source for source in sources)


def test_runs_of_the_same_make_share_their_code() -> None:
    source = "def make():\n  def run(b, ev, tr):\n    return b\n  return run\n"
    assert _compiled(source) is _compiled(source)


def test_a_hidden_exception_of_a_step_keeps_its_traceback(new_graph: Any) -> None:
    graph = new_graph()
    graph.to(fail)
    with pytest.raises(StepError) as caught:
        mock(graph).test(body=1)
    cause = caught.value.__cause__
    assert cause is not None
    traceback = cause.__traceback__
    names = []
    while traceback is not None:
        names.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert names[-1] == "fail"
