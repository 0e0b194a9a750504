"""Rows to bodies of events, and answers to rows."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphkit.core.errors import GraphError, choices, nearest
from graphkit.core.extras import load


class Misfit(ValueError):
    """An answer does not fit the rows that were sent."""


class Chunk:
    """Some rows in a row: a table, or a list of values such as JSON lines hold.

    Parameters
    ----------
    number, start
        Which chunk it is, and the position of its first row.
    rows
        A pandas DataFrame, or a list.
    broken
        Rows that could not be read: their position in the chunk, and why. They stand in a list as ``None``, and in a
        table as what another row is, so that its columns keep their types.
    names
        The columns of rows that are dicts, in order, whichever of the rows are looked at; left out, those of the rows.
    """

    __slots__ = ("broken", "names", "number", "rows", "start")

    def __init__(
        self,
        number: int,
        start: int,
        rows: Any,
        broken: Mapping[int, str] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        self.names = names
        self.number = number
        self.start = start
        self.rows = rows
        self.broken: Mapping[int, str] = broken or {}

    def __len__(self) -> int:
        return len(self.rows)

    def table(self, low: int, high: int) -> Any:
        """Return some of the rows as a DataFrame."""
        if not isinstance(self.rows, list):
            return self.rows.iloc[low:high]
        pandas = load("pandas", "a batch", "batch")
        rows = self.rows[low:high]
        if len({_form(row) for row in rows}) > 1:  # those that are alike go together
            raise Misfit("the rows do not make a table: some are dicts and some are not, or lists differ in length")
        try:
            return pandas.DataFrame(rows, columns=self._columns_of(rows))
        except (TypeError, ValueError) as exc:
            raise Misfit(f"the rows do not make a table: {exc}") from exc

    def _columns_of(self, rows: list[Any]) -> list[str] | None:
        """Return the columns of rows that are dicts, each in its place; without those behind the last that is there."""
        if self.names is None or not rows or not isinstance(rows[0], Mapping):
            return None
        there = set().union(*rows)
        last = max((at for at, name in enumerate(self.names) if name in there), default=-1)
        return list(self.names[: last + 1])

    def kept(self, columns: Sequence[str]) -> Any:
        """Return some columns of all rows; of a row that could not be read, they are empty."""
        if not isinstance(self.rows, list):
            table = chosen(self.rows, columns).reset_index(drop=True)
            return spread(table.drop([*self.broken]), len(table)) if self.broken else table
        pandas = load("pandas", "a batch", "batch")
        rows = [row if isinstance(row, Mapping) else {} for row in self.rows]
        return pandas.DataFrame({name: _cells(pandas, [row.get(name) for row in rows]) for name in columns})

    def values(self, low: int, high: int, columns: Sequence[str] | None) -> list[Any]:
        """Return some of the rows as dicts, or as what a line of JSON held."""
        if not isinstance(self.rows, list):
            table = chosen(self.table(low, high), columns)
            with _collector_paused():
                records: list[Any] = table.to_dict("records")
            return records
        rows = self.rows[low:high]
        if columns is None:
            return rows
        return [{name: _field(row, name) for name in columns} for row in rows]


def _form(row: Any) -> int | type | None:
    """Return what rows of a table have in common: to be dicts, lists of one length, or neither."""
    return dict if isinstance(row, Mapping) else len(row) if isinstance(row, list) else None


def _field(row: Any, name: str) -> Any:
    if not isinstance(row, Mapping) or name not in row:
        raise Misfit(f"the row has no field {name!r}")
    return row[name]


def body_of(chunk: Chunk, low: int, high: int, shape: str, columns: Sequence[str] | None) -> Any:
    """Return the body of the event for some rows of a chunk; for the shape ``"row"``, of one row."""
    if shape == "inputs":
        return {"inputs": _lists(chosen(chunk.table(low, high), columns))}
    if shape == "frame":
        # a copy, since steps may change what they are given
        return chosen(chunk.table(low, high), columns).copy()
    values = chunk.values(low, high, columns)
    return values[0] if shape == "row" else values


def chosen(table: Any, columns: Sequence[str] | None) -> Any:
    """Return some columns of a table; all without a choice."""
    if columns is None:
        return table
    missing = [name for name in columns if name not in table.columns]
    if missing:
        known = [str(name) for name in table.columns]
        raise GraphError(
            f"the input has no column {missing[0]!r}{nearest(missing[0], known)}; there is {choices(known, most=30)}"
        )
    return table[list(columns)]


def spread(table: Any, rows: int) -> Any:
    """Return a table with more rows: those that its index lacks are empty, and integers and truth values stay so."""
    wider = {"i": "Int64", "u": "UInt64", "b": "boolean"}
    plain = {name: wider[kind] for name in table.columns if (kind := _plain_kind(table[name].dtype)) in wider}
    return (table.astype(plain) if plain else table).reindex(range(rows))


def _plain_kind(dtype: Any) -> str:
    return str(dtype.kind) if type(dtype).__module__.partition(".")[0] == "numpy" else ""


def _lists(table: Any) -> list[list[Any]]:
    """Return a table's rows as lists of plain numbers and texts; integers stay integers beside floats."""
    if len(set(table.dtypes)) == 1 and getattr(table.dtypes.iloc[0], "kind", "O") in "biuf":
        numbers = table.to_numpy()
        with _collector_paused():
            rows: list[list[Any]] = numbers.tolist()
        return rows
    columns = [table.iloc[:, index].tolist() for index in range(table.shape[1])]
    with _collector_paused():
        return list(map(list, zip(*columns, strict=True))) if columns else [[] for _ in range(len(table))]


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Let thousands of lists be made at once without a look for cycles after each few hundred: they hold none.

    With a model library loaded, those looks take ten times as long as the lists.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:  # of several threads, the one that paused it
            gc.enable()


def table_of(answer: Any, rows: int | None, column: str) -> Any:
    """Return an answer as a DataFrame with one row for each row that was sent.

    Parameters
    ----------
    answer
        ``{"outputs": [...]}`` of a model, a DataFrame, a Series, an array, a list with an item for each row, or a dict
        of such columns.
    rows
        How many rows were sent; ``None`` if any number will do.
    column
        Name of the column, where the answer has none. Items that are lists make ``prediction_0``, ``prediction_1`` ...

    Raises
    ------
    Misfit
        If the answer does not fit.

    Examples
    --------
    >>> table_of({"outputs": [0, 2]}, 2, "label").to_dict("list")
    {'label': [0, 2]}
    >>> table_of([[0.25, 0.75]], 1, "p").to_dict("list")
    {'p_0': [0.25], 'p_1': [0.75]}
    """
    pandas = load("pandas", "a batch", "batch")
    if isinstance(answer, Mapping) and "outputs" in answer:
        answer = answer["outputs"]
    if isinstance(answer, pandas.DataFrame):
        table = answer.reset_index(drop=True)
        table.columns = [str(name) for name in table.columns]
    elif isinstance(answer, pandas.Series):
        name = column if answer.name is None else str(answer.name)
        table = answer.reset_index(drop=True).to_frame(name)
    elif isinstance(answer, Mapping):
        table = _from_columns(pandas, answer, rows)
    elif hasattr(answer, "shape") and hasattr(answer, "dtype"):
        table = _from_array(pandas, answer, column)
    elif isinstance(answer, (list, tuple)):
        table = _from_items(pandas, answer, column)
    elif rows is None:
        table = one_row(answer, column)
    else:
        raise Misfit(
            f"the answer is a value of type {type(answer).__name__}; for a chunk of rows it is a table, an array or a "
            f"list with an item for each row, or a dict with 'outputs' (shape='row' sends the rows one by one)"
        )
    if rows is not None and len(table) != rows:
        raise Misfit(f"the answer has {len(table)} rows for the {rows} that were sent")
    if len(set(table.columns)) < len(table.columns):
        raise Misfit("the answer has two columns of one name")
    return table


def one_row(answer: Any, column: str) -> Any:
    """Return the answer to one row as a table of one row: its fields, or one column."""
    pandas = load("pandas", "a batch", "batch")
    if isinstance(answer, Mapping):
        return pandas.DataFrame({str(key): _cells(pandas, [item]) for key, item in answer.items()}, index=range(1))
    return pandas.DataFrame({column: _cells(pandas, [answer])})


def _from_columns(pandas: Any, answer: Mapping[Any, Any], rows: int | None) -> Any:
    sized = [item for item in answer.values() if hasattr(item, "__len__") and not isinstance(item, (str, bytes))]
    lengths = {len(item) for item in sized}
    if len(sized) < len(answer) or len(lengths) != 1:
        if rows is None:
            return one_row(answer, "")
        raise Misfit(
            f"the answer is a dict with {choices(map(str, answer))}, and not each is a list with an item per row"
        )
    return pandas.DataFrame({str(key): _cells(pandas, list(item)) for key, item in answer.items()})


def _from_array(pandas: Any, answer: Any, column: str) -> Any:
    if answer.ndim == 1:
        return pandas.DataFrame({column: answer})
    if answer.ndim == 2:
        return pandas.DataFrame(answer, columns=[f"{column}_{index}" for index in range(answer.shape[1])])
    raise Misfit(f"the answer is an array of shape {answer.shape}, of which the rows are no rows of a table")


def _from_items(pandas: Any, answer: Sequence[Any], column: str) -> Any:
    first = answer[0] if answer else None
    if isinstance(first, Mapping) and all(isinstance(item, Mapping) for item in answer):
        names = dict.fromkeys(str(key) for item in answer for key in item)
        plain = [{str(key): value for key, value in item.items()} for item in answer]
        return pandas.DataFrame({name: _cells(pandas, [item.get(name) for item in plain]) for name in names})
    width = len(first) if isinstance(first, (list, tuple)) else -1
    if width > 0 and all(isinstance(item, (list, tuple)) and len(item) == width for item in answer):
        return pandas.DataFrame(
            {f"{column}_{index}": _cells(pandas, [item[index] for item in answer]) for index in range(width)}
        )
    return pandas.DataFrame({column: _cells(pandas, list(answer))})


def _cells(pandas: Any, items: list[Any]) -> Any:
    """Return items as a column: integers stay integers though one is missing, other objects stay what they are."""
    kinds = {type(item) for item in items}
    if kinds <= {int, type(None)} and type(None) in kinds and int in kinds:
        return pandas.array(items, dtype="Int64")
    if kinds <= {bool, type(None)} and type(None) in kinds and bool in kinds:
        return pandas.array(items, dtype="boolean")
    if kinds == {float} or kinds == {bool} or (kinds == {int} and max(items) < 2**63 and min(items) >= -(2**63)):
        return load("numpy", "a batch", "batch").array(items)  # several times as quick as pandas' own guess
    if kinds & {list, tuple, dict, set}:
        return pandas.Series(items, dtype=object)
    return pandas.Series(items)
