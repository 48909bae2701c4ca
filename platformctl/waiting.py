"""Waiting for an operation's end, and showing meanwhile on stderr how its steps come along."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, NoReturn

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from platformctl.api import Api
from platformctl.failures import CommandFailure, ExitCode, Unreachable
from platformctl.output import console, plain, say, table_of

#: how long the API is asked to hold one answer: short where a person watches
WATCHED_SECONDS, UNWATCHED_SECONDS = 2, 20
PAUSE = 1.0
RUNNING, SUCCEEDED = "running", "succeeded"

STEPS = (
    ("step", "name"),
    ("status", "status"),
    ("attempts", "attempts"),
    ("next attempt", "nextAttemptAt"),
    ("message", "message"),
    ("remedy", "remedy"),
)

Operation = Mapping[str, Any]


class Interrupted(CommandFailure):
    """Ctrl-C while waiting."""

    exit_code = ExitCode.INTERRUPTED


def wait_for(api: Api, operation_id: str, seconds: float) -> Operation:
    """The operation when it has ended, or as it stands when the time is up. Raises as `api.get` does."""
    give_up = time.monotonic() + seconds
    with ExitStack() as stack:
        progress = Progress(stack)
        try:
            return _followed(api, operation_id, give_up, progress)
        except KeyboardInterrupt:
            note = f"look again with: platformctl operations watch {operation_id}"
            raise Interrupted("No longer waiting; the operation goes on.", note) from None


def end_with(operation: Operation) -> NoReturn:
    """End the program with the exit code that says how the operation stands."""
    status = operation["status"]
    if status == RUNNING:
        say(f"Still running; go on waiting with: platformctl operations watch {operation['id']}")
        click.get_current_context().exit(ExitCode.STILL_RUNNING)
    if status != SUCCEEDED:
        say(f"The {operation['action']} of {operation['tenant']} has {_ending(status)}.")
    elif operation.get("mode") == "plan" and not any(map(_changes, operation["steps"])):
        say("Nothing would change.")
    click.get_current_context().exit(ExitCode.OK if status == SUCCEEDED else ExitCode.OPERATION_FAILED)


def operation_view(operation: Operation) -> Group:
    """The operation in one line, and its steps."""
    mode = " (plan only)" if operation.get("mode") == "plan" else ""
    head = f"{operation['action']}{mode} of {operation['tenant']}: {operation['status']}  [{operation['id']}]"
    changes = [Text(f"  {step['name']}: {plain(text)}") for step in operation["steps"] for text in _changes(step)]
    steps = [_without_lease(step) for step in operation["steps"]]
    return Group(Text(plain(head), style="bold"), table_of(steps, _filled(steps)), *changes)


class Progress:
    """Redrawn in place on a terminal; elsewhere a line whenever a step has come further."""

    def __init__(self, stack: ExitStack) -> None:
        screen = console(err=True)
        self.is_watched = screen.is_terminal
        self._live = (
            stack.enter_context(Live(console=screen, transient=True, auto_refresh=False)) if self.is_watched else None
        )
        self._told: dict[str, tuple[Any, ...]] = {}

    def show(self, operation: Operation) -> None:
        if self._live is not None:
            self._live.update(operation_view(operation), refresh=True)
            return
        for step in operation["steps"]:
            news = (step["status"], step["attempts"], step.get("message"))
            if self._told.get(step["name"]) != news:
                self._told[step["name"]] = news
                say(f"{step['name']}: {step['status']} after {step['attempts']} attempts  {step.get('message') or ''}")


def _followed(api: Api, operation_id: str, give_up: float, progress: Progress) -> Operation:
    held = 0  # the first answer at once: people want to see something
    while True:
        left = max(0.0, give_up - time.monotonic())
        hold = round(min(held, left), 3)
        asked = time.monotonic()
        try:
            operation: Operation = api.get(f"/operations/{operation_id}", {"wait": hold}, patience=hold).body
            progress.show(operation)
            held = WATCHED_SECONDS if progress.is_watched else UNWATCHED_SECONDS
            if operation["status"] != RUNNING or time.monotonic() >= give_up:
                return operation
        except Unreachable:
            if api.is_gone or time.monotonic() >= give_up:
                raise
            time.sleep(PAUSE)
        if time.monotonic() - asked < hold / 2:  # answered early: do not ask in a tight circle
            time.sleep(min(PAUSE, left))


def _without_lease(step: Mapping[str, Any]) -> Mapping[str, Any]:
    """The next attempt of a step that runs is only the time at which its worker would be given up."""
    return {**step, "nextAttemptAt": None} if step["status"] == RUNNING else step


def _ending(status: str) -> str:
    return {"cancelled": "been cancelled"}.get(status, status)


def _changes(step: Mapping[str, Any]) -> Iterable[str]:
    return step.get("changes") or ()


def _filled(steps: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The columns that say something."""
    rows = list(steps)
    return [(heading, field) for heading, field in STEPS if any(row.get(field) not in (None, "") for row in rows)]
