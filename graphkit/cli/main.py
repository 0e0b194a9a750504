"""The command ``graphkit``. It knows its subcommands by name only, so that ``graphkit --help`` is quick."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import click

from graphkit.core.errors import GraphkitError, nearest

#: The subcommands, in the order in which they are listed; each is ``graphkit/cli/<name>.py`` with its ``command``.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "init": "Start a project that works at once.",
        "test": "Replay recorded cases and compare the answers.",
        "validate": "Check a graph: structure, names, models.",
        "describe": "Tell in words what a graph is.",
        "plot": "Draw a graph into a file.",
        "export": "Write a notebook's graph as a folder that runs anywhere.",
        "serve": "Serve a graph over HTTP.",
        "run": "Send the rows of a file through a graph.",
        "completion": "Print the completion script of a shell.",
    }
)

TARGETS = """\b
TARGET is one of
  app/                    a folder: exported, or with a graph.py
  graph.yaml              a saved graph; --module names its code
  package.module:graph    a graph, a server, or a function that makes one
  graph.py:graph          the same in a file
  notebook.ipynb          a notebook; its cells are run, but for those tagged "skip"
Where a module or a notebook has one graph only, ":graph" may be left out."""

_EPILOG = (
    TARGETS
    + """

\b
Exit status
  0  all is well
  1  what was checked or run has failed: a case differs, a graph is not valid, a row has no answer
  2  the command was not understood: a wrong option, or nothing of that name

\b
Begin with
  graphkit init demo && graphkit test demo && graphkit describe demo"""
)


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"graphkit.cli.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find a command; name the nearest one if there is none of that name."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            ctx.fail(f"there is no command {args[0]!r}{nearest(args[0], COMMANDS)}; there is {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Call a command; an error of ours is a message, not a traceback."""
        try:
            return super().invoke(ctx)
        except GraphkitError as exc:
            raise click.ClickException(exc.message) from exc


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"graphkit {importlib.import_module('graphkit').__version__}")
        ctx.exit()


@click.group(cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Print the version."
)
def main() -> None:
    """Build, check and run step graphs without a notebook."""
