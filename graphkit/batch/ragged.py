"""CSV files in which some lines have more fields than the file has columns: those are broken rows, the others are read.

Such a file is rare, and pandas' quick parser gives up at such a line; so it is read here only from there on. Records
are told apart by the module ``csv``, and what they hold is read by the same parser as before, a chunk at a time.
"""

from __future__ import annotations

import csv
import io
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from graphkit.batch.packed import opened
from graphkit.core.extras import load


class Unreadable(ValueError):
    """A file cannot be read from a row on.

    Attributes
    ----------
    row
        The position of that row, from 0 on.
    """

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row


#: Stands for the column that names of rows are in.
_NAMES = "\0"


class Record(NamedTuple):
    """A record of a file: its text as it stands there, how many fields it has, and the number of its last line."""

    text: str
    fields: int
    line: int


def begins_ragged(path: Path) -> bool:
    """Return whether the first row of a file has more fields than its head."""
    with _records_of(path) as records:
        try:
            counts = [record.fields for record in islice(records, 2)]
        except Unreadable:
            return False  # pandas may read it, or says what is wrong
    return len(counts) == 2 and counts[1] > counts[0]


def ragged_chunks(
    path: Path, size: int, done: int, options: Mapping[str, Any]
) -> Iterator[tuple[Any, Mapping[int, str]]]:
    """Yield the rows of a file in tables of a size, with the rows that are too long, as places in the table.

    Parameters
    ----------
    path, size
        The file, and how many rows a table has.
    done
        How many rows at the beginning were read before, and are left out.
    options
        What pandas is to mind in addition.

    Raises
    ------
    Unreadable
        If a quotation mark is not closed, or a record is too large.
    """
    pandas = load("pandas", "reading CSV", "batch")
    with _records_of(path) as records:
        head = [record.text for record in islice(records, 1)]
        first = [*islice(records, 2)]
        if not first:
            return
        columns = pandas.read_csv(io.StringIO(*head)).columns
        # names of rows, as R writes them, stand before the columns and have no name themselves; a row alone is too long
        named = [record.fields for record in first] == [len(columns) + 1] * 2 and not _end_empty(first)
        names = [_NAMES, *columns] if named else list(columns)
        records = islice(chain(first, records), done, None)
        while chunk := [*islice(records, size)]:
            table, broken = _table(pandas, chunk, names, done, options)
            yield table[columns], broken
            done += len(chunk)


@contextmanager
def _records_of(path: Path) -> Iterator[Iterator[Record]]:
    # a mark of the byte order at the beginning is no part of the first name
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        yield _records(file)


def _records(file: Iterable[str]) -> Iterator[Record]:
    """Yield the records of a file, the head too; without empty lines, as pandas does."""
    lines: list[str] = []

    def noted() -> Iterator[str]:
        for line in file:
            lines.append(line)
            yield line

    reader = csv.reader(noted())
    count = 0
    try:
        for fields in reader:
            text = "".join(lines)
            lines.clear()
            if text.strip(" \t\r\n"):
                count += 1
                yield Record(text, len(fields), reader.line_num)
    except csv.Error as exc:
        raise Unreadable(max(count - 1, 0), f"line {reader.line_num}: {exc}") from exc


def _end_empty(records: list[Record]) -> bool:
    """Return whether records end in an empty field, as where each line ends in a comma."""
    return all(record.text.rstrip("\r\n").endswith(",") for record in records)


def _table(
    pandas: Any, chunk: list[Record], names: list[str], start: int, options: Mapping[str, Any]
) -> tuple[Any, Mapping[int, str]]:
    """Return some records as a table. Too long ones are as others in it, so that no column changes its type."""
    broken = {
        at: f"line {record.line} has {record.fields} fields, and the file {len(names)} columns"
        for at, record in enumerate(chunk)
        if record.fields > len(names) or (record.fields < len(names) and names[0] == _NAMES)
    }
    good = [at for at in range(len(chunk)) if at not in broken]
    if not good:
        return pandas.DataFrame(columns=names, index=range(len(chunk))), broken
    text = io.StringIO("".join(chunk[at].text for at in good))
    try:
        table = pandas.read_csv(text, header=None, names=names, index_col=False, low_memory=False, **options)
    except pandas.errors.ParserError as exc:
        if chunk[-1].text.count('"') % 2:
            raise Unreadable(start + len(chunk) - 1, "a quotation mark is not closed") from exc
        raise
    if broken:
        table = table.take([max(bisect(good, at) - 1, 0) for at in range(len(chunk))]).reset_index(drop=True)
    return table, broken
