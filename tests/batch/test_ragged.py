"""CSV files with lines that have too many fields, or too few."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import json
import zipfile

import pandas as pd
import pytest

from graphkit import GraphError
from graphkit.batch import files

LONG = "9,9,9,9,9"


def chunks_of(tmp_path, text, size):
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode())
    return list(files.read_chunks(path, "csv", size))


def lines(rows, spoilt):
    made = [f'{at},{at / 4},"t{at}\nof ""two"", lines"' if at % 3 else f"{at},{at / 4},t{at}" for at in range(rows)]
    return [LONG if at in spoilt else line for at, line in enumerate(made)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [1, 4, 5, 23, 100])
@pytest.mark.parametrize("spoilt", [[0], [1], [3, 4], [0, 1, 5, 21, 22], [8, 9, 10, 11], range(23)])
def test_a_line_with_too_many_fields_is_a_broken_row(tmp_path, spoilt, size, end):
    # one of them ended the whole batch, and as the first row it moved the columns of all others
    whole = chunks_of(tmp_path, end.join(["a,b,c", *lines(23, [])]), size)
    chunks = chunks_of(tmp_path, end.join(["a,b,c", *lines(23, spoilt)]) + end, size)
    assert [(each.number, each.start, len(each)) for each in chunks] == [
        (each.number, each.start, len(each)) for each in whole
    ]
    found = {chunk.start + at: why for chunk in chunks for at, why in chunk.broken.items()}
    assert sorted(found) == sorted(spoilt)
    assert all("has 5 fields, and the file 3 columns" in why for why in found.values())
    for chunk, good in zip(chunks, whole, strict=True):
        kept = [at for at in range(len(chunk)) if at not in chunk.broken]
        pd.testing.assert_frame_equal(chunk.rows.iloc[kept], good.rows.iloc[kept], check_dtype=bool(kept))


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_a_packed_file_is_read_to_its_end_too(tmp_path, suffix):
    path = tmp_path / f"rows.csv.{suffix}"
    text = "\n".join(["\ufeffa,b,c", *lines(23, [0, 4, 9])]).encode()
    with importlib.import_module({"xz": "lzma", "gz": "gzip"}.get(suffix, suffix)).open(path, "wb") as file:
        file.write(text)
    chunks = list(files.read_chunks(path, "csv", 4))
    assert [chunk.start + at for chunk in chunks for at in chunk.broken] == [0, 4, 9]
    assert sum(map(len, chunks)) == 23
    assert list(chunks[-1].rows.columns) == ["a", "b", "c"]
    assert chunks[-1].rows["a"].tolist() == [20, 21, 22]


def test_a_file_that_only_pandas_can_unpack_ends_with_an_error(tmp_path):
    path = tmp_path / "rows.csv.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("rows.csv", "\n".join(["a,b,c", *lines(23, [5])]))
    with pytest.raises(GraphError, match=r"cannot be read from row 4 on: .*Expected 3 fields in line .*, saw 5"):
        list(files.read_chunks(path, "csv", 4))


@pytest.mark.parametrize(
    ("text", "broken", "first"),
    [
        ("id,b\n1,2,9\n2,4\n3,6\n", [0], [2, 2, 3]),  # pandas takes numbers in a row for its own count
        ("a,b\n1,2,\n3,4,\n5,6,\n", [0, 1, 2], []),
        ("a,b\n1,2,3\n", [0], []),
        ("a,b\n0,2,9\n1,4,9\n5,6\n7,8\n", [2, 3], [2, 4, 4, 4]),  # as R writes them, but for two
    ],
)
@pytest.mark.parametrize("size", [2, 10])
def test_no_column_is_taken_for_names_of_rows_in_silence(tmp_path, text, broken, first, size):
    chunks = chunks_of(tmp_path, text, size)
    assert [chunk.start + at for chunk in chunks for at in chunk.broken] == broken
    if size == 10 and first:
        assert chunks[0].rows.iloc[:, 0].tolist() == first


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2", "zip"])
@pytest.mark.parametrize("cut", [0, 40])
def test_a_damaged_packed_file_is_an_error_that_says_so(tmp_path, suffix, cut):
    path = tmp_path / f"rows.csv.{suffix}"
    pd.DataFrame({"a": range(5000), "b": [at * 7919 % 5003 for at in range(5000)]}).to_csv(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut] if cut else b"no such thing at all")
    with pytest.raises(GraphError, match=r"rows\.csv\.\w+' cannot be (read|unpacked)"):
        list(files.read_chunks(path, "csv", 10))


def test_packed_lines_of_json_are_read(tmp_path):
    with gzip.open(tmp_path / "rows.jsonl.gz", "wb") as file:
        file.write(b'{"a": 1}\n{"a": 2}\n')
    (chunk,) = files.read_chunks(tmp_path / "rows.jsonl.gz", "jsonl", 10)
    assert chunk.rows == [{"a": 1}, {"a": 2}]
    (tmp_path / "rows.jsonl.zip").write_bytes(b"PK")
    with pytest.raises(GraphError, match=r"lines of JSON cannot be read out of a \.zip file; unpack it first"):
        list(files.read_chunks(tmp_path / "rows.jsonl.zip", "jsonl", 10))


@pytest.mark.parametrize("size", [1, 10])
def test_a_field_may_be_longer_than_the_module_csv_takes(tmp_path, size):
    text = "x" * 200_000
    older = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)  # whose chunks are all read with that module
    refused = pytest.raises(GraphError, match="row 0 on: line 2: field larger than field limit")
    with refused if older else contextlib.nullcontext():
        chunks = chunks_of(tmp_path, f"a,b\n1,{text}\n3,{text}\n", size)
        assert [row for chunk in chunks for row in chunk.rows["b"].tolist()] == [text, text]


def test_the_line_is_named(tmp_path):
    (chunk,) = chunks_of(tmp_path, 'a,b\n1,"2\n3"\n\n4,5,6\n7,8\n', 10)
    assert chunk.broken == {1: "line 5 has 3 fields, and the file 2 columns"}


def test_lines_with_too_few_fields_end_in_empty_ones(tmp_path):
    for more in ("", "1,2,3,4\n"):
        (chunk,) = chunks_of(tmp_path, f"a,b,c\n1\n2,3\n4,5,6\n{more}", 10)
        assert chunk.rows.iloc[:3].fillna(0).to_numpy().tolist() == [[1, 0, 0], [2, 3, 0], [4, 5, 6]]
        assert list(chunk.broken) == ([3] if more else [])


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_empty_lines_are_none_in_ragged_files_either(tmp_path, size):
    text = 'a\n1\n \n2\n\t\n\n""\n3\n'
    whole = chunks_of(tmp_path, text, size)
    chunks = chunks_of(tmp_path, text + "4,5\n", size)
    assert sum(map(len, chunks)) == sum(map(len, whole)) + 1 == 5
    assert [at + chunk.start for chunk in chunks for at in chunk.broken] == [4]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_names_of_rows_and_of_columns_stay_what_they_are(tmp_path, mark):
    # as R writes them: the names of rows have no name themselves
    rows = ["x,1,2", "y,3,4", "z,5,6"]
    for text, broken in (([*rows, "1,2,3,4", "v,7,8"], [3]), (rows, [])):
        chunks = chunks_of(tmp_path, "\n".join([f"{mark}a,a", *text]), 2)
        assert [list(chunk.rows.columns) for chunk in chunks] == [["a", "a.1"]] * len(chunks)
        assert [chunk.start + at for chunk in chunks for at in chunk.broken] == broken
        assert chunks[0].rows.to_numpy().tolist() == [[1, 2], [3, 4]]


def test_the_others_are_answered_and_columns_kept(tmp_path, sums):
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("\n".join(["id,x,y", *[f"{at},{at},1" if at != 7 else "7,7,1,2,3" for at in range(20)]]))
    summary = sums.run_file(source, output, columns=["x", "y"], keep=["id"], chunk=6)
    assert (summary.rows, summary.failed) == (20, 1)
    (error,) = [json.loads(line) for line in summary.errors.read_text().splitlines()]
    assert error == {"row": 7, "error": "line 9 has 5 fields, and the file 3 columns"}
    text = output.read_text().splitlines()
    assert text[7:10] == ["6,7", ",", "8,9"]
    assert text[20] == "19,20"


def test_a_run_goes_on_in_a_ragged_file(tmp_path, flow):
    stop = [True]

    def step(table):
        if stop[0] and table["x"].max() >= 12:
            raise ValueError("stop")
        return table["x"] * 2

    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("\n".join(["x", *[f"{at}" if at not in (5, 16) else "1,2" for at in range(20)]]))
    with pytest.raises(RuntimeError, match="more than the 1 that are allowed"):
        flow(step).run_file(source, output, chunk=4, max_errors=1)
    stop[0] = False
    summary = flow(step).run_file(source, output, chunk=4, max_errors=9)
    assert (summary.rows, summary.resumed) == (20, 16)
    values = pd.read_csv(output, skip_blank_lines=False)["x"]
    assert [at for at in range(20) if pd.isna(values[at])] == [5, 12, 13, 14, 15, 16]
    assert values[19] == 38
