"""How a command ends when it does not end well: one exception for each exit code, told as a sentence on stderr."""

from __future__ import annotations

from enum import IntEnum
from typing import IO, Any

import click


class ExitCode(IntEnum):
    """What scripts may rely on. 2 is click's own for a wrong command line; 130 and 141 are the shell's for Ctrl-C and a
    pipe that nobody reads."""

    OK = 0
    OPERATION_FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    NOT_SIGNED_IN = 5
    STILL_RUNNING = 6
    INTERRUPTED = 130
    NOT_READ = 141


class CommandFailure(click.ClickException):
    """Ends the command with `exit_code`. `notes` are printed below the message, indented."""

    exit_code = ExitCode.REFUSED

    def __init__(self, message: str, *notes: str) -> None:
        super().__init__(message)
        self.notes = notes

    def show(self, file: IO[Any] | None = None) -> None:
        lines = [f"Error: {self.message}", *(f"  {note}" for note in self.notes)]
        for line in lines:
            click.echo(printable(line), file=file, err=file is None)


class Refused(CommandFailure):
    """The API understood the request and said no."""

    exit_code = ExitCode.REFUSED


class Unreachable(CommandFailure):
    """No answer, or one that says the other side is in trouble."""

    exit_code = ExitCode.UNREACHABLE


class NotSignedIn(CommandFailure):
    """There is no token, or it is no longer good."""

    exit_code = ExitCode.NOT_SIGNED_IN


def printable(text: str) -> str:
    """Text from elsewhere, without anything a terminal would obey."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
