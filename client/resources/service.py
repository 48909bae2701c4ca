"""The state of the service: what is wrong now, readiness, diagnostics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from client.connection import Connection, Response
from client.resources.operations import RUNNING
from client.resources.records import ReadOnlyRecords
from client.waiting import wait_until


class Diagnostics(ReadOnlyRecords[dict[str, Any]]):
    """`/diagnostics`: a job of a worker that checks products, rights, DNS, queues and processes."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "/diagnostics")

    def start(self, *, key: str | None = None) -> Response[dict[str, Any]]:
        return self._connection.post(self._path, key=key)

    def wait(
        self, diagnostics: str, timeout: float, progress: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """Wait for the results. After a timeout the status is still `running` or `pending`."""
        unfinished = (RUNNING, "pending")
        return wait_until(
            self._connection,
            lambda _: self.get(diagnostics).data,
            lambda one: one["status"] not in unfinished,
            timeout,
            progress,
            0,
        )
