"""``graphkit export``: a notebook or a module as a folder that runs anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from graphkit.cli import common
from graphkit.core.errors import ExportError, GraphkitError

# What messages tell Python's callers to give, and what does the same here.
_FLAGS: Mapping[str, str] = {
    "export(..., allow_pickle=True)": "--allow-pickle",
    "allow_pickle=True": "--allow-pickle",
    "overwrite=True": "--overwrite",
    "cases=()": "--no-cases",
    "verify=False": "--no-verify",
}


@click.command(
    epilog="""\b
Examples
  graphkit export notebook.ipynb app/
  graphkit export notebook.ipynb:server app/       # of several graphs
  graphkit export train.py:graph app/ --allow-pickle
  graphkit export notebook.ipynb app/ -c cases.yaml
  graphkit test app/ && graphkit serve app/

\b
Exit status: 0 the app stands, 1 something cannot be exported, or a fresh process answers otherwise (everything is
listed, and nothing was written), 2 the target cannot be opened."""
)
@common.target
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@common.module
@click.option("--reference", is_flag=True, help="Leave model files where they are, rather than copy them into the app.")
@click.option(
    "--allow-pickle", is_flag=True,
    help="Let the very model files load that may run code (pickle, joblib): their hashes go into settings.yaml.",
)  # fmt: skip
@click.option(
    "-c", "--cases", "files", multiple=True, type=click.Path(dir_okay=False, path_type=Path),
    help="A file of cases that goes along; may be given several times. Left out, those beside the graph, or here.",
)  # fmt: skip
@click.option("--no-cases", is_flag=True, help="Leave out what stands in files of cases.")
@click.option("--overwrite", is_flag=True, help="Replace an app that was exported before and not changed since.")
@click.option("--no-verify", is_flag=True, help="Do not try the app in a fresh process.")
def command(
    target: str,
    folder: Path,
    module: str | None,
    reference: bool,
    allow_pickle: bool,
    files: tuple[Path, ...],
    no_cases: bool,
    overwrite: bool,
    no_verify: bool,
) -> None:
    """Write a graph as a folder that runs anywhere: spec, code, pinned requirements, recorded cases.

    TARGET is a notebook, module:attribute, a Python file or a saved graph (see graphkit --help). The cells of a
    notebook are run, but for those tagged "skip"; requests that it tests become the app's recorded cases, with those
    of cases.yaml and *.cases.yaml that name the graph, or stand beside it and name none. FOLDER is where the app comes
    to stand once a fresh process has answered all of them as the notebook did.
    """
    from graphkit.server.export_graph import export_target

    if files and no_cases:
        raise click.UsageError("--cases names files whose cases go along, --no-cases leaves all of them out")
    try:
        done = export_target(
            target,
            folder,
            module=module,
            artifacts="reference" if reference else "copy",
            allow_pickle=allow_pickle,
            cases=() if no_cases else ([file.absolute() for file in files] or None),
            overwrite=overwrite,
            verify=not no_verify,
        )
    except ExportError as exc:
        for problem in exc.problems:
            click.secho(common.in_flags(problem, _FLAGS), fg="red", err=True)
        click.secho(f"{target} is not exported: nothing was written", fg="red", bold=True, err=True)
        raise common.Failed from exc
    except GraphkitError as exc:
        raise common.Unusable(common.in_flags(exc.message, _FLAGS)) from exc
    click.echo(str(done))
