"""``graphkit validate``: what is wrong with a graph, as far as that can be known without events."""

from __future__ import annotations

from typing import Any

import click

from graphkit.cli import common
from graphkit.core.errors import GraphError


@click.command(
    epilog="""\b
Examples
  graphkit validate app/
  graphkit validate graph.yaml --module steps.py
  graphkit validate graph.yaml --structure        # without its code

\b
Exit status: 0 the graph is right, 1 it is not (every problem is listed), 2 it cannot be opened."""
)
@common.target
@common.module
@click.option("--structure", is_flag=True, help="Look at the structure only: no code is looked up, no model loaded.")
def command(target: str, module: str | None, structure: bool) -> None:
    """Check a graph: its structure, the names it uses, its classes' arguments, and whether its models load.

    TARGET is a folder, a saved graph, module:attribute or a notebook (see graphkit --help).
    """
    server = common.opened(target, module).server
    problems = problems_of(server, structure)
    for problem in problems:
        click.secho(problem, fg="red", err=True)
    if problems:
        count = len(problems)
        click.secho(f"{count} problem{'' if count == 1 else 's'}", fg="red", bold=True, err=True)
        raise common.Failed
    click.secho(f"{target} is right", fg="green")


def problems_of(server: Any, structure: bool = False) -> list[str]:
    """Return everything that is wrong with a server's graph, one sentence each."""
    try:
        if server.graph is None or not server.graph.get_children():
            return ["the graph has no steps"]
        server.graph._check()
        if structure:
            return []
        server.init_object()
    except GraphError as exc:
        return list(exc.problems)
    found = []
    for path, step in server._bound.steps.items():
        error = getattr(step.object, "error", None)
        if isinstance(error, Exception) and getattr(step.object, "ready", None) is False:
            found.append(f"step {path!r}: its model could not be loaded: {type(error).__name__}: {error}")
    return found
