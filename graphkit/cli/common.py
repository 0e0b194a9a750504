"""What the subcommands share: how a target is named and opened, and how failures end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphkit.core.errors import GraphkitError

if TYPE_CHECKING:
    from graphkit.server.target import Target


class Unusable(click.ClickException):
    """What the user named cannot be used."""

    exit_code = 2


class Failed(click.exceptions.Exit):
    """What was checked or run has failed; it was said how."""

    def __init__(self) -> None:
        super().__init__(1)


def _files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Let the shell complete a target with the names of files and folders."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


target = click.argument("target", shell_complete=_files)
optional_target = click.argument("target", shell_complete=_files, required=False)
module = click.option(
    "-m", "--module", metavar="MODULE", help="Where a saved graph finds its code: a module or a Python file."
)

settings = click.option(
    "--settings", "file", type=click.Path(dir_okay=False, path_type=Path), help="File of settings (YAML)."
)


def opened(name: str, module: str | None = None, base: Path | None = None) -> Target:
    """Open what the user named; raises Unusable."""
    from graphkit.server.target import open_target

    try:
        return open_target(name, module, base=base)
    except GraphkitError as exc:
        raise Unusable(exc.message) from exc


def listed(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Return the names in a text such as ``a,b``."""
    return None if value is None else tuple(name.strip() for name in value.split(",") if name.strip())


def interrupted(text: str) -> None:
    """End after Ctrl-C, as shells expect it."""
    click.echo(f"\n{text}", err=True)
    sys.exit(130)
