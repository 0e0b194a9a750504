"""``graphkit test``: recorded cases are replayed."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from graphkit.cli import common
from graphkit.core.errors import CaseError

if TYPE_CHECKING:
    from graphkit.cases.case import Case
    from graphkit.cases.file import CaseFile
    from graphkit.server.graph_server import GraphServer

CASES = "cases.yaml"


@click.command(
    epilog="""\b
Cases are recorded in a notebook or program:
  server.test("tree/infer", {"inputs": [[5.1, 3.5, 1.4, 0.2]]})
  server.record("one flower")                       # into cases.yaml

\b
Examples
  graphkit test app/                                # app/cases.yaml
  graphkit test graph.py:graph --cases cases.yaml
  graphkit test notebook.ipynb --only "flower*" -x
  graphkit test                                     # cases.yaml here, which names its graph
  graphkit test cases.yaml

\b
Exit status: 0 every case passed, 1 a case failed, 2 no cases, or the graph cannot be opened."""
)
@common.optional_target
@click.option(
    "-c", "--cases", "files", multiple=True, type=click.Path(dir_okay=False, path_type=Path),
    help="A file of cases; may be given several times. Left out, cases.yaml beside the graph, or here.",
)  # fmt: skip
@click.option("-k", "--only", metavar="PATTERN", help='Only cases whose name is like this: "flower*".')
@click.option("-x", "--first-failure", is_flag=True, help="Stop at the first case that fails.")
@click.option("-q", "--quiet", is_flag=True, help="Tell only what failed.")
@common.module
def command(
    target: str | None, files: tuple[Path, ...], only: str | None, first_failure: bool, quiet: bool, module: str | None
) -> None:
    """Replay recorded cases on a graph and compare the answers.

    TARGET is a folder, a saved graph, module:attribute or a notebook (see graphkit --help). It may be left out where
    the file of cases names its graph.
    """
    server, paths = None, list(files)
    if target is not None and not files and _is_cases(target):
        paths = [Path(target)]
    elif target is not None:
        opened = common.opened(target, module)
        server = opened.server
        paths = paths or [opened.cases or Path(CASES)]
    found = [(path, _read(path)) for path in paths or [Path(CASES)]]
    passed = failed = 0
    for path, file in found:
        cases = [case for case in file if only is None or fnmatch.fnmatchcase(case.name, only)]
        if not cases:
            continue
        asked = server if server is not None else _graph_of(path, file)
        for good in _replay(asked, cases, quiet):
            passed, failed = passed + good, failed + (not good)
            if failed and first_failure:
                break
        asked.wait_for_completion()
        if failed and first_failure:
            break
    if not passed + failed:
        which = f"like {only!r} " if only is not None else ""
        raise common.Unusable(f"no cases {which}in {', '.join(str(path) for path, _ in found)}: record some first")
    colour = "red" if failed else "green"
    click.secho(f"{passed} passed" + (f", {failed} failed" if failed else ""), fg=colour, bold=True)
    if failed:
        raise common.Failed


def _replay(server: GraphServer, cases: Iterable[Case], quiet: bool) -> Iterable[bool]:
    from graphkit.cases.check import check_case

    for case in cases:
        result = check_case(server, case)
        if not result.passed:
            click.secho("FAILED ", fg="red", nl=False)
            click.echo(result.text())
        elif not quiet:
            click.secho("passed ", fg="green", nl=False)
            click.echo(case.name)
        yield result.passed


def _is_cases(name: str) -> bool:
    from graphkit.cases.found import is_named_like_cases

    path = Path(name)
    return path.is_file() and is_named_like_cases(path)


def _read(path: Path) -> CaseFile:
    from graphkit.cases.file import CaseFile

    try:
        return CaseFile.load(path)
    except CaseError as exc:
        raise common.Unusable(exc.message) from exc


def _graph_of(path: Path, file: CaseFile) -> GraphServer:
    if file.graph is None:
        raise common.Unusable(f"{str(path)!r} does not name its graph (graph: ...), so TARGET must")
    return common.opened(file.graph, file.module, path.resolve().parent).server
