"""``graphkit describe``: a graph in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from graphkit.cli import common


@click.command(
    epilog="""\b
Examples
  graphkit describe app/
  graphkit describe notebook.ipynb:graph
  graphkit describe graph.yaml --json | jq .graph.steps
  graphkit describe app/ --yaml > graph.yaml      # the graph as it would be saved

\b
The settings are those of "graphkit serve" without flags: of the settings.yaml beside the graph (or the file of
--settings) and the environment (GRAPHKIT_PORT=80), where an empty variable counts as not set.

\b
Exit status: 0, 1 if a setting is wrong, 2 if the graph cannot be opened."""
)
@common.target
@common.module
@common.settings
@click.option("--json", "form", flag_value="json", help="Everything as JSON, for programs.")
@click.option("--yaml", "form", flag_value="yaml", help="The saved form of graph and server.")
def command(target: str, module: str | None, file: Path | None, form: str | None) -> None:
    """Tell in words what a graph is: its steps and paths, its parameters, its recorded cases.

    TARGET is a folder, a saved graph, module:attribute or a notebook (see graphkit --help). No step is made, and no
    model loaded.
    """
    from graphkit.server.settings import file_beside, read_settings

    opened = common.opened(target, module)
    if form == "yaml":
        click.echo(opened.server.to_yaml(), nl=False)
        return
    settings = read_settings(file or file_beside(target))
    if form == "json":
        click.echo(json.dumps(as_data(opened, settings), indent=2, default=str, ensure_ascii=False))
    else:
        click.echo("\n".join(as_lines(opened, settings)))


def as_data(opened: Any, settings: Any) -> dict[str, Any]:
    """Return everything that is known of a target as plain data."""
    return {"target": opened.name, **opened.server.to_dict(), "cases": _cases(opened), "settings": settings.masked()}


def as_lines(opened: Any, settings: Any) -> list[str]:
    """Return what is known of a target, line by line."""
    from graphkit.build.picture import topology_of
    from graphkit.view.outline import outline

    server = opened.server
    root = server.graph
    lines = [outline(topology_of(root))]
    functions = root.list_child_functions() if hasattr(root, "list_child_functions") else []
    facts = {
        "child functions": ", ".join(functions),
        "parameters": ", ".join(f"{key}={value!r}" for key, value in server.parameters.items()),
        "load mode": server.load_mode,
        "error stream": server.error_stream,
        "secrets": ", ".join(_secret(source) for source in server.secret_sources),
        "cases": ", ".join(_cases(opened)),
        "settings": settings.told(),
    }
    lines += [f"{name}: {value}" for name, value in facts.items() if value and value != "sync"]
    return lines


def _secret(source: dict[str, Any]) -> str:
    value = source.get("source")
    shown = ", ".join(value) if isinstance(value, (list, tuple)) else value
    return f"{source.get('kind')} ({shown})" if shown else str(source.get("kind"))


def _cases(opened: Any) -> list[str]:
    if opened.cases is None:
        return []
    from graphkit.cases.file import CaseFile

    return [case.name for case in CaseFile.load(opened.cases)]
