"""A table in memory through a graph."""

from __future__ import annotations

import asyncio
import os
import threading

import pandas as pd
import pytest

import graphkit
from graphkit.core.errors import GraphError, StepError

TABLE = pd.DataFrame({"a": range(25), "b": [0.5] * 25}, index=[f"row {at}" for at in range(25)])


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("chunk", [1, 7, 25, 1000])
def test_the_answers_have_the_index_of_the_rows(sums, workers, chunk):
    result = sums.run_frame(TABLE, "sums/infer", chunk=chunk, workers=workers)
    assert result.index.tolist() == TABLE.index.tolist()
    assert result["prediction"].tolist() == [at + 0.5 for at in range(25)]


def test_a_graph_runs_tables_too():
    graph = graphkit.new_flow()
    graph.to(lambda table: table.assign(c=table.a + table.b), name="add").respond()
    assert graph.run_frame(TABLE, chunk=10)["c"].tolist() == [at + 0.5 for at in range(25)]
    router = graphkit.new_router()
    router.add_route("count", handler=lambda body: [len(row) for row in body["inputs"]])
    assert router.run_frame(TABLE, "count", keep=["a"])["prediction"].tolist() == [2] * 25


def test_chunks_are_answered_side_by_side(flow):
    both = threading.Barrier(2, timeout=20)

    def meets(table):
        both.wait()
        return table["a"]

    assert flow(meets).run_frame(TABLE[:4], chunk=2, workers=2)["a"].tolist() == [0, 1, 2, 3]


def test_plain_steps_of_a_graph_that_awaits_run_side_by_side_too():
    together = threading.Barrier(3, timeout=20)

    async def later(table):
        await asyncio.sleep(0)
        return table

    def meet(table):
        together.wait()
        return table["a"]

    graph = graphkit.new_flow()
    graph.to(later, name="later").to(meet, name="meet").respond()
    server = graph.to_mock_server()
    assert server.run_frame(TABLE[:6], chunk=2, workers=3)["a"].tolist() == [0, 1, 2, 3, 4, 5]
    assert server._bound.offload is None


def test_worker_processes_answer_a_table(flow):
    server = flow(lambda table: table.assign(pid=os.getpid()))
    result = server.run_frame(TABLE, chunk=5, workers=2, executor="process")
    assert result["a"].tolist() == list(range(25))
    assert result.index.tolist() == TABLE.index.tolist()
    assert os.getpid() not in result["pid"].tolist()


def test_a_row_that_fails_raises_and_is_named(sums):
    table = TABLE.assign(b=[0.5] * 20 + [-1.0] * 5)
    with pytest.raises(StepError, match=r"row 20 failed \(and 3 more of its chunk\).*no such row: \[20, -1.0\]"):
        sums.run_frame(table, chunk=8)


def test_rows_that_fail_are_kept_empty_if_asked(sums):
    table = TABLE.assign(b=[0.5] * 24 + [-1.0])
    result = sums.run_frame(table, chunk=8, errors="keep")
    assert result["prediction"].isna().tolist() == [False] * 24 + [True]
    assert [error["row"] for error in result.attrs["errors"]] == [24]
    assert sums.run_frame(TABLE, errors="keep").attrs["errors"] == []


def test_nothing_is_recorded(sums):
    sums.run_frame(TABLE)
    assert len(sums.runs) == 0


def test_an_empty_table_has_no_answers(sums):
    assert len(sums.run_frame(TABLE[:0])) == 0


@pytest.mark.parametrize(
    ("table", "options", "words"),
    [
        ([1], {}, "run_frame takes a pandas DataFrame, found a value of type list"),
        (TABLE, {"errors": "ignore"}, "errors is 'raise' or 'keep'"),
        (TABLE, {"shape": "rows"}, "shape is one of"),
        (TABLE, {"columns": ["z"]}, "the input has no column 'z'"),
        (TABLE, {"columns": "a", "keep": "z"}, "the input has no column 'z'"),
    ],
)
def test_bad_options_are_refused(sums, table, options, words):
    with pytest.raises(GraphError, match=words):
        sums.run_frame(table, **options)


def test_a_graph_that_cannot_be_bound_says_so_before_any_row():
    graph = graphkit.new_flow()
    graph.to("no_such_function", name="a").respond()
    with pytest.raises(GraphError, match="'no_such_function' is not defined"):
        graph.run_frame(TABLE)


def test_a_progress_bar_counts_the_rows(sums, capsys):
    sums.run_frame(TABLE, chunk=5, progress=True)
    assert "25.0/25.0" in capsys.readouterr().err
    sums.run_frame(TABLE, progress=False)
    assert capsys.readouterr().err == ""


def doubled(table):
    return table["x"] * 2


def test_a_new_server_finds_the_callers_names_with_several_workers_too(tmp_path):
    graph = graphkit.new_flow()
    graph.to(name="double", handler="doubled").respond()
    table = pd.DataFrame({"x": [1, 2]})
    assert graphkit.GraphServer(graph).run_frame(table, workers=2, chunk=1)["x"].tolist() == [2, 4]
    table.to_csv(tmp_path / "in.csv", index=False)
    graphkit.GraphServer(graph).run_file(tmp_path / "in.csv", tmp_path / "out.csv", workers=2, chunk=1)
    assert pd.read_csv(tmp_path / "out.csv")["x"].tolist() == [2, 4]
