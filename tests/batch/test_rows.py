"""Rows become bodies of events, and answers become rows."""

from __future__ import annotations

import gc
import math

import numpy as np
import pandas as pd
import pytest

from graphkit.batch.options import Options
from graphkit.batch.rows import Chunk, Misfit, body_of, table_of
from graphkit.core.errors import GraphError

TABLE = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "c": ["x", "y", "z"]})


def body(shape, columns=None, rows=TABLE, low=0, high=2):
    return body_of(Chunk(0, 0, rows), low, high, shape, columns)


def test_inputs_are_lists_of_plain_values():
    rows = body("inputs")["inputs"]
    assert rows == [[1, 0.5, "x"], [2, 1.5, "y"]]
    assert [type(item) for item in rows[0]] == [int, float, str]
    assert body("inputs", ["b", "a"]) == {"inputs": [[0.5, 1], [1.5, 2]]}
    assert body("inputs", ["b"]) == {"inputs": [[0.5], [1.5]]}


def test_a_frame_is_a_copy_with_the_chosen_columns():
    frame = body("frame", ["a", "c"], low=1, high=3)
    frame["a"] = 0
    assert frame["c"].tolist() == ["y", "z"]
    assert TABLE["a"].tolist() == [1, 2, 3]


def test_records_and_rows_are_dicts():
    assert body("records", ["a"]) == [{"a": 1}, {"a": 2}]
    assert body("row", ["a", "c"], low=2, high=3) == {"a": 3, "c": "z"}


def test_lines_of_json_stay_what_they_are():
    rows = [{"a": {"deep": [1]}}, {"b": 2}, "text", [5, 6]]
    assert body("records", rows=rows, high=4) == rows
    assert body("row", rows=rows, low=2, high=3) == "text"
    assert body("inputs", rows=[[1, 2], [3, 4]]) == {"inputs": [[1, 2], [3, 4]]}
    assert body("inputs", ["b", "a"], rows=[{"a": 1, "b": 2}], high=1) == {"inputs": [[2, 1]]}


@pytest.mark.parametrize("rows", [[[1, 2], [3]], [{"a": 1}, [2]], [[2], {"a": 1}], [1, {"a": 1}], [[1], 1]])
@pytest.mark.parametrize("shape", ["inputs", "frame"])
def test_lines_of_json_that_are_not_alike_make_no_table(rows, shape):
    # names were taken for values, and what was missing was made up
    with pytest.raises(Misfit, match="the rows do not make a table: some are dicts and some are not, or lists differ"):
        body(shape, rows=rows, high=len(rows))


def test_a_column_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(GraphError, match=r"the input has no column 'aa', did you mean 'a'\?; there is 'a', 'b', 'c'"):
        body("inputs", ["aa"])
    with pytest.raises(Misfit, match="the row has no field 'a'"):
        body("records", ["a"], rows=[{"b": 1}])


@pytest.mark.parametrize(
    ("answer", "columns"),
    [
        ({"outputs": [0, 1], "id": "x"}, {"p": [0, 1]}),
        ({"outputs": np.array([0.5, 1.5])}, {"p": [0.5, 1.5]}),
        ([0, 1], {"p": [0, 1]}),
        (("a", "b"), {"p": ["a", "b"]}),
        (np.array([[1, 2], [3, 4]]), {"p_0": [1, 3], "p_1": [2, 4]}),
        ([[1, 2], [3, 4]], {"p_0": [1, 3], "p_1": [2, 4]}),
        ([[1], [3, 4]], {"p": [[1], [3, 4]]}),
        ([{"x": 1, "y": "a"}, {"x": 2, "y": "b"}], {"x": [1, 2], "y": ["a", "b"]}),
        ({"x": [1, 2], "y": np.array([3, 4])}, {"x": [1, 2], "y": [3, 4]}),
        (pd.Series([1, 2]), {"p": [1, 2]}),
        (pd.Series([1, 2], name="s", index=[7, 8]), {"s": [1, 2]}),
        (pd.DataFrame({"x": [1, 2]}, index=[7, 8]), {"x": [1, 2]}),
        ([{"deep": 1}, None], {"p": [{"deep": 1}, None]}),
    ],
)
def test_an_answer_becomes_columns(answer, columns):
    table = table_of(answer, 2, "p")
    assert table.to_dict("list") == columns
    assert table.index.tolist() == [0, 1]


def test_integers_stay_integers_where_one_is_missing():
    table = table_of([{"x": 1}, {"y": True}], 2, "p")
    assert [str(kind) for kind in table.dtypes] == ["Int64", "boolean"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([1, 2, 3], "the answer has 3 rows for the 2 that were sent"),
        ({"outputs": []}, "the answer has 0 rows for the 2 that were sent"),
        ("text", "the answer is a value of type str; for a chunk of rows it is"),
        (None, "the answer is a value of type NoneType"),
        ({"id": "abc"}, "the answer is a dict with 'id', and not each is a list"),
        ({"x": [1, 2], "y": [1]}, "the answer is a dict with 'x', 'y'"),
        (np.zeros((2, 2, 2)), "an array of shape"),
        (pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), "two columns of one name"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(answer, words):
    with pytest.raises(Misfit, match=words):
        table_of(answer, 2, "p")


def test_any_number_of_rows_fits_if_that_is_allowed():
    assert len(table_of([1, 2, 3], None, "p")) == 3
    assert table_of({"x": 1, "y": math.inf}, None, "p").to_dict("list") == {"x": [1], "y": [math.inf]}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"shape": "frames"}, "shape is one of.*found 'frames', did you mean 'frame'"),
        ({"executor": "proces"}, "did you mean 'process'"),
        ({"chunk": 0}, "chunk is a number from 1 on, found 0"),
        ({"workers": "2"}, "workers is a number from 1 on, found '2'"),
        ({"keep": ("a",), "any_rows": True}, "kept beside the answers only if there is one answer for each row"),
    ],
)
def test_options_are_checked(given, words):
    with pytest.raises(GraphError, match=words):
        Options(**given)


def test_the_garbage_collector_runs_on_afterwards():
    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            body("inputs")
            body("records")
            body("inputs", ["a"])
            with pytest.raises(GraphError):
                body("inputs", ["aa"])
            assert gc.isenabled() is enabled
        finally:
            gc.enable()
