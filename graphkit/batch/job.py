"""A file through a server into a file: in chunks, side by side, and going on after a kill."""

from __future__ import annotations

import contextlib
import functools
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import msgspec

from graphkit.batch import files
from graphkit.batch.frame import bar
from graphkit.batch.journal import FAILED, PART, Done, Journal, part_path
from graphkit.batch.options import Options, Server
from graphkit.batch.rows import Chunk
from graphkit.batch.score import score
from graphkit.batch.side_by_side import in_order
from graphkit.batch.workers import opened, pickled, pool_of
from graphkit.core.errors import GraphError, GraphkitError, StepError


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a batch.

    Attributes
    ----------
    output, errors
        The file of answers, and the file of errors, if there are any.
    rows, failed
        Rows of the input, and those among them that failed.
    resumed
        Rows that an interrupted run had answered before.
    seconds
        How long this run took.
    """

    output: Path
    errors: Path | None
    rows: int
    failed: int
    resumed: int
    seconds: float

    def __repr__(self) -> str:
        new = self.rows - self.resumed
        rate = f", {new / self.seconds:,.0f} rows/s" if self.seconds > 0 else ""
        text = f"{self.rows:,} rows into {self.output} in {self.seconds:.1f} s{rate}"
        if self.resumed:
            text += f"; {self.resumed:,} of them were done before"
        if self.failed:
            text += f"; {self.failed:,} failed, see {self.errors}"
        return text


def run_file(
    server: Server,
    source: str | Path,
    output: str | Path,
    options: Options,
    *,
    asked: Mapping[str, Any] | None = None,
    opener: Callable[[], Server] | None = None,
    input_format: str | None = None,
    output_format: str | None = None,
    overwrite: bool = False,
    restart: bool = False,
    max_errors: int | None = None,
    progress: bool | None = False,
) -> Summary:
    """Send the rows of a file through a server, and write the answers to a file.

    The output has one row for each row of the input, in their order; rows that fail are empty in it, and stand in
    ``<output>.errors.jsonl`` with their position (from 0 on) and error. Lines that are no JSON, or have more fields
    than a CSV file has columns, fail so, too. A run that was killed is gone on with by the same call.

    Parameters
    ----------
    server
        What answers.
    source, output
        The files: ``.csv``, ``.parquet`` or ``.jsonl``.
    options
        How rows go through the graph.
    asked
        What else decides the output: marks of the graph, and in dicts by their names of code and files; compared when
        an interrupted run is gone on with.
    opener
        Makes the server in a worker process; must be picklable.
    input_format, output_format
        ``"csv"``, ``"parquet"`` or ``"jsonl"``, where the files' names do not say it.
    overwrite
        Replace an output that is there.
    restart
        Forget what an interrupted run has done.
    max_errors
        Stop when more rows failed than these.
    progress
        Whether to show a progress bar; ``None`` on terminals only.

    Raises
    ------
    GraphError
        If a file cannot be read or written, or the graph cannot be bound.
    StepError
        If no row is to blame, such as for a path that the graph does not know, or if too many rows failed. What was
        answered is kept for the next call.
    """
    source, output = Path(source), Path(output)
    kinds = files.format_of(source, input_format), files.format_of(output, output_format)
    began = time.monotonic()
    stat = _stat(source, output, overwrite)
    meaning = {**options.meaning(), "input": [str(source.resolve()), *stat], "formats": list(kinds), **(asked or {})}
    server.init_object()
    with _told(output), Journal(output, meaning, restart) as journal:
        resumed = sum(done.rows for done in journal.done.values())
        work = _Work(journal.folder, kinds[1], options, server, opener)
        with bar(files.count_rows(source, kinds[0]), progress, resumed) as shown:
            _answer_all(work, journal, files.read_chunks(source, kinds[0], options.chunk), options, max_errors, shown)
        errors = _join(journal, output, kinds[1], options.column)
        rows = sum(done.rows for done in journal.done.values())
        failed = sum(done.failed for done in journal.done.values())
        journal.finish()
    seconds = time.monotonic() - began
    return Summary(output=output, errors=errors, rows=rows, failed=failed, resumed=resumed, seconds=seconds)


@contextlib.contextmanager
def _told(output: Path) -> Iterator[None]:
    """Say in our own words what keeps a run from going on; what was answered is kept in all cases."""
    try:
        yield
    except GraphkitError:
        raise  # some of ours are OSErrors too
    except OSError as exc:
        raise GraphError(
            f"{str(output)!r} cannot be written: {exc.strerror or exc}; what was answered is kept, and the same "
            f"call goes on"
        ) from exc
    except BrokenExecutor as exc:
        raise StepError(
            "a worker process has ended, perhaps for want of memory; what was answered is kept, the same call goes on"
        ) from exc


def errors_of(output: Path) -> Path:
    """Return the file of errors beside an output."""
    return output.with_name(f"{output.name}.errors.jsonl")


def _stat(source: Path, output: Path, overwrite: bool) -> list[int]:
    try:
        stat = source.stat()
    except OSError as exc:
        raise GraphError(f"{str(source)!r} cannot be read: {exc.strerror or exc}") from exc
    if output.exists() and source.samefile(output):
        raise GraphError(f"{str(source)!r} is both the input and the output")
    if output.exists() and not overwrite:
        raise GraphError(f"{str(output)!r} is there already; overwrite=True replaces it")
    return [stat.st_size, stat.st_mtime_ns]


def _answer_all(
    work: _Work, journal: Journal, chunks: Iterator[Chunk], options: Options, most: int | None, shown: Any
) -> None:
    with pool_of(options) as pool:
        todo = (chunk for chunk in chunks if not _is_done(journal, chunk))
        total = sum(done.failed for done in journal.done.values())
        for chunk, done in in_order(work.in_process if pool is not None else work.here, todo, options, pool):
            journal.note(done)
            shown.update(len(chunk))
            total += done.failed
            if most is not None and total > most:
                raise StepError(
                    f"{total} rows failed, more than the {most} that are allowed; the first: {_first_error(journal)}. "
                    f"What was answered is kept: the same call with another limit goes on"
                )


def _is_done(journal: Journal, chunk: Chunk) -> bool:
    done = journal.done.get(chunk.number)
    return done is not None and (done.start, done.rows) == (chunk.start, len(chunk))


def _first_error(journal: Journal) -> str:
    number = min(done.chunk for done in journal.done.values() if done.failed)
    return journal.part(number, FAILED).read_text(encoding="utf-8").splitlines()[0]


def _join(journal: Journal, output: Path, kind: str, column: str) -> Path | None:
    done = [journal.done[number] for number in sorted(journal.done)]
    errors = errors_of(output)
    failed = [journal.part(each.chunk, FAILED) for each in done if each.failed]
    if failed:
        files.join_errors(failed, errors, journal.folder)
    else:
        errors.unlink(missing_ok=True)
    parts = [(journal.part(each.chunk, PART) if each.columns else None, each.rows) for each in done]
    files.join_parts(parts, kind, output, column, journal.folder)
    return errors if failed else None


class _Work:
    """Answers one chunk and writes its files: in this process, or by itself in another one."""

    def __init__(
        self, folder: Path, kind: str, options: Options, server: Server, opener: Callable[[], Server] | None
    ) -> None:
        self._folder = folder
        self._kind = kind
        self._options = options
        self._server = server
        if options.executor == "process":
            self._pickled = pickled(opener)

    def here(self, chunk: Chunk) -> Done:
        """Answer a chunk in this process."""
        return write_chunk(self._server, chunk, self._options, self._folder, self._kind)

    @property
    def in_process(self) -> Callable[[Chunk], Done]:
        """What a worker process is to do with a chunk."""
        return functools.partial(_in_process, self._pickled, self._options, self._folder, self._kind)


def write_chunk(server: Server, chunk: Chunk, options: Options, folder: Path, kind: str) -> Done:
    """Answer a chunk, and write its answers and its failures; return what the journal is to say of it."""
    scored = score(server, chunk, options)
    columns, failed = len(scored.table.columns), len(scored.failures)
    contents = {
        # of rows that all failed nobody knows the columns
        PART: files.as_bytes(kind, scored.table) if columns else None,
        FAILED: files.error_lines((each.row, each.error) for each in scored.failures) if failed else None,
    }
    check = 0
    for suffix, content in contents.items():
        if content is not None:
            check = zlib.crc32(content, check)
            files.put(part_path(folder, chunk.number, suffix), content)
    server.flush()  # all that the chunk gives rise to is done before the chunk is
    return Done(chunk.number, chunk.start, len(chunk), failed, columns, check)


def _in_process(opener: bytes, options: Options, folder: Path, kind: str, chunk: Chunk) -> Done:
    return write_chunk(opened(opener), chunk, options, folder, kind)
