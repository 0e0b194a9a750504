"""``graphkit plot``: a graph as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from graphkit.cli import common


@click.command(
    epilog="""\b
Examples
  graphkit plot app/ -o graph.svg
  graphkit plot notebook.ipynb -o graph.png -a rankdir=LR
  graphkit plot graph.yaml -o graph.mermaid       # text, for Markdown

\b
Exit status: 0, 1 if the graph's structure is wrong, 2 if it cannot be opened."""
)
@common.target
@common.module
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default="graph.svg", show_default=True,
    help="File to write; its ending says what: svg, png, jpg, pdf, dot, mermaid.",
)  # fmt: skip
@click.option("-a", "--attribute", "attributes", multiple=True, metavar="NAME=VALUE", help="Graphviz attribute.")
def command(target: str, module: str | None, output: Path, attributes: tuple[str, ...]) -> None:
    """Draw a graph into a file.

    TARGET is a folder, a saved graph, module:attribute or a notebook (see graphkit --help). No code of the graph is
    called, and no Graphviz has to be installed.
    """
    given = {}
    for attribute in attributes:
        name, equals, value = attribute.partition("=")
        if not equals:
            raise click.BadParameter(f"{attribute!r} is not NAME=VALUE", param_hint="--attribute")
        given[name] = value
    server = common.opened(target, module).server
    server.plot(str(output), **given)
    click.echo(f"{output} is written")
