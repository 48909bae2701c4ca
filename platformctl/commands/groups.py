"""How commands are made: settings stand before or after a command's name; Ctrl-C and a closed pipe are no failures."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from platformctl.failures import ExitCode
from platformctl.settings import setting_options


class Command(click.Command):
    """Takes the settings too, so that `--output json` may stand at the end of the line."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params = [*self.params, *setting_options(hidden=True)]


class Group(click.Group):
    """A noun, with its verbs as commands."""

    command_class = Command


class Root(click.Group):
    """The program itself."""

    command_class = Command
    group_class = Group

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params = [*setting_options(hidden=False), *self.params]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(ExitCode.INTERRUPTED)
        except BrokenPipeError:
            # what is left in the buffer goes nowhere, or Python would complain of it at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(ExitCode.NOT_READ)
