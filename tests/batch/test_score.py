"""A chunk of rows through a server: what fails is found row by row."""

from __future__ import annotations

import pandas as pd
import pytest

from graphkit.batch.options import Options
from graphkit.batch.rows import Chunk
from graphkit.batch.score import score
from graphkit.core.errors import GraphError, StepError
from graphkit.core.event import Response


def chunk(*rows, start=100, broken=None):
    return Chunk(1, start, list(rows), broken)


def test_the_answers_stand_in_the_order_of_the_rows(sums):
    scored = score(sums, chunk([1, 2], [3, 4], [5, 6]), Options(shape="inputs"))
    assert scored.table.to_dict("list") == {"prediction": [3, 7, 11]}
    assert scored.failures == ()


@pytest.mark.parametrize("bad", [[0], [4], [0, 1, 2, 3, 4], [1, 3]])
def test_rows_that_fail_are_found_and_the_others_answered(sums, bad):
    rows = [[-1, 0] if at in bad else [at, 10] for at in range(5)]
    scored = score(sums, chunk(*rows), Options(shape="inputs"))
    assert [failure.row for failure in scored.failures] == [100 + at for at in bad]
    assert all("no such row: [-1, 0]" in failure.error for failure in scored.failures)
    assert len(scored.table) == 5
    if len(bad) < 5:
        values = [None if pd.isna(item) else item for item in scored.table["prediction"]]
        assert values == [None if at in bad else at + 10 for at in range(5)]
        assert str(scored.table["prediction"].dtype) == "Int64"


def test_rows_that_could_not_be_read_are_failures_and_never_sent(sums):
    scored = score(sums, chunk([1, 2], None, [3, 4], broken={1: "no JSON"}), Options(shape="inputs"))
    assert [(failure.row, failure.error) for failure in scored.failures] == [(101, "no JSON")]
    assert [None if pd.isna(item) else item for item in scored.table["prediction"]] == [3, None, 7]


def test_rows_are_sent_one_by_one_if_asked(flow):
    seen = []
    server = flow(lambda body: seen.append(body) or {"twice": body["x"] * 2})
    scored = score(server, chunk({"x": 1}, {"x": "a"}, {"y": 3}), Options(shape="row"))
    assert seen == [{"x": 1}, {"x": "a"}, {"y": 3}]
    assert scored.table["twice"].tolist()[:2] == [2, "aa"]
    assert [failure.row for failure in scored.failures] == [102]


def test_a_text_row_is_sent_as_it_is(flow):
    scored = score(flow(lambda body: [body, 1]), chunk('{"x": 1}'), Options(shape="row"))
    assert scored.table["prediction"].tolist() == [['{"x": 1}', 1]]


def test_kept_columns_stand_beside_the_answers(flow):
    server = flow(lambda table: table["x"] * 2)
    rows = Chunk(0, 0, pd.DataFrame({"key": ["a", "b"], "x": [1, 2]}))
    scored = score(server, rows, Options(shape="frame", columns=("x",), keep=("key",), column="p"))
    assert scored.table.to_dict("list") == {"key": ["a", "b"], "x": [2, 4]}
    with pytest.raises(GraphError, match="the column 'x' is both kept from the input and a column of the answer"):
        score(server, rows, Options(shape="frame", keep=("x",)))
    broken = chunk({"key": "a", "x": 1}, None, broken={1: "no JSON"})
    assert score(server, broken, Options(shape="frame", keep=("key",), columns=("x",))).table["key"].tolist()[0] == "a"


def test_any_rows_come_back_if_that_is_allowed(flow):
    server = flow(lambda rows: [row for row in rows if row["x"] > 1])
    rows = chunk({"x": 1}, {"x": 2}, {"x": 3})
    assert score(server, rows, Options(shape="records", any_rows=True)).table.to_dict("list") == {"x": [2, 3]}
    failed = score(server, rows, Options(shape="records"))
    assert [failure.row for failure in failed.failures] == [100]  # alone, the others fit
    assert "the answer has 0 rows for the 1 that were sent" in failed.failures[0].error


def test_what_no_row_is_to_blame_for_ends_the_batch(sums):
    with pytest.raises(StepError, match="nobody") as raised:
        score(sums, chunk([1, 2]), Options(shape="inputs", path="nobody/infer"))
    assert raised.value.status == 404


def test_a_response_of_a_step_counts_by_its_status(flow):
    def picky(body):
        return Response(body="no", status_code=422) if body["x"] else Response(body={"y": 1})

    scored = score(flow(picky), chunk({"x": 0}, {"x": 1}), Options(shape="row"))
    assert [(failure.row, failure.error) for failure in scored.failures] == [(101, "no")]
    assert scored.table["y"].tolist()[0] == 1
