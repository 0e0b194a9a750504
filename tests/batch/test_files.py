"""Tables in files, in chunks and parts."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphkit.batch import files
from graphkit.core.errors import GraphError

TABLE = pd.DataFrame({"a": range(23), "b": [at / 4 for at in range(23)], "c": [f"t{at}" for at in range(23)]})


def write(path, table=TABLE):
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path, row_group_size=7)
    else:
        table.to_json(path, orient="records", lines=True)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl", ".ndjson", ".pq"])
@pytest.mark.parametrize("size", [1, 5, 7, 23, 100])
def test_chunks_are_of_one_size_and_hold_every_row_once(tmp_path, suffix, size):
    path = write(tmp_path / f"rows{'.parquet' if suffix == '.pq' else suffix}")
    chunks = list(files.read_chunks(path, files.format_of(path), size))
    assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
    assert [chunk.start for chunk in chunks] == list(range(0, 23, size))
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    rows = [row for chunk in chunks for row in chunk.values(0, len(chunk), None)]
    assert rows == TABLE.to_dict("records")


def test_only_some_rows_are_held_at_a_time(tmp_path):
    path = write(tmp_path / "rows.jsonl")
    chunks = files.read_chunks(path, "jsonl", 5)
    next(chunks)
    path.write_text("")  # what is not read yet is not known yet
    assert len(list(chunks)) <= 4


def test_the_rows_of_a_parquet_file_are_counted_beforehand(tmp_path):
    assert files.count_rows(write(tmp_path / "rows.parquet"), "parquet") == 23
    assert files.count_rows(write(tmp_path / "rows.csv"), "csv") is None


def test_a_line_that_is_not_json_is_a_broken_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"x": 1}\n{"x": \n\n[1, 2]\n\xff\n"text"')
    (chunk,) = files.read_chunks(path, "jsonl", 10)
    assert chunk.rows == [{"x": 1}, None, [1, 2], None, "text"]
    assert sorted(chunk.broken) == [1, 3]
    assert chunk.broken[1].startswith("the line is not JSON")


def test_an_empty_file_has_no_chunks(tmp_path):
    for name in ("rows.csv", "rows.jsonl"):
        (tmp_path / name).write_text("")
        assert list(files.read_chunks(tmp_path / name, files.format_of(tmp_path / name), 5)) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(GraphError, match=r"rows\.csv' cannot be read: No such file"):
        list(files.read_chunks(tmp_path / "rows.csv", "csv", 5))
    (tmp_path / "rows.parquet").write_text("no table")
    with pytest.raises(GraphError, match=r"rows\.parquet' cannot be read"):
        list(files.read_chunks(tmp_path / "rows.parquet", "parquet", 5))
    with pytest.raises(GraphError, match=r"rows\.parquet' cannot be read"):
        files.count_rows(tmp_path / "rows.parquet", "parquet")


def test_a_file_that_cannot_be_read_to_its_end_is_read_until_there(tmp_path):
    def until(text, size):
        (tmp_path / "rows.csv").write_bytes(text)
        rows = []
        with pytest.raises(GraphError) as caught:
            rows.extend(len(chunk) for chunk in files.read_chunks(tmp_path / "rows.csv", "csv", size))
        return str(caught.value).partition("cannot be read ")[2]

    good = b"a,b\n" + b"1,2\n" * 6
    # it said "behind row 0" of whatever stood in the first chunk
    assert until(good + b'3,"4\n5,6\n', 20) == "from row 6 on: a quotation mark is not closed"
    assert until(good + b'3,"4\n5,6\n', 2) == "from row 6 on: a quotation mark is not closed"
    assert until(good + b'3,"4\n' + b"5,6\n" * 50_000, 4).startswith("from row 6 on: line ")
    assert "codec can't decode" in until(good + b"\xff,2\n", 5)


def test_a_format_is_known_by_the_name_or_given(tmp_path):
    assert files.format_of(tmp_path / "a.PARQUET") == "parquet"
    assert files.format_of(tmp_path / "a.txt", "csv") == "csv"
    with pytest.raises(GraphError, match=r"the format of 'a\.txt' is not known by its name; there is '\.csv'"):
        files.format_of(tmp_path / "a.txt")
    with pytest.raises(GraphError, match="the format 'xml' is not known; there is 'csv', 'jsonl', 'parquet'"):
        files.format_of(tmp_path / "a.txt", "xml")


def joined(tmp_path, kind, tables, column="prediction"):
    parts = []
    for number, table in enumerate(tables):
        part = tmp_path / f"{number}.{kind}"
        if isinstance(table, int):
            parts.append((None, table))
        else:
            files.put(part, files.as_bytes(kind, table))
            parts.append((part, len(table)))
    target = tmp_path / f"all.{kind}"
    files.join_parts(parts, kind, target, column, tmp_path)
    assert [path for path in tmp_path.iterdir() if "tmp" in path.name] == []
    if kind == "csv":
        return pd.read_csv(target)
    if kind == "parquet":
        return pd.read_parquet(target)
    return pd.DataFrame([json.loads(line) for line in target.read_text().splitlines()])


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
class TestParts:
    def test_parts_are_joined_in_order(self, tmp_path, kind):
        result = joined(tmp_path, kind, [TABLE[:10], TABLE[10:11], TABLE[11:]])
        pd.testing.assert_frame_equal(result, TABLE, check_dtype=False)

    def test_columns_that_only_some_parts_have_are_empty_in_the_others(self, tmp_path, kind):
        one, two = pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"b": [4], "c": ["x"]})
        result = joined(tmp_path, kind, [one, two])
        assert list(result.columns) == ["a", "b", "c"]
        assert result["b"].tolist() == [2, 4]
        assert result["a"].isna().tolist() == [False, True]

    def test_of_rows_that_all_failed_there_is_no_part_but_there_are_rows(self, tmp_path, kind):
        result = joined(tmp_path, kind, [2, pd.DataFrame({"p": [1, 2]}), 1])
        assert result["p"].isna().tolist() == [True, True, False, False, True]

    def test_a_file_of_failures_alone_has_its_rows(self, tmp_path, kind):
        assert len(joined(tmp_path, kind, [2, 3])) == 5

    def test_empty_integers_do_not_make_the_others_floats(self, tmp_path, kind):
        joined(tmp_path, kind, [pd.DataFrame({"p": pd.array([1, None], dtype="Int64")}), pd.DataFrame({"p": [3]})])
        text = (tmp_path / f"all.{kind}").read_bytes()
        if kind == "parquet":
            assert str(pq.read_schema(tmp_path / "all.parquet").field("p").type) == "int64"
        else:
            assert b"1.0" not in text
            assert b"3.0" not in text

    def test_nothing_joined_is_a_file_without_rows(self, tmp_path, kind):
        files.join_parts([], kind, tmp_path / f"all.{kind}", "p", tmp_path)
        assert list(files.read_chunks(tmp_path / f"all.{kind}", kind, 5)) == []


def test_nested_answers_are_json_in_csv(tmp_path):
    table = pd.DataFrame({"p": [[1, 2], {"x": "é"}, None, "plain"]})
    assert files.as_bytes("csv", table).decode() == 'p\n"[1,2]"\n"{""x"":""é""}"\n""\nplain\n'


def test_texts_with_line_breaks_stay_in_one_cell(tmp_path):
    table = pd.DataFrame({"a": ["one\ntwo", "x,y"], "b": ['"', "ö"]})
    other = pd.DataFrame({"b": ["1"], "c": ["2\n3"]})
    result = joined(tmp_path, "csv", [table, other])
    assert result["a"].tolist()[:2] == ["one\ntwo", "x,y"]
    assert result["c"].tolist()[2] == "2\n3"


def test_what_a_format_cannot_hold_is_said(tmp_path):
    mixed = pd.DataFrame({"p": [1, "a", [2]]}, dtype=object)
    with pytest.raises(GraphError, match="the answers cannot be written as parquet"):
        files.as_bytes("parquet", mixed)
    with pytest.raises(GraphError, match="do not go together in one Parquet file"):
        joined(tmp_path, "parquet", [pd.DataFrame({"p": [1]}), pd.DataFrame({"p": [{"x": 1}]})])
    with pytest.raises(GraphError, match="the answers cannot be written as jsonl"):
        files.as_bytes("jsonl", pd.DataFrame({"p": [object()]}))


def test_numbers_come_back_exactly(tmp_path):
    values = [0.1, 1 / 3, 1e-300, 123456789.123456789, 2.0**-1074]
    for kind in ("csv", "parquet", "jsonl"):
        (tmp_path / kind).mkdir()
        joined(tmp_path / kind, kind, [pd.DataFrame({"p": values})])
        (chunk,) = files.read_chunks(tmp_path / kind / f"all.{kind}", kind, 10)
        assert chunk.table(0, 5)["p"].tolist() == values
