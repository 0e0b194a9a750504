"""Tables in files: read in chunks, written in parts, joined without holding them. CSV, Parquet and JSON lines."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graphkit.batch.packed import DAMAGES, can_open, opened
from graphkit.batch.ragged import Unreadable, begins_ragged, ragged_chunks
from graphkit.batch.rows import Chunk
from graphkit.core import jsonlike
from graphkit.core.errors import GraphError, MissingExtra, choices
from graphkit.core.extras import load

FORMATS: Mapping[str, str] = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


def format_of(path: Path, given: str | None = None) -> str:
    """Return the format of a file, by its name unless it is given.

    >>> format_of(Path("rows.ndjson"))
    'jsonl'
    """
    known = sorted(set(FORMATS.values()))
    if given is not None:
        if given not in known:
            raise GraphError(f"the format {given!r} is not known; there is {choices(known)}")
        return given
    if path.suffix.lower() not in FORMATS:
        raise GraphError(f"the format of {path.name!r} is not known by its name; there is {choices(FORMATS)}")
    return FORMATS[path.suffix.lower()]


# ---- reading --------------------------------------------------------------------------------------------------


def count_rows(path: Path, kind: str) -> int | None:
    """Return how many rows a file has, where that is quickly known."""
    if kind != "parquet":
        return None
    parquet = load("pyarrow.parquet", "reading Parquet", "batch")
    try:
        return int(parquet.read_metadata(path).num_rows)
    except (OSError, ValueError) as exc:
        raise GraphError(f"{str(path)!r} cannot be read: {exc}") from exc


def read_chunks(path: Path, kind: str, size: int) -> Iterator[Chunk]:
    """Yield the rows of a file in chunks of a size; the last one may be shorter.

    Raises
    ------
    GraphError
        If the file cannot be read. A line of JSON that cannot be read is a broken row of its chunk, and so is a line of
        CSV with too many fields; one with too few ends in empty ones.
    """
    start = 0
    number = 0
    names: dict[str, None] = {}
    try:
        for rows, broken in _READERS[kind](path, size):
            if isinstance(rows, list):
                # one order for the whole file, whatever a chunk, or a part of it, begins with
                for row in rows:
                    if isinstance(row, dict) and not row.keys() <= names.keys():
                        names.update(dict.fromkeys(row))
            yield Chunk(number, start, rows, broken, tuple(names) or None)
            start += len(rows)
            number += 1
    except OSError as exc:
        raise GraphError(f"{str(path)!r} cannot be read: {exc.strerror or exc}") from exc
    except ValueError as exc:  # pandas' and pyarrow's errors are
        row = exc.row if isinstance(exc, Unreadable) else start
        raise GraphError(f"{str(path)!r} cannot be read from row {row} on: {exc}") from exc
    except MissingExtra:
        raise
    except (ImportError, *DAMAGES) as exc:  # pandas may need a package to unpack a file
        raise GraphError(f"{str(path)!r} cannot be unpacked from row {start} on: {exc}") from exc


_Read = Iterator[tuple[Any, Mapping[int, str]]]


def _read_csv(path: Path, size: int) -> _Read:
    pandas = load("pandas", "reading CSV", "batch")
    major, minor = (int(part) for part in pandas.__version__.split(".")[:2])
    older = (major, minor) < (3, 1)
    # older ones read the last digit of long numbers wrongly unless they are asked; newer ones warn if they are
    exact = {"float_precision": "round_trip"} if older else {}
    done = 0
    # older ones cut off in silence what is too much in the first line of a chunk; all of them take a column for names
    # of rows where the first row of the file has more fields than the head
    if can_open(path) and (older or begins_ragged(path)):
        yield from ragged_chunks(path, size, done, exact)
        return
    try:
        with pandas.read_csv(path, chunksize=size, low_memory=False, **exact) as reader:
            for table in reader:
                if len(table):  # a head without rows is a table too
                    yield table.reset_index(drop=True), {}
                    done += len(table)
        return
    except pandas.errors.EmptyDataError:
        return
    except pandas.errors.ParserError:
        if not can_open(path):
            raise
    yield from ragged_chunks(path, size, done, exact)


def _read_parquet(path: Path, size: int) -> _Read:
    parquet = load("pyarrow.parquet", "reading Parquet", "batch")
    arrow = load("pyarrow", "reading Parquet", "batch")
    with parquet.ParquetFile(path) as file:
        waiting: list[Any] = []
        held = 0
        for batch in file.iter_batches(batch_size=size):
            waiting.append(batch)
            held += batch.num_rows
            if held >= size:
                # batches end where row groups end; chunks are all of one size
                table = arrow.Table.from_batches(waiting)
                while table.num_rows >= size:
                    yield table.slice(0, size).to_pandas(ignore_metadata=True), {}
                    table = table.slice(size)
                waiting, held = table.to_batches(), table.num_rows
        if held:
            yield arrow.Table.from_batches(waiting).to_pandas(ignore_metadata=True), {}


def _read_jsonl(path: Path, size: int) -> _Read:
    rows: list[Any] = []
    broken: dict[int, str] = {}
    if not can_open(path):
        raise ValueError(f"lines of JSON cannot be read out of a {path.suffix} file; unpack it first")
    with opened(path, "rb") as file:
        for line in file:
            if not line.strip():
                continue
            try:
                rows.append(jsonlike.decode(line))
            except ValueError as exc:
                broken[len(rows)] = f"the line is not JSON: {exc}"
                rows.append(None)
            if len(rows) == size:
                yield rows, broken
                rows, broken = [], {}
    if rows:
        yield rows, broken


_READERS: Mapping[str, Callable[[Path, int], _Read]] = {
    "csv": _read_csv,
    "parquet": _read_parquet,
    "jsonl": _read_jsonl,
}


# ---- writing --------------------------------------------------------------------------------------------------


def as_bytes(kind: str, table: Any) -> bytes:
    """Return what a file of a format holds for a table.

    Raises
    ------
    GraphError
        If the format cannot hold it.
    """
    try:
        return _WRITERS[kind](table)
    except (TypeError, ValueError) as exc:
        raise GraphError(f"the answers cannot be written as {kind}: {exc}") from exc


def put(path: Path, content: bytes) -> None:
    """Write a file in one step: it is there as a whole or not at all.

    A file that the system has not written yet when the power fails is found by its checksum; see the journal.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)  # noqa: PTH105  # says that it is one step


def settle(temporary: Path, path: Path) -> None:
    """Give a complete file its name, after it has reached the disk."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)  # noqa: PTH105  # says that it is one step


def _csv_of(table: Any) -> bytes:
    nested = [name for name in table.columns if table[name].dtype == object]
    if nested:
        table = table.assign(**{name: table[name].map(_csv_cell) for name in nested})
    text: str = table.to_csv(index=False, lineterminator="\n")
    return text.encode()


def _csv_cell(value: Any) -> Any:
    return jsonlike.encode(value).decode() if isinstance(value, (list, tuple, dict, set)) else value


def _parquet_of(table: Any) -> bytes:
    arrow = load("pyarrow", "writing Parquet", "batch")
    parquet = load("pyarrow.parquet", "writing Parquet", "batch")
    sink = arrow.BufferOutputStream()
    parquet.write_table(arrow.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _jsonl_of(table: Any) -> bytes:
    return b"".join(jsonlike.encode(record) + b"\n" for record in table.to_dict("records"))


_WRITERS: Mapping[str, Callable[[Any], bytes]] = {"csv": _csv_of, "parquet": _parquet_of, "jsonl": _jsonl_of}


# ---- joining --------------------------------------------------------------------------------------------------


# Without the number of the process, so that there is never more than one in a folder.
_JOINED = "joined.tmp"
Parts = Sequence[tuple[Path | None, int]]


def join_parts(parts: Parts, kind: str, path: Path, column: str, folder: Path) -> None:
    """Write the rows of some files into one, in their order, and in one step.

    Parameters
    ----------
    parts
        Files, and how many rows of the input each is about. Rows that all failed have no file (``None``): they are
        empty.
    kind
        The format.
    path
        The file to write.
    column
        Name of the column, if no file has any.
    folder
        Where the file is until it is complete; what a kill leaves there is written over.

    Raises
    ------
    GraphError
        If columns of one name hold what does not go together.
    """
    temporary = folder / _JOINED
    try:
        _JOINERS[kind](parts, temporary, column)
        settle(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def join_errors(parts: Iterable[Path], path: Path, folder: Path) -> None:
    """Write some files of errors into one, in their order, and in one step; until it is complete, in a folder."""
    temporary = folder / _JOINED
    with temporary.open("wb") as target:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target)
    settle(temporary, path)


def _join_jsonl(parts: Parts, path: Path, column: str) -> None:
    with path.open("wb") as target:
        for part, rows in parts:
            if part is None:
                target.write(b"{}\n" * rows)
                continue
            with part.open("rb") as source:
                shutil.copyfileobj(source, target)


def _join_csv(parts: Parts, path: Path, column: str) -> None:
    import csv

    heads: list[list[str]] = []
    for part, _ in parts:
        if part is None:
            heads.append([])
            continue
        with part.open(newline="", encoding="utf-8") as source:
            heads.append(next(csv.reader(source), []))
    names = list(dict.fromkeys(name for head in heads for name in head)) or [column]
    with path.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target, lineterminator="\n").writerow(names)
        for (part, rows), head in zip(parts, heads, strict=True):
            if part is None:
                csv.writer(target, lineterminator="\n").writerows([[None] * len(names)] * rows)
                continue
            with part.open(newline="", encoding="utf-8") as source:
                if head == names:
                    source.readline()
                    shutil.copyfileobj(source, target)
                else:
                    writer = csv.DictWriter(target, names, lineterminator="\n")
                    writer.writerows(csv.DictReader(source))


def _join_parquet(parts: Parts, path: Path, column: str) -> None:
    arrow = load("pyarrow", "writing Parquet", "batch")
    parquet = load("pyarrow.parquet", "writing Parquet", "batch")
    schemas = [parquet.read_schema(part) for part, _ in parts if part is not None]
    schemas = schemas or [arrow.schema([(column, arrow.null())])]
    try:
        schema = arrow.unify_schemas(schemas, promote_options="permissive")
    except (arrow.ArrowInvalid, arrow.ArrowTypeError) as exc:
        raise GraphError(f"the answers of some chunks do not go together in one Parquet file: {exc}") from exc
    with parquet.ParquetWriter(path, schema) as writer:
        for part, rows in parts:
            table = parquet.read_table(part) if part is not None else arrow.table({})
            columns = [
                table[field.name].cast(field.type)
                if field.name in table.column_names
                else arrow.nulls(rows if part is None else table.num_rows, field.type)
                for field in schema
            ]
            writer.write_table(arrow.table(columns, schema=schema))


_JOINERS: Mapping[str, Callable[[Parts, Path, str], None]] = {
    "csv": _join_csv,
    "parquet": _join_parquet,
    "jsonl": _join_jsonl,
}


def error_lines(failures: Iterable[tuple[int, str]]) -> bytes:
    """Return rows without an answer as JSON lines with ``row`` and ``error``."""
    return b"".join(jsonlike.encode({"row": row, "error": _shown(error)}) + b"\n" for row, error in failures)


def _shown(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
