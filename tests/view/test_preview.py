from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkit.core.event import Event, Response
from graphkit.view.preview import preview, preview_html


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int
    rest: Any


Pair = collections.namedtuple("Pair", "left right")  # what users have


class Plain:
    pass


class Failing:
    def __repr__(self) -> str:
        raise ValueError("no")


class Loud:
    def __repr__(self) -> str:
        return "<script>" * 10_000


class WrongLength(list):  # type: ignore[type-arg]
    def __len__(self) -> int:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (3, "3"),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        (1 + 2j, "(1+2j)"),
        ("hi", "'hi'"),
        ("a\nb", "'a\\nb'"),
        (b"abc", "b'abc'"),
        ([], "[]"),
        ({}, "{}"),
        ((), "()"),
        ((1,), "(1,)"),
        (set(), "set()"),
        ({"b", "a"}, "{'a', 'b'}"),
        (frozenset({1}), "frozenset({1})"),
        ({"a": [1, 2]}, "{'a': [1, 2]}"),
        (Color.RED, "Color.RED"),
        (Point(1, [2]), "Point(x=1, rest=[2])"),
        (Pair(1, "b"), "Pair(left=1, right='b')"),
        (dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.timezone.utc), "2026-01-02T03:04:00+00:00"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.timedelta(seconds=90), "0:01:30"),
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError"),
        (decimal.Decimal("1.5"), "Decimal('1.5')"),
        (collections.OrderedDict(a=1), "OrderedDict({'a': 1})"),
        (collections.deque([1]), "deque([1])"),
        (range(3), "range(0, 3)"),
        (Plain(), "Plain()"),
        (Plain, "class Plain"),
        (len, "function len"),
        (Event({"x": 1}, path="/p"), "Event({'x': 1}, path='/p')"),
        (Response(body="x", status_code=404), "Response(404, 'x')"),
    ],
)
def test_everyday_values(value: Any, text: str) -> None:
    assert preview(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.arange(4), "array 4 int64 [0, 1, 2, 3]"),
        (np.zeros((100, 4)), "array 100 x 4 float64 [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, …]"),
        (np.array(3.5), "3.5"),
        (np.float32(1.5), "1.5"),
        (np.bool_(True), "True"),
        (np.str_("a"), "'a'"),
        (np.array(["a", None], dtype=object), "array 2 object ['a', None]"),
        (np.array([], dtype=float), "array 0 float64 []"),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        (pd.DataFrame({"a": range(150), "b": "x"}), "DataFrame 150 x 2: a, b"),
        (pd.DataFrame(np.zeros((3, 20))), "DataFrame 3 x 20: 0, 1, 2, 3, 4, 5, 6, 7, … 12 more"),
        (pd.DataFrame(), "DataFrame 0 x 0: "),
        (pd.Series([1, 2], name="n"), "Series n of 2 int64 [1, 2]"),
        (pd.Timestamp("2026-01-02"), "2026-01-02 00:00:00"),
        (pd.NA, "<NA>"),
        (pd.NaT, "NaT"),
    ],
)
def test_arrays_and_frames(value: Any, text: str) -> None:
    assert preview(value) == text


def test_long_text_and_bytes_are_cut_and_counted() -> None:
    assert preview("x" * 1000, 100) == "'" + "x" * 50 + "…' (1,000 characters)"
    assert preview(b"x" * 1000) == "b'" + "x" * 24 + "…' (1,000 bytes)"


def test_wide_and_deep_containers_are_cut_and_counted() -> None:
    assert preview(list(range(100))) == "[0, 1, 2, 3, 4, 5, 6, 7, … 92 more]"
    assert preview(list(range(9))) == "[0, 1, 2, 3, 4, 5, 6, 7, 8]"
    assert preview([[[[[1]]]]]) == "[[[[[1 item]]]]]"
    assert preview(set(range(5000))) == "{5,000 items}"


def test_containers_that_hold_themselves() -> None:
    items: list[Any] = [1]
    items.append(items)
    mapping: dict[str, Any] = {}
    mapping["me"] = mapping
    point = Point(1, None)
    point.rest = point
    event = Event()
    event.body = [event]
    assert preview(items) == "[1, […]]"
    assert preview(mapping) == "{'me': {…}}"
    assert preview(point) == "Point(x=1, rest=Point(…))"
    assert preview(event) == "Event([Event(…)], path='/')"
    for value in (items, mapping, point, event):
        assert len(preview_html(value)) < 1000


def test_what_raises_is_named_and_the_rest_is_shown() -> None:
    assert preview(Failing()) == "Failing (its repr raised ValueError)"
    assert preview([1, Failing()]) == "[1, Failing (its repr raised ValueError)]"
    assert preview(WrongLength([1])) == "WrongLength (its repr raised RuntimeError)"
    assert "its repr raised" in preview_html(WrongLength([1]))


def test_no_addresses() -> None:
    def inner() -> None:
        pass

    values = [
        object(),
        Plain(),
        [Plain()],
        {"f": inner},
        (i for i in ()),
        iter([]),
        lambda: 0,
        Plain().__init__,
        np.array([object()]),
        pd.Series([object()]),
    ]
    for value in values:
        assert not re.search(r"0x[0-9a-f]{4}", preview(value) + preview_html(value)), value


def test_iterators_are_not_consumed() -> None:
    items = iter([1, 2])
    preview(items)
    preview_html([items])
    assert list(items) == [1, 2]


def test_a_preview_made_before_is_shown_as_it_is() -> None:
    class Preview:
        text = "DataFrame 3 x 2"

    assert preview(Preview()) == "DataFrame 3 x 2"
    assert preview({"a": Preview()}) == "{'a': DataFrame 3 x 2}"


def test_sets_read_the_same_in_every_process() -> None:
    code = "from graphkit.view.preview import preview; print(preview(set('abcdefghijk')))"
    seen = {
        subprocess.run(  # a hash seed belongs to a process
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_neither_numpy_nor_pandas_is_imported() -> None:
    code = (
        "import sys; from graphkit.view.preview import preview, preview_html; preview([1]); "
        "preview_html({'a': 1}); sys.exit(bool({'numpy', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_html_is_escaped_and_bounded() -> None:
    for value in [
        "<script>",
        {"<script>": "<script>"},
        [Loud()],
        Loud(),
        Exception("<script>"),
        Event("<script>"),
        Event(path="<script>"),
        pd.DataFrame({"<script>": ["<script>"]}, index=["<script>"]),
        pd.Series(["<script>"], name="<script>"),
        {"a": ["<script>" * 100] * 100},
        np.array(["<script>"]),
    ]:
        html = preview_html(value)
        assert "<script" not in html
        assert len(html) <= 20_000


def test_frames_are_tables_of_their_first_rows() -> None:
    html = preview_html(pd.DataFrame({"a": range(100), "b": "text"}))
    assert html.count("<tr>") == 6
    assert "DataFrame 100 x 2: a, b" in html
    assert ">text</td>" in html
    assert preview_html(pd.Series([1.5, 2.5], name="s")).count("<tr>") == 3


def test_long_containers_open_on_click() -> None:
    html = preview_html({"inputs": [[1.5] * 4] * 100})
    assert html.startswith("<details><summary>")
    assert "… 92 more" in html
    assert "<details" not in preview_html({"short": 1})


def test_frames_inside_containers_are_tables_too() -> None:
    assert "<table" in preview_html({"frame": pd.DataFrame({"a": [1]})})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=200,
)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(1, 400))
def test_previews_are_one_bounded_line_and_well_formed(value: Any, limit: int) -> None:
    text = preview(value, limit)
    assert len(text) <= limit
    assert len(text.splitlines()) <= 1
    html = preview_html(value, limit)
    assert html.count("<details>") == html.count("</details>")
    assert html.count("<code>") == html.count("</code>")
    html.encode()
