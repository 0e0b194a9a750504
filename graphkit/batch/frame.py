"""A table in memory through a server."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from graphkit.batch.options import Options, Server
from graphkit.batch.rows import Chunk
from graphkit.batch.score import Failure, Scored, score
from graphkit.batch.side_by_side import in_order
from graphkit.batch.workers import opened, pickled, pool_of
from graphkit.core.errors import GraphError, StepError
from graphkit.core.extras import load

_ERRORS = ("raise", "keep")


def run_frame(
    server: Server,
    table: Any,
    options: Options,
    errors: str = "raise",
    progress: bool | None = False,
    opener: Callable[[], Server] | None = None,
) -> Any:
    """Return the answers to the rows of a table, as a table with its index.

    Parameters
    ----------
    server
        What answers.
    table
        A pandas DataFrame.
    options
        How rows go through the graph.
    errors
        ``"raise"``: the first row that fails raises. ``"keep"``: rows that fail are empty in the result, and
        ``result.attrs["errors"]`` lists them.
    progress
        Whether to show a progress bar; ``None`` on terminals only.
    opener
        Makes the server in a worker process; must be picklable.

    Raises
    ------
    GraphError
        If the graph cannot be bound, or an option is wrong.
    StepError
        If a row fails and ``errors`` is ``"raise"``.
    """
    pandas = load("pandas", "run_frame", "batch")
    if errors not in _ERRORS:
        raise GraphError(f"errors is 'raise' or 'keep', found {errors!r}")
    if not isinstance(table, pandas.DataFrame):
        raise GraphError(f"run_frame takes a pandas DataFrame, found a value of type {type(table).__name__}")
    work: Callable[[Chunk], Scored] = functools.partial(_score_here, server, options)
    if options.executor == "process":
        work = functools.partial(_score_in_process, pickled(opener), options)
    server.init_object()
    pieces: list[Any] = []
    failures: list[Failure] = []
    with pool_of(options) as pool, bar(len(table), progress) as shown:
        for chunk, scored in in_order(work, _chunks(table, options), options, pool):
            if scored.failures and errors == "raise":
                raise _first(scored.failures)
            pieces.append(scored.table)
            failures += scored.failures
            shown.update(len(chunk))
    result = pandas.concat(pieces, ignore_index=True) if pieces else pandas.DataFrame()
    if not options.any_rows and len(result) == len(table):
        result.index = table.index
    if errors == "keep":
        result.attrs["errors"] = [{"row": failure.row, "error": failure.error} for failure in failures]
    return result


def _score_here(server: Server, options: Options, chunk: Chunk) -> Scored:
    return score(server, chunk, options)


def _score_in_process(opener: bytes, options: Options, chunk: Chunk) -> Scored:
    server = opened(opener)
    scored = score(server, chunk, options)
    server.flush()  # nobody else does, in this process
    return scored


def bar(total: int | None, progress: bool | None, start: int = 0) -> Any:
    """Return a progress bar of rows; ``None`` shows it on terminals only."""
    if progress is False:
        from contextlib import nullcontext

        return nullcontext(_Silent())
    tqdm = load("tqdm", "a progress bar", "batch")
    return tqdm.tqdm(
        total=total, initial=start, unit=" rows", unit_scale=True, disable=None if progress is None else False
    )


class _Silent:
    """A progress bar that nobody sees."""

    def update(self, rows: int) -> None:
        """Take note of nothing."""


def _chunks(table: Any, options: Options) -> Iterator[Chunk]:
    for number, low in enumerate(range(0, len(table), options.chunk)):
        yield Chunk(number, low, table.iloc[low : low + options.chunk])


def _first(failures: tuple[Failure, ...]) -> StepError:
    more = f" (and {len(failures) - 1} more of its chunk)" if len(failures) > 1 else ""
    return StepError(f"row {failures[0].row} failed{more}: {failures[0].error}; errors='keep' goes on without it")
