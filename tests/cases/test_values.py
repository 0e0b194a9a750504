"""Values come back from YAML as they were, or are refused with a word about where and what."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphkit.cases.values import decode, encode
from graphkit.core.errors import CaseError
from graphkit.runtime.snapshot import Snapshots
from graphkit.spec.text import from_yaml, to_yaml


def round_trip(value):
    text = to_yaml({"value": encode(value, "body")}, rows_in_line=True)
    return decode(from_yaml(text)["value"], "body")


PLAIN = [
    None, True, 0, -3, 2**70, 1.5, 1e-300, 1e22, 0.1 + 0.2, math.inf, -0.0,
    "", "text", "yes", "2026-01-31", "1e3", "null", "~", "a: b", "# no", " lead", "trail ", "two\nlines\n", "tab\t",
    "\x85", "\u2028", "\r\n", "emoji 🙂", "\x00", "{", "'\"",
    [], [[]], {}, {"a": {"b": [1, {"c": None}]}}, [[1, 2], [3.5, "x"]],
    b"", b"\x00\xff", (), (1, (2, "a")), set(), {1, "a"}, frozenset({2}), 1 + 2j,
    {1: "a", None: "b", (1, 2): "c"}, {"$bytes": "not bytes"}, {"$": 1, "x": 2}, {"$dict": []},
    Decimal("1.50"), UUID(int=5), dt.time(12, 30, 0, 5),
    dt.date(2026, 1, 31), dt.datetime(2026, 1, 31, 12, 0, 0, 123), dt.timedelta(days=-1, microseconds=5),
    dt.datetime(2026, 1, 31, tzinfo=dt.timezone.utc),
    dt.datetime(2026, 1, 31, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
    dt.datetime(2026, 7, 31, 12, tzinfo=ZoneInfo("Europe/Berlin")),
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=range(len(PLAIN)))
def test_a_value_comes_back_as_it_was(value):
    again = round_trip(value)
    assert again == value
    assert type(again) is type(value)
    assert repr(again) == repr(value)


def test_nan_comes_back():
    assert math.isnan(round_trip({"x": [math.nan]})["x"][0])


@pytest.mark.parametrize(
    "array",
    [
        np.array([[5.1, 3.5], [0.1, math.nan]]),
        np.array([1.5, -2.25], dtype="float32"),
        np.array([1, 2], dtype="uint8"),
        np.array([[True], [False]]),
        np.array(["a", "äöü"]),
        np.array([b"ab", b"c"]),
        np.array(["2026-01-31T12:00", "NaT"], dtype="datetime64[s]"),
        np.array([5, 7], dtype="timedelta64[ms]"),
        np.array([1 + 2j]),
        np.zeros((0, 4)),
        np.zeros((2, 0), dtype="int16"),
        np.array(3.5),
        np.array([1, 2], dtype=">i4"),
    ],
    ids=lambda array: f"{array.dtype.str}-{array.shape}",
)
def test_an_array_comes_back_with_its_dtype_and_shape(array):
    again = round_trip({"x": array})["x"]
    assert type(again) is np.ndarray
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(again, array)


@pytest.mark.parametrize("scalar", [np.float64(1.5), np.float32(0.1), np.int8(3), np.bool_(True), np.str_("a")])
def test_a_numpy_scalar_in_a_body_stays_one(scalar):
    again = round_trip(scalar)
    assert again == scalar
    assert type(again) is type(scalar)


def test_in_an_answer_what_compares_alike_is_written_plainly():
    assert encode({"x": (np.int64(1), np.float32(0.5), True)}, "answer", natural=True) == {"x": [1, 0.5, True]}


FRAMES = [
    pd.DataFrame({"a": [1, 2], "b": [0.5, math.nan], "c": ["x", None], "d": [True, False]}),
    pd.DataFrame({"a": [1.5]}, index=["row"]),
    pd.DataFrame({"a": [1, 2]}, index=pd.Index([7, 3], name="key")),
    pd.DataFrame({"a": [1, 2, 3]})[1:],
    pd.DataFrame({"t": pd.to_datetime(["2026-01-31", None])}),
    pd.DataFrame({"t": pd.to_datetime(["2026-01-31T12:00:00+02:00"], utc=True)}),
    pd.DataFrame({"t": pd.to_timedelta([1, 2], unit="s")}),
    pd.DataFrame({"n": pd.array([1, None], dtype="Int64"), "f": np.array([1, 2], dtype="float32")}),
    pd.DataFrame({"o": [[1, 2], {"a": b"x"}]}),
    pd.DataFrame(),
    pd.DataFrame({"a": []}),
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: "-".join(f"{n}.{t}" for n, t in frame.dtypes.items()))
def test_a_table_comes_back_with_its_dtypes_and_index(frame):
    again = round_trip(frame)
    pd.testing.assert_frame_equal(again, frame, check_index_type=False, check_column_type=False)


@pytest.mark.parametrize("series", [pd.Series([1, 2], name="a"), pd.Series(["x"], index=[5]), pd.Series([0.5, None])])
def test_a_series_comes_back(series):
    pd.testing.assert_series_equal(round_trip(series), series, check_index_type=False)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "body is of type object"),
        ({"x": [1, range(3)]}, r"body\.x\[1\] is of type range"),
        ({"x": "\ud800"}, "body.x is a text that UTF-8 cannot hold"),
        ({"x": np.array([object()])}, "body.x is an array of dtype object"),
        (np.zeros(2, dtype=[("a", "i4")]), "body is an array of dtype"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "columns are not texts, or not unique"),
        (pd.DataFrame({1: [2]}), "columns are not texts, or not unique"),
        (pd.DataFrame({"a": pd.Categorical(["x"], categories=["x", "y"])}), "a DataFrame with the dtypes category"),
        (pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)])), "several levels"),
        (pd.Timestamp("2026-01-31"), "body is of type Timestamp"),
        (dt.time(1, tzinfo=dt.timezone.utc), "a time of day in a zone"),
        (dt.datetime(2026, 10, 25, 2, 30, fold=1), "fold=1"),
        (Snapshots().take(b"x" * 10**7), "of which a run keeps only a preview"),
        ({"x": Snapshots().take([object()])}, r"body.x\[0\] is of type object, of which a run keeps only a preview"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value[:20],
)
def test_what_would_not_come_back_is_refused(value, words):
    with pytest.raises(CaseError, match=words):
        encode(value, "body")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"$byte": "x"}, r"'\$byte' is no form that a case knows, did you mean '\$bytes'"),
        ({"$bytes": "a", "$tuple": []}, "is no form that a case knows"),
        ({"$bytes": "?"}, r"body\.x: \$bytes cannot be read"),
        ({"$datetime": "yesterday"}, r"\$datetime cannot be read"),
        ({"$array": [[1], [2, 3]], "dtype": "float64"}, r"\$array cannot be read"),
        ({"$array": [1], "dtype": "flaot"}, r"\$array cannot be read"),
        ({"$tuple": 3}, r"\$tuple cannot be read"),
        ({"$datetime": "2026-01-31", "zone": "Nowhere/Land"}, r"\$datetime cannot be read"),
    ],
)
def test_a_form_that_is_written_wrongly_is_named(data, words):
    with pytest.raises(CaseError, match=words):
        decode({"x": data}, "body")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.binary()
    | st.datetimes().map(lambda time: time.replace(fold=0)) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    | st.lists(inner).map(tuple),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
def test_any_value_comes_back_as_it_was(value):
    assert round_trip(value) == value
