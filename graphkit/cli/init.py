"""``graphkit init``: a project that works at once."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from graphkit.cli import common

#: The starter's files: what they are called in a project, and here, where no tool is to take them for code or cases.
_FILES = {
    "graph.py": "graph.txt",
    "model.py": "model.txt",
    "flowers.json": "flowers.json",
    "cases.yaml": "cases.txt",
    "rows.csv": "rows.csv",
    "README.md": "README.md",
}


@click.command(
    epilog="""\b
Examples
  graphkit init demo
  cd demo && graphkit test . && graphkit plot .
  graphkit run . -i rows.csv -o scored.csv --columns sepal_length,sepal_width,petal_length,petal_width --keep name

\b
Exit status: 0, or 2 if there is something of that name already."""
)
@click.argument("folder", metavar="NAME", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Start a project in a new folder: a graph with a model, recorded cases, rows to score, a README."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise common.Unusable(f"there is a {str(folder)!r} already, and it is not empty")
    write_starter(folder)
    click.echo(f"{folder} is ready:")
    for line in (f"graphkit test {folder}", f"graphkit describe {folder}", f"graphkit plot {folder} -o graph.svg"):
        click.echo(f"  {line}")


def write_starter(folder: Path) -> None:
    """Write the project's files."""
    source = files("graphkit.cli") / "starter"
    folder.mkdir(parents=True, exist_ok=True)
    for name, template in _FILES.items():
        text = (source / template).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("{{name}}", folder.resolve().name), encoding="utf-8")
