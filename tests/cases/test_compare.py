"""Two answers side by side."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from graphkit.cases.compare import differences


def told(expected, found, **options):
    return [str(each) for each in differences(expected, found, **options)]


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        ([1, 2], (1, 2)),
        (1, 1.0),
        (1, np.int64(1)),
        (math.nan, math.nan),
        (math.inf, math.inf),
        (0.5, np.float32(0.5)),
        (1.5, Decimal("1.5")),
        (True, True),
        (b"x", b"x"),
        ({1, 2}, {2, 1}),
        (np.array([[1.0, math.nan]]), np.array([[1.0, math.nan]])),
        (np.array([1, 2]), np.array([1.0, 2.0])),
        (np.array(3), np.array(3)),
        (pd.DataFrame({"a": [1, None], "b": ["x", None]}), pd.DataFrame({"a": [1, None], "b": ["x", None]})),
        (pd.Series([1.0, 2.0]), pd.Series([1.0, 2.0])),
        (dt.datetime(2026, 1, 31), dt.datetime(2026, 1, 31)),
    ],
)
def test_alike_answers_do_not_differ(expected, found):
    assert differences(expected, found) == ()


@pytest.mark.parametrize(
    ("expected", "found", "words"),
    [
        ({"a": 1}, {"a": 2}, "a: expected 1, found 2"),
        ({"a": 1}, {}, "a: expected 1, found nothing"),
        ({}, {"a": None}, "a: expected nothing, found None"),
        ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 3}]}, "a[1].b: expected 2, found 3"),
        (1, "1", "the answer: expected 1, found '1' (of type str, not int)"),
        (1, True, "the answer: expected 1, found True (of type bool, not int)"),
        ("a", b"a", "the answer: expected 'a', found b'a' (of type bytes, not str)"),
        ([1], {"a": 1}, "the answer: expected [1], found {'a': 1} (of type dict, not list)"),
        ([1, 2], [1], "the answer: expected [1, 2], found [1] (1 item, not 2)"),
        (1.0, 1.5, "the answer: expected 1.0, found 1.5 (0.5 apart, 0 allowed)"),
        (1.0, math.nan, "the answer: expected 1.0, found nan"),
        (math.inf, 1.0, "the answer: expected inf, found 1.0"),
        ([np.array([1, 2])], [np.array([1, 3])], "[0][1]: expected 2, found 3"),
        (np.array([[1]]), np.array([1]), "the answer: expected"),
        (np.array([1]), np.array(["1"]), "of dtype <U1, not int64"),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 3]}), "a[1]: expected 2, found 3"),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}), "columns: expected ['a'], found ['b']"),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}, index=[4]), "index[0]: expected 0, found 4"),
        (pd.Series([1]), [1], "of type list, not Series"),
    ],
)
def test_a_difference_names_the_place_and_both_values(expected, found, words):
    assert words in "\n".join(told(expected, found))


def test_numbers_may_differ_by_the_tolerances():
    assert told([100.0], [100.9], rtol=0.01) == []
    assert told([100.0], [101.1], rtol=0.01) == ["[0]: expected 100.0, found 101.1 (1.1 apart, 1 allowed)"]
    assert told(0.0, 1e-9, atol=1e-8) == []
    assert told(np.array([1.0, 2.0]), np.array([1.0, 2.001]), rtol=0.01) == []
    assert told(pd.DataFrame({"a": [1.0]}), pd.DataFrame({"a": [1.001]}), rtol=0.01) == []


def test_integers_have_no_tolerance():
    assert told(1_000_000, 1_000_001, rtol=0.01) == ["the answer: expected 1000000, found 1000001"]


def test_ignored_places_are_not_looked_at():
    expected = {"id": "a", "outputs": [{"id": 1, "x": 2}], "more": 1}
    found = {"outputs": [{"id": 9, "x": 2}], "id": "b"}
    assert told(expected, found, ignore=["id", "outputs[*].id", "more"]) == []
    assert told(expected, found, ignore=["**.id"]) == ["more: expected 1, found nothing"]


def test_long_texts_are_shown_where_they_differ():
    (line,) = told("x" * 500 + "one" + "y" * 500, "x" * 500 + "two" + "y" * 500)
    assert "…xxxxxxxxxxxxxxxxxxxxone" in line
    assert "…xxxxxxxxxxxxxxxxxxxxtwo" in line
    assert len(line) < 250


def test_very_many_differences_end_somewhere():
    assert len(differences([0] * 10_000, [1] * 10_000)) == 200


def test_what_cannot_be_compared_differs():
    class Odd:
        def __eq__(self, other):
            raise ValueError("no")

        __hash__ = None

    assert len(differences([Odd()], [Odd()])) == 1
