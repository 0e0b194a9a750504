"""``graphkit completion``: a shell learns the commands and options."""

from __future__ import annotations

import click

_VARIABLE = "_GRAPHKIT_COMPLETE"


@click.command(
    epilog="""\b
Examples
  bash:  graphkit completion bash > ~/.local/share/bash-completion/completions/graphkit
  zsh:   graphkit completion zsh > "${fpath[1]}/_graphkit"
  fish:  graphkit completion fish > ~/.config/fish/completions/graphkit.fish

\b
or, for one session of bash or zsh:
  source <(graphkit completion bash)"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script by which a shell completes graphkit's commands, options and files."""
    from click.shell_completion import get_completion_class

    group = ctx.find_root().command
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(group, {}, "graphkit", _VARIABLE).source())
