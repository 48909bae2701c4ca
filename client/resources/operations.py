"""Operations, over all tenants, and bulk operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from client.connection import Connection
from client.inputs import Selector
from client.models import Operation
from client.operator_models import BulkOperation, Summary
from client.resources.records import ReadOnlyRecords, segment
from client.responses import Response
from client.waiting import LONG_POLL_SECONDS, wait_until

RUNNING = "running"


class Operations(ReadOnlyRecords[Operation]):
    """`/operations`. Filters: status, action, problem, reason, tenant, since, until, `step__ocis` and so on."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "/operations")

    def cancel(self, operation: str, *, key: str | None = None) -> Response[Operation]:
        """Cancel an operation: its open steps do not run."""
        return self._post(operation, "cancel", key=key)

    def retry(self, operation: str, step: str, *, key: str | None = None) -> Response[Operation]:
        """Run one failed step again."""
        return self._post(operation, "steps", step, "retry", key=key)

    def summary(self, /, **filters: Any) -> Response[Summary]:
        """Read counts, outcomes and durations per hour."""
        return self._connection.get(f"{self._path}/summary", filters)

    def wait(
        self,
        operation: str,
        timeout: float,
        progress: Callable[[Operation], None] | None = None,
        long_poll: float = LONG_POLL_SECONDS,
    ) -> Operation:
        """Wait until an operation has ended. After a timeout its status is still `running`.

        `progress` is called with each state of it; `long_poll`: seconds that one request asks the API to wait.
        """
        path = self._at(operation)

        def read(wait: float) -> Operation:
            found: Operation = self._connection.get(path, {"wait": wait}, extra_seconds=wait, kind=dict).data
            return found

        return wait_until(self._connection, read, has_ended, timeout, progress, long_poll)


class BulkOperations:
    """`/bulk-operations`: retry, reconcile or cancel for all tenants of a selector, at a limited rate."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._path = "/bulk-operations"

    def dry_run(self, action: str, selector: Selector, *, key: str | None = None) -> Response[BulkOperation]:
        """Find the tenants without changing anything. `action`: retry, reconcile or cancel."""
        return self._connection.post(self._path, {"action": action, "selector": selector}, key=key)

    def start(self, dry_run: str, *, key: str | None = None) -> Response[BulkOperation]:
        """Start a dry run's action on exactly the tenants that it found."""
        return self._connection.post(self._path, {"start": dry_run}, key=key)

    def stop(self, bulk: str, *, key: str | None = None) -> Response[BulkOperation]:
        """End a bulk operation for good: what it has begun goes on, other tenants are skipped."""
        return self._connection.post(f"{self._path}/{segment(bulk)}/stop", key=key)

    def get(self, bulk: str) -> Response[BulkOperation]:
        return self._connection.get(f"{self._path}/{segment(bulk)}", kind=dict)

    def wait(self, bulk: str, timeout: float, progress: Callable[[BulkOperation], None] | None = None) -> BulkOperation:
        """Wait until a bulk operation has ended. After a timeout its status is still `running`."""
        return wait_until(
            self._connection, lambda _: self.get(bulk).data, lambda one: one["status"] != RUNNING, timeout, progress, 0
        )


def has_ended(operation: Operation) -> bool:
    return operation["status"] != RUNNING
