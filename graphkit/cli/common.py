"""What the subcommands share: how a target is named and opened, and how failures end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


def in_flags(text: str, flags: Mapping[str, str]) -> str:
    """Return a message with a command's flags in the place of the keywords that Python's callers would give.

    >>> in_flags("out.csv is there already; overwrite=True replaces it", {"overwrite=True": "--overwrite"})
    'out.csv is there already; --overwrite replaces it'
    """
    for keyword, flag in flags.items():
        text = text.replace(keyword, flag)
    return text


@contextmanager
def telling(flags: Mapping[str, str]) -> Iterator[None]:
    """End a command with the message of an error of ours, which names the command's flags."""
    try:
        yield
    except GraphkitError as exc:
        raise click.ClickException(in_flags(exc.message, flags)) from exc


def interrupted(text: str) -> None:
    """End after Ctrl-C, as shells expect it."""
    click.echo(f"\n{text}", err=True)
    sys.exit(130)
