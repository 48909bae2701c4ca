"""`platformctl completion`: what makes a shell complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "platformctl"
VARIABLE = "_PLATFORMCTL_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      source <(platformctl completion bash)
      platformctl completion fish > ~/.config/fish/completions/platformctl.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} is not supported.")
    click.echo(kind(context.find_root().command, {}, PROGRAM, VARIABLE).source())
