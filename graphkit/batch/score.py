"""One chunk through a server: the answers as a table, and the rows that failed."""

from __future__ import annotations

from typing import Any

import msgspec

from graphkit.batch.options import Options, Server
from graphkit.batch.rows import Chunk, Misfit, body_of, one_row, spread, table_of
from graphkit.core.errors import GraphError, StepError
from graphkit.core.event import Event
from graphkit.core.extras import load
from graphkit.runtime.bound import is_response

# What no row is to blame for: there is no such path or model, or it is not loaded.
_NOBODYS_FAULT = frozenset({404, 503})


class Failure(msgspec.Struct, frozen=True):
    """A row without an answer.

    Attributes
    ----------
    row
        Position of the row in the input, from 0 on.
    error
        What went wrong.
    """

    row: int
    error: str


class Scored(msgspec.Struct, frozen=True):
    """What came of a chunk.

    Attributes
    ----------
    table
        The answers; with a row for each row of the chunk, unless any number of rows was allowed.
    failures
        The rows that failed; theirs are empty in the table.
    """

    table: Any
    failures: tuple[Failure, ...] = ()


class _Refused(Exception):
    """The server answered some rows with an error, which is the text."""


def score(server: Server, chunk: Chunk, options: Options) -> Scored:
    """Return the answers of a server to a chunk of rows.

    A chunk that fails is halved until the rows are found that fail alone; the others are answered. Steps see those rows
    again then.

    Raises
    ------
    StepError
        If no row is to blame: the path or the model is not known, or not loaded.
    """
    pieces: list[tuple[int, int, Any]] = []
    failures = [Failure(chunk.start + at, error) for at, error in chunk.broken.items()]
    step = 1 if options.shape == "row" else len(chunk) or 1
    waiting = [(low, min(low + step, len(chunk))) for low in range(0, len(chunk), step)]
    if chunk.broken:
        waiting = [part for low, high in waiting for part in _around(chunk, low, high)]
    waiting.reverse()
    while waiting:
        low, high = waiting.pop()
        try:
            pieces.append((low, high, _ask(server, chunk, low, high, options)))
        except (_Refused, Misfit) as exc:
            if high - low == 1:
                failures.append(Failure(chunk.start + low, str(exc)))
            else:
                middle = (low + high) // 2
                waiting += [(middle, high), (low, middle)]
    table = _joined(chunk, pieces, options)
    return Scored(table, tuple(sorted(failures, key=lambda failure: failure.row)))


def _around(chunk: Chunk, low: int, high: int) -> list[tuple[int, int]]:
    """Return the stretches of readable rows."""
    found = []
    for at in [*sorted(at for at in chunk.broken if low <= at < high), high]:
        if at > low:
            found.append((low, at))
        low = at + 1
    return found


def _ask(server: Server, chunk: Chunk, low: int, high: int, options: Options) -> Any:
    body = body_of(chunk, low, high, options.shape, options.columns)
    # rows that are texts are not to be read as JSON once more
    content_type = "text/plain" if isinstance(body, (str, bytes)) else None
    answer = server.run(Event(body, content_type, None, "POST", options.path), get_body=True)
    if is_response(answer):
        if answer.status_code in _NOBODYS_FAULT:
            raise StepError(str(answer.body), status=answer.status_code)
        if answer.status_code >= 300:
            raise _Refused(str(answer.body))
        answer = answer.body
    if options.shape == "row" and not options.any_rows:
        return one_row(answer, options.column)
    return table_of(answer, None if options.any_rows else high - low, options.column)


def _joined(chunk: Chunk, pieces: list[tuple[int, int, Any]], options: Options) -> Any:
    """Return the pieces as one table; rows that failed are empty in it."""
    pandas = load("pandas", "a batch", "batch")
    if len(pieces) == 1 and (options.any_rows or len(pieces[0][2]) == len(chunk)):
        table = pieces[0][2]
    elif options.any_rows or not pieces:
        table = pandas.concat([table for *_, table in pieces], ignore_index=True) if pieces else pandas.DataFrame()
    else:
        for low, high, table in pieces:
            table.index = range(low, high)
        table = pandas.concat([table for *_, table in pieces])
    if options.any_rows:
        return table
    if len(table) < len(chunk):
        table = spread(table, len(chunk))
    if not options.keep:
        return table
    kept = chunk.kept(options.keep)
    both = [name for name in kept.columns if name in table.columns]
    if both:
        raise GraphError(f"the column {both[0]!r} is both kept from the input and a column of the answer")
    return pandas.concat([kept, table], axis=1)
