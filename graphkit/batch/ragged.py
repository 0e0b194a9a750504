"""CSV files in which some lines have more fields than the file has columns: those are broken rows, the others are read.

Such a file is rare, and pandas' quick parser gives up at such a line; so it is read here only from there on. Records
are told apart by the module ``csv``, and what they hold is read by the same parser as before, a chunk at a time.
"""

from __future__ import annotations

import csv
import importlib
import io
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from graphkit.core.extras import load

#: Files that the standard library unpacks while they are read, by their ending; others are left to pandas.
_UNPACKED_BY = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
_PACKED = frozenset({*_UNPACKED_BY, ".zip", ".zst", ".tar"})


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


class Record(NamedTuple):
    """A record of a file: its text as it stands there, how many fields it has, and the number of its last line."""

    text: str
    fields: int
    line: int


def can_be_ragged(path: Path) -> bool:
    """Return whether :func:`ragged_chunks` can read a file, by its name.

    >>> can_be_ragged(Path("rows.csv")), can_be_ragged(Path("rows.csv.gz")), can_be_ragged(Path("rows.csv.zip"))
    (True, True, False)
    """
    suffix = path.suffix.lower()
    return suffix in _UNPACKED_BY or suffix not in _PACKED


def _opened(path: Path) -> IO[str]:
    # a mark of the byte order at the beginning is no part of the first name
    how: Any = {"mode": "rt", "encoding": "utf-8-sig", "newline": ""}
    module = _UNPACKED_BY.get(path.suffix.lower())
    opened: IO[str] = path.open(**how) if module is None else importlib.import_module(module).open(path, **how)
    return opened


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
    with _opened(path) as file:
        records = _records(file)
        head = [record.text for record in islice(records, 1)]
        first = [*islice(records, 2)]
        if not first:
            return
        columns = pandas.read_csv(io.StringIO(*head)).columns
        # names of rows, as R writes them, stand before the columns and have no name themselves
        named = min(record.fields for record in first) == len(columns) + 1
        names = ["\0", *columns] if named else list(columns)
        records = islice(chain(first, records), done, None)
        while chunk := [*islice(records, size)]:
            table, broken = _table(pandas, chunk, names, done, options)
            yield table[columns], broken
            done += len(chunk)


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


def _table(
    pandas: Any, chunk: list[Record], names: list[str], start: int, options: Mapping[str, Any]
) -> tuple[Any, Mapping[int, str]]:
    """Return some records as a table. Too long ones are as others in it, so that no column changes its type."""
    broken = {
        at: f"line {record.line} has {record.fields} fields, and the file {len(names)} columns"
        for at, record in enumerate(chunk)
        if record.fields > len(names)
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
