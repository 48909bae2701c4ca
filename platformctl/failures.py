"""Failures of commands: exit codes, and sentences on stderr."""

from __future__ import annotations

from enum import IntEnum
from typing import IO, Any

import click

from client import ApiError, NotSignedIn, PlatformError, Unreachable, UntrustedCertificate
from client.errors import UNEXPLAINED


class ExitCode(IntEnum):
    """Exit codes that scripts may rely on.

    click uses 2 for a wrong command line; 130 and 141 are the shell's codes for Ctrl-C and a closed pipe.
    """

    OK = 0
    OPERATION_FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    NOT_SIGNED_IN = 5
    STILL_RUNNING = 6
    INTERRUPTED = 130
    PIPE_CLOSED = 141


class CommandFailure(click.ClickException):
    """End the command with `exit_code`. `notes` are printed below the message, indented."""

    def __init__(self, message: str, *notes: str, exit_code: ExitCode = ExitCode.REFUSED) -> None:
        super().__init__(message)
        self.notes = notes
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        for line in (f"Error: {self.message}", *(f"  {note}" for note in self.notes)):
            click.echo(printable(line), file=file, err=file is None)


def failure_of(error: PlatformError) -> CommandFailure:
    """Convert an exception of the client to a failure with advice."""
    return CommandFailure(error.message, *error.notes, *_advice(error), exit_code=exit_code_of(error))


def exit_code_of(error: PlatformError) -> ExitCode:
    if isinstance(error, NotSignedIn):
        return ExitCode.NOT_SIGNED_IN
    if isinstance(error, Unreachable) or (isinstance(error, ApiError) and error.status >= 500):
        return ExitCode.UNREACHABLE
    return ExitCode.REFUSED


def _advice(error: PlatformError) -> list[str]:
    notes = []
    if isinstance(error, UntrustedCertificate):
        notes.append("if a private authority signed it, name that authority's file with --ca-certs")
    if isinstance(error, Unreachable) and error.idempotency_key is not None:
        notes.append(f"to repeat it so that it happens once: --idempotency-key {error.idempotency_key}")
    if isinstance(error, NotSignedIn) and not any("platformctl login" in note for note in error.notes):
        notes.append("sign in with: platformctl login")
    if isinstance(error, ApiError):
        if error.code == UNEXPLAINED:
            notes.append("platformctl context list shows which URLs are in use; --api-url names another")
        notes.append(f"request id: {error.request_id or 'none'}")
    return notes


def printable(text: str) -> str:
    """Replace control characters, which a terminal would interpret; the text may come from anybody."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
