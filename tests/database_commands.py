"""The commands that clients send to the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
import pytest
from pymongo.monitoring import CommandListener, CommandStartedEvent


class DatabaseCommands(CommandListener):
    """The commands in their order, each with its name."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.sent]

    @property
    def names_with_collections(self) -> list[str]:
        return [f"{name} {command[name]}" if isinstance(command[name], str) else name for name, command in self.sent]

    @property
    def reads(self) -> list[dict[str, Any]]:
        return [command for name, command in self.sent if name in ("find", "aggregate")]

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append((event.command_name, dict(event.command)))

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...


@contextmanager
def recorded_commands() -> Iterator[DatabaseCommands]:
    """Record the commands of clients that are opened inside the block, for as long as they are used."""
    made = DatabaseCommands()
    pymongo.monitoring.register(made)
    try:
        yield made
    finally:
        pymongo.monitoring._LISTENERS.command_listeners.remove(made)


@pytest.fixture
def commands() -> Iterator[DatabaseCommands]:
    """Record the commands of clients that are opened after this."""
    with recorded_commands() as made:
        yield made
