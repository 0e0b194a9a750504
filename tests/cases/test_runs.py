"""Two runs side by side: what is the same in each step, and where it first differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import graphkit
from graphkit import RunComparison, RunRecord, V2ModelServer, compare, new_flow


def run_of(*handlers: Any, body: Any = 1, names: str = "abcdef") -> RunRecord:
    graph = new_flow()
    step = graph
    for name, handler in zip(names, handlers, strict=False):
        step = step.to(name=name, handler=handler)
    server = graph.to_mock_server()
    server.test(body=body, silent=True)
    assert server.last_run is not None
    return server.last_run


def found(comparison: RunComparison) -> list[tuple[str, str, str]]:
    return [(step.name, step.status, step.first) for step in comparison.steps]


def test_equal_runs_are_the_same_whatever_time_they_took() -> None:
    same = compare(run_of("(event + 1)", "(event * 2)"), run_of("(event + 1)", "(event * 2)"))
    assert found(same) == [("a", "same", ""), ("b", "same", "")]
    assert (same.same, same.first, same.answer) == (True, None, "")
    assert all(step.duration_us is not None and step.duration_us_before is not None for step in same.steps)


def test_the_first_difference_is_named_with_its_place() -> None:
    before = run_of("({'outputs': [{'label': 1, 'p': 0.5}]})", "(event)")
    after = run_of("({'outputs': [{'label': 2, 'p': 0.6}]})", "(event)")
    comparison = compare(before, after)
    assert comparison.first.name == "a"
    assert (comparison.first.first, comparison.first.count) == ("outputs[0].label: 1 -> 2", 2)
    assert [step.input_changed for step in comparison.steps] == [False, True]
    assert comparison.answer == "outputs[0].label: 1 -> 2"
    assert not comparison.same


def test_numbers_may_differ_a_little_but_integers_may_not() -> None:
    assert compare(run_of("(1.0)"), run_of("(1.0000000001)")).same
    assert not compare(run_of("(1.0)"), run_of("(1.001)")).same
    assert compare(run_of("(1.0)"), run_of("(1.001)"), rtol=0.01).same
    assert not compare(run_of("(10 ** 9)"), run_of("(10 ** 9 + 1)")).same


def test_steps_that_only_one_run_has_are_added_or_removed() -> None:
    before, after = (
        run_of("(event)", "(event)", "(event)", names="axc"),
        run_of("(event)", "(event)", "(event)", names="ayc"),
    )
    assert [step[:2] for step in found(compare(before, after))] == [
        ("a", "same"),
        ("y", "added"),
        ("x", "removed"),
        ("c", "same"),
    ]


def test_failures() -> None:
    good, bad = run_of("(event)", "(event)", body={"x": 1}), run_of("(event)", "(event['y'])", body={"x": 1})
    worse = run_of("(event)", "(event['z'])", body={"x": 1})
    assert [step[1] for step in found(compare(good, bad))] == ["same", "failed"]
    assert compare(good, bad).first.first.startswith("error: None -> ")
    assert [step[1] for step in found(compare(bad, good))] == ["same", "changed"]
    assert [step[1] for step in found(compare(bad, bad))] == ["same", "same"]
    assert [step[1] for step in found(compare(bad, worse))] == ["same", "failed"]
    assert (compare(good, bad).status_before, compare(good, bad).status) == (200, bad.status)


def test_a_step_that_ran_several_times_is_paired_by_order() -> None:
    def many(items: str) -> RunRecord:
        graph = new_flow()
        graph.to("FlatMap", "many", _fn=items).to(name="each", handler="(event)")
        server = graph.to_mock_server()
        server.test(body=1)
        assert server.last_run is not None
        return server.last_run

    comparison = compare(many("([1, 2])"), many("([1, 5, 6])"))
    assert [step[1] for step in found(comparison)[1:]] == ["same", "changed", "added"]


def test_the_ids_and_times_of_runs_do_not_count() -> None:
    class Model(V2ModelServer):
        def load(self) -> None: ...

        def predict(self, request: Any) -> Any:
            return request["inputs"]

    graph = new_flow()
    graph.to("*", "models").add_route("m", class_name=Model)
    server = graph.to_mock_server()
    for _ in range(2):
        server.test("/v2/models/m/infer", {"inputs": [1]})
    first, second = server.runs
    assert first.answer["id"] != second.answer["id"]
    assert first.answer["timestamp"] != second.answer["timestamp"]
    assert compare(first, second).same
    other = compare(first, second, ignore=["**.model_name"])
    assert other.same


def test_an_id_that_is_not_the_runs_own_counts() -> None:
    assert not compare(run_of("({'id': 'a'})"), run_of("({'id': 'b'})")).same
    assert compare(run_of("({'id': 'a'})"), run_of("({'id': 'b'})"), ignore=["**.id"]).same
    assert not compare(run_of("('2020-01-01 00:00:00')"), run_of("('2020-01-01 00:00:01')")).same


def test_arrays_and_tables_are_summarised() -> None:
    def arrays(value: float) -> RunRecord:
        return run_of(lambda body: np.array([[1.0, 2.0], [3.0, value]]))

    assert compare(arrays(4), arrays(4)).same
    assert compare(arrays(4), arrays(5)).first.first == "[1][1]: 4.0 -> 5.0 in ndarray(2 x 2) of float64"
    shapes = compare(arrays(4), run_of(lambda body: np.zeros(3)))
    assert shapes.first.first == "ndarray(2 x 2) of float64 -> ndarray(3) of float64"
    tables = [run_of(lambda body, n=n: pd.DataFrame({"x": [1, n], "y": ["a", "b"]})) for n in (2, 3)]
    assert compare(*tables).first.first == "x[1]: 2 -> 3 in DataFrame(2 x 2)"


def test_a_replay_is_compared_with_its_original() -> None:
    graph = new_flow()
    step = graph.to(name="a", handler="(event)").to(name="b", handler="(event + 1)")
    server = graph.to_mock_server()
    server.test(body=1)
    step.handler = "(event + 2)"
    comparison = compare(server.last_run, server.replay(start="b"))
    assert [(each.name, each.status, each.replayed) for each in comparison.steps] == [
        ("a", "same", True),
        ("b", "changed", False),
    ]


def test_it_shows_itself_as_text_html_dict_and_frame() -> None:
    comparison = compare(run_of("('<i>')", "(1)"), run_of("('<b>')", "(1)"))
    text, html = repr(comparison), comparison._repr_html_()
    assert "'<i>' -> '<b>'" in text
    assert "1 same, 1 changed" in text
    assert "&lt;b&gt;" in html
    assert "<b>'" not in html
    assert "<i>" not in html
    assert comparison.to_dict()["steps"][0]["status"] == "changed"
    frame = comparison.to_frame()
    assert (frame["status"].tolist(), frame["name"].tolist()) == (["changed", "same"], ["a", "b"])


def test_only_records_can_be_compared() -> None:
    with pytest.raises(TypeError, match=r"two run records.*found a value of type int"):
        compare(run_of("(1)"), 5)


def test_it_is_part_of_the_package() -> None:
    assert graphkit.compare is compare


def test_a_key_that_only_one_run_has_is_said_to_be_in_that_one_only() -> None:
    with_error, without = run_of("({'error': {'a': 'x'}})"), run_of("({'b': 1})")
    assert compare(with_error, without).answer == "error: only before, {'a': 'x'}"
    assert compare(without, with_error).answer == "b: only before, 1"
    assert compare(run_of("({'b': 1})"), run_of("({'b': 1, 'c': 2})")).answer == "c: only after, 2"
