"""``graphkit run``: the rows of a file go through a graph."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from graphkit.cli import common
from graphkit.core.errors import choices

_SHAPES = ("inputs", "frame", "records", "row")
_FORMATS = click.Choice(["csv", "parquet", "jsonl"])
_FILE = click.Path(dir_okay=False, path_type=Path)
# What messages tell Python's callers to give, and what does the same here.
_FLAGS: Mapping[str, str] = {
    "overwrite=True": "--overwrite",
    "restart=True": "--restart",
    "shape='row'": "--as row",
}


@click.command(
    epilog="""\b
Examples
  graphkit run app/ -i rows.parquet -o scored.parquet
  graphkit run app/ -i rows.csv -o out.csv --path tree/infer --columns a,b,c --keep id
  graphkit run graph.py -i texts.jsonl -o out.jsonl --as row --workers 4
  graphkit run app/ -i rows.parquet -o out.parquet --workers 4 --processes

\b
Rows become events (--as):
  inputs    one event per chunk, {"inputs": [[...], ...]}; for models, and the default for graphs with a router
  frame     one event per chunk, a pandas DataFrame; the default for other graphs
  records   one event per chunk, a list of dicts
  row       one event per row, a dict

\b
The output has one row for each row of the input, in the same order. Rows that fail are empty in it, and stand in
OUTPUT.errors.jsonl with their position (from 0 on) and error. So do lines that are no JSON, and lines of CSV with more
fields than there are columns; with fewer, the last columns are empty. If the command is killed, the same command goes
on where it was: no row is lost, and none is there twice. Where the graph, its code or a model file has changed since,
it says what, and --restart begins anew.

\b
Exit status: 0 every row has an answer, 1 some have not or the run has failed, 2 the command was not understood."""
)
@common.target
@click.option("-i", "--input", "source", required=True, type=_FILE, help="File to read: .csv, .parquet or .jsonl.")
@click.option("-o", "--output", required=True, type=_FILE, help="File to write: .csv, .parquet or .jsonl.")
@click.option("-p", "--path", default="/", show_default=True, help="Path of the events, such as tree/infer.")
@click.option("--as", "shape", type=click.Choice(_SHAPES), help="How rows become events.")
@click.option("--columns", metavar="A,B", callback=common.listed, help="Columns for the events; all if left out.")
@click.option("--keep", metavar="A,B", callback=common.listed, help="Columns that the output has too.")
@click.option("--column", default="prediction", show_default=True, help="Name of the output's column.")
@click.option("--any-rows", is_flag=True, help="The graph filters or adds rows: answers need not fit the rows.")
@click.option("--chunk", default=10_000, show_default=True, type=click.IntRange(1), help="Rows per chunk.")
@click.option("-w", "--workers", default=1, show_default=True, type=click.IntRange(1), help="Chunks side by side.")
@click.option("--processes", is_flag=True, help="Workers are processes, each with the graph; else threads.")
@click.option("--overwrite", is_flag=True, help="Replace an output that is there.")
@click.option("--restart", is_flag=True, help="Forget what an interrupted run has done.")
@click.option("--max-errors", type=click.IntRange(0), help="Stop when more rows failed than these.")
@click.option("--input-format", type=_FORMATS, help="If the input's name does not say it.")
@click.option("--output-format", type=_FORMATS, help="If the output's name does not say it.")
@click.option("--progress/--no-progress", default=None, help="Show a progress bar; by default on terminals.")
@common.module
def command(target: str, source: Path, output: Path, module: str | None, processes: bool, **options: Any) -> None:
    """Send the rows of a file through a graph, and write the answers to a file.

    TARGET is a folder, a saved graph, module:attribute or a notebook (see graphkit --help). Memory stays bounded
    however large the files are.
    """
    server = common.opened(target, module).server
    more: dict[str, Any] = {}
    if processes:
        more = {"executor": "process", "opener": functools.partial(open_server, target, module, str(Path.cwd()))}
    if options["keep"] is None:
        options["keep"] = ()
    try:
        with common.telling(_FLAGS):
            summary = server.run_file(source, output, **options, **more)
    except KeyboardInterrupt:
        common.interrupted("stopped; the same command goes on where it was")
    server.wait_for_completion()
    click.echo(repr(summary))
    if summary.failed:
        if summary.failed == summary.rows and options["columns"] is None:
            hint = _hint_of_columns(server, source, options["shape"], options["input_format"])
            click.echo(hint, err=True, nl=bool(hint))
        raise common.Failed


def _hint_of_columns(server: Any, source: Path, shape: str | None, given: str | None) -> str:
    """Return what to try when models refuse every row of a file, in which there is text."""
    from graphkit.batch.files import format_of, read_chunks
    from graphkit.batch.options import usual_shape

    if (shape or usual_shape(server.graph)) != "inputs":
        return ""
    chunk = next(iter(read_chunks(source, format_of(source, given), 100)), None)
    if chunk is None:
        return ""
    rows = [row for row in chunk.values(0, len(chunk), None) if isinstance(row, Mapping)]
    columns = {str(name): any(isinstance(row.get(name), str) for row in rows) for row in rows[:1] for name in row}
    texts = [name for name, is_text in columns.items() if is_text]
    others = [name for name, is_text in columns.items() if not is_text]
    if not texts or not others:
        return ""
    return (
        f"every row failed, and {choices(texts)} {'holds' if len(texts) == 1 else 'hold'} text: name the columns that "
        f"the model takes, such as --columns {shlex.quote(','.join(others))}"
    )


def open_server(target: str, module: str | None, base: str) -> Any:
    """Open a graph in a worker process."""
    from graphkit.server.target import open_target

    return open_target(target, module, base=base).server
