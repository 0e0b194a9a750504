"""Live values as code: what is written means the same value, and what cannot be written is told."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import math
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphkit.export.values import Inexpressible, assignment, expression_of, is_plain

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
keys = st.integers() | st.text() | st.booleans()
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner, max_size=4)
        | st.sets(keys, max_size=4)
        | st.frozensets(keys, max_size=3)
    ),
    max_leaves=12,
)


def same(left, right):
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return repr(left) == repr(right) if isinstance(left, float) else left == right  # 0.0 is not -0.0


@given(plain)
def test_plain_data_are_written_as_they_are(value):
    assert is_plain(value)
    written = expression_of(value, {})
    assert same(eval(written.text), value)
    space = {}
    exec(assignment("made", value, written, "made = compute(table)"), space)
    assert same(space["made"], value)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20), st.sampled_from(["f4", "f8", "i8"]))
def test_small_arrays_keep_their_numbers_shape_and_type(numbers, kind):
    array = np.clip(np.array(numbers, dtype="f8"), -1e9, 1e9).astype(kind).reshape(-1, 1)
    written = expression_of(array, {})
    assert written.modules == {"numpy"}
    again = eval(written.text, {"numpy": np})
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert (again == array).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float64(0.5), "0.5"),
        (np.int64(3), "3"),
        (np.str_("a"), "'a'"),
        (float("inf"), "float('inf')"),
        (dt.date(2026, 1, 2), "datetime.date(2026, 1, 2)"),
        (pathlib.PurePosixPath("a/b"), "pathlib.PurePosixPath('a/b')"),
        (len, "len"),
        (math.sqrt, "math.sqrt"),
        (pathlib, "pathlib"),
        (functools.partial(int, base=2), "functools.partial(int, base=2)"),
        ([str.upper], "[str.upper]"),
        ("a b".split, "'a b'.split"),
        ("".join, "''.join"),
    ],
)
def test_other_values_are_written_by_their_names(value, text):
    assert expression_of(value, {}).text == text


def test_what_has_a_name_in_the_notebook_is_called_so():
    class Tool:
        def run(self, x): ...

    tool = Tool()
    assert expression_of([tool.run, tool], {"tool": tool}).text == "[tool.run, tool]"
    assert expression_of(tool, {"tool": tool}).names == {"tool"}


class Color(str, enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "no name and no form"),
        (object().__str__, "no name and no form"),
        (np.zeros(5000), "too large"),
        (np.array([object()]), "dtype object"),
        (np.array([math.nan]), "NaN"),
        (list(range(2000)), "2000 items"),
        (Color.RED, "Color"),
    ],
)
def test_what_has_no_form_as_code_is_told(value, words):
    with pytest.raises(Inexpressible, match=words):
        expression_of(value, {})


def test_a_value_within_itself_is_told():
    value = []
    value.append(value)
    assert not is_plain(value)
    with pytest.raises(Inexpressible, match="nested too deeply"):
        expression_of(value, {})


def test_long_values_stand_on_lines_of_their_own():
    value = {f"key {number}": [number] * 3 for number in range(10)}
    text = assignment("TABLE", value, expression_of(value, {}), "TABLE = of(frame)")
    assert text.splitlines()[:3] == ["# TABLE = of(frame)", "TABLE = {", "    'key 0': [0, 0, 0],"]
