"""Commands and groups that accept the settings before or after a command's name and map failures to exit codes."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import click

from client import PlatformError
from platformctl.failures import CommandFailure, ExitCode, failure_of
from platformctl.settings import setting_options


class Command(click.Command):
    """A command that also accepts the settings, so that `--output json` may be at the end of the line."""

    hides_connection = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params = [*self.params, *setting_options(repeated=True, hidden=self.hides_connection)]


class ConnectionCommand(Command):
    """A command that takes the platform's settings as its input, so that its help shows them."""

    hides_connection = False


class Group(click.Group):
    """A noun, with its verbs as commands."""

    command_class = Command


class Root(click.Group):
    """The program itself."""

    command_class = Command
    group_class = Group

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params = [*setting_options(repeated=False, hidden=False), *self.params]

    def main(self, *args: Any, **options: Any) -> Any:
        _print_in_any_encoding()
        if _wants_no_colour():
            options["color"] = False
        return super().main(*args, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for text in args:
            if any("\ud800" <= char <= "\udfff" for char in text):
                raise click.UsageError(f"{text!a} is not text in the terminal's encoding.", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PlatformError as error:
            raise failure_of(error) from None
        except KeyError as missing:
            # commands rely on the required fields of the API's description
            message = f"The response lacks the field {missing}."
            advice = "check that the URL is the API's, and that this program is not newer than the API"
            raise CommandFailure(message, advice, exit_code=ExitCode.UNREACHABLE) from None
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(ExitCode.INTERRUPTED)
        except BrokenPipeError:
            # discard the buffered output, or Python would report an error at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(ExitCode.PIPE_CLOSED)


def _wants_no_colour() -> bool:
    """Return whether NO_COLOR is set (no-color.org), or the terminal cannot show styles."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def _print_in_any_encoding() -> None:
    """Escape characters that a stream's encoding lacks, such as in cp1252, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
