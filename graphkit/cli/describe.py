"""``graphkit describe``: a graph in words."""

from __future__ import annotations

import json
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
The settings are those of "graphkit serve" without flags: of settings.yaml and the environment (GRAPHKIT_PORT=80), where
an empty variable counts as not set.

\b
Exit status: 0, or 2 if the graph cannot be opened."""
)
@common.target
@common.module
@click.option("--json", "form", flag_value="json", help="Everything as JSON, for programs.")
@click.option("--yaml", "form", flag_value="yaml", help="The saved form of graph and server.")
def command(target: str, module: str | None, form: str | None) -> None:
    """Tell in words what a graph is: its steps and paths, its parameters, its recorded cases.

    TARGET is a folder, a saved graph, module:attribute or a notebook (see graphkit --help). No step is made, and no
    model loaded.
    """
    opened = common.opened(target, module)
    if form == "yaml":
        click.echo(opened.server.to_yaml(), nl=False)
    elif form == "json":
        click.echo(json.dumps(as_data(opened), indent=2, default=str, ensure_ascii=False))
    else:
        click.echo("\n".join(as_lines(opened)))


def as_data(opened: Any) -> dict[str, Any]:
    """Return everything that is known of a target as plain data."""
    settings = _settings(opened).masked()
    return {"target": opened.name, **opened.server.to_dict(), "cases": _cases(opened), "settings": settings}


def as_lines(opened: Any) -> list[str]:
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
        "settings": _settings(opened).told(),
    }
    lines += [f"{name}: {value}" for name, value in facts.items() if value and value != "sync"]
    return lines


def _secret(source: dict[str, Any]) -> str:
    value = source.get("source")
    shown = ", ".join(value) if isinstance(value, (list, tuple)) else value
    return f"{source.get('kind')} ({shown})" if shown else str(source.get("kind"))


def _settings(opened: Any) -> Any:
    """Return what ``graphkit serve`` would run the graph with, flags aside."""
    from graphkit.server.settings import FILE, read_settings

    file = None if opened.folder is None else opened.folder / FILE
    return read_settings(file if file is not None and file.exists() else None)


def _cases(opened: Any) -> list[str]:
    if opened.cases is None:
        return []
    from graphkit.cases.file import CaseFile

    return [case.name for case in CaseFile.load(opened.cases)]
