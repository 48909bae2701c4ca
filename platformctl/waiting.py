"""Wait for an operation, show the progress of its steps on stderr, and exit with its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from client import Platform
from client.models import Operation
from client.waiting import LONG_POLL_SECONDS
from platformctl.failures import CommandFailure, ExitCode
from platformctl.output import Column, say
from platformctl.text import between, cell, columns, plain

#: seconds that one request asks the API to wait while a person watches
WATCHED_SECONDS = 2.0
RUNNING, SUCCEEDED = "running", "succeeded"
#: reason of a step that a dry run left out
NOT_CHECKED = "not_checked"

#: columns of a step; empty ones are omitted
STEPS = (
    Column("step", "name"),
    Column("status", "status"),
    Column("attempts", "attempts"),
    Column("next", lambda step: None if step["status"] == RUNNING else step.get("nextAttemptAt")),
    Column("took", lambda step: between(step.get("startedAt"), step.get("finishedAt"))),
    Column("reason", "reason"),
)


def wait_for(platform: Platform, operation_id: str, seconds: float) -> Operation:
    """Return the operation when it has ended, or its state after `seconds`."""
    with progress() as (show, is_watched):
        try:
            long_poll = WATCHED_SECONDS if is_watched else LONG_POLL_SECONDS
            return platform.operations.wait(operation_id, seconds, show, long_poll)
        except KeyboardInterrupt:
            note = f"watch it again with: platformctl operations watch {operation_id}"
            message = "No longer waiting; the operation continues."
            raise CommandFailure(message, note, exit_code=ExitCode.INTERRUPTED) from None


def end_with(operation: Operation) -> NoReturn:
    """Exit with the code for the operation's result."""
    status = operation["status"]
    if status == RUNNING:
        say(f"Still running; continue to wait with: platformctl operations watch {operation['id']}")
        click.get_current_context().exit(ExitCode.STILL_RUNNING)
    if status != SUCCEEDED:
        ending = {"cancelled": "been cancelled"}.get(status, status)
        say(f"The {operation['action']} of {operation['tenant']} has {ending}.")
    elif operation.get("mode") == "plan":
        _say_dry_run(operation)
    click.get_current_context().exit(ExitCode.OK if status == SUCCEEDED else ExitCode.OPERATION_FAILED)


def _say_dry_run(operation: Operation) -> None:
    """Say that nothing would change, and which steps the dry run did not look at."""
    not_checked = [step["name"] for step in operation["steps"] if step.get("reason") == NOT_CHECKED]
    if not_checked:
        say(f"Not looked at: {', '.join(not_checked)}.")
    if not any(step.get("changes") for step in operation["steps"]):
        say("Nothing would change in the others." if not_checked else "Nothing would change.")


def operation_lines(operation: Operation) -> list[str]:
    """Describe the operation in one line, its steps in a table, and below their messages and remedies."""
    mode = " (dry run)" if operation.get("mode") == "plan" else ""
    head = f"{operation['action']}{mode} of {operation['tenant']}: {operation['status']}  [{operation['id']}]"
    return [click.style(plain(head), bold=True), *step_table(operation["steps"]), *_sentences(operation["steps"])]


def step_table(steps: list[Any]) -> list[str]:
    """Format the steps as a table without empty columns."""
    used = [column for column in STEPS if any(column.value(step) not in (None, "") for step in steps)]
    rows = [[cell(column.field, column.value(step)) for column in used] for step in steps]
    return columns([column.heading for column in used], [column.field for column in used], rows)


def _sentences(steps: list[Any]) -> Iterator[str]:
    for step in steps:
        for text in (step.get("message"), step.get("remedy"), *(step.get("changes") or ())):
            if text:
                yield f"  {step['name']}: {plain(text)}"


@contextmanager
def progress() -> Iterator[tuple[Callable[[Operation], None], bool]]:
    """Show the progress of operations: redrawn in place on a terminal, elsewhere one line per change of a step."""
    screen = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if not screen.is_terminal:
        yield _Lines().show, False
        return
    with Live(console=screen, transient=True, auto_refresh=False) as live:
        yield lambda found: live.update(Text.from_ansi("\n".join(operation_lines(found))), refresh=True), True


class _Lines:
    def __init__(self) -> None:
        self._printed: dict[str, tuple[Any, ...]] = {}

    def show(self, operation: Operation) -> None:
        for step in operation["steps"]:
            name = f"{operation['tenant']}, {step['name']}"
            news = (step["status"], step["attempts"], step.get("message"))
            if self._printed.get(name) != news:
                self._printed[name] = news
                attempts = f"{step['attempts']} attempt{'' if step['attempts'] == 1 else 's'}"
                say(f"{name}: {step['status']} after {attempts}  {step.get('message', '')}".rstrip())
