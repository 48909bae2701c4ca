"""The state of the service: diagnostics."""

from __future__ import annotations

from collections.abc import Callable

from client.connection import Connection
from client.operator_models import Diagnosis
from client.resources.records import segment
from client.responses import Response
from client.waiting import wait_until

FINISHED = "finished"


class Diagnostics:
    """`/diagnostics`: a scheduler checks products, rights, DNS, TLS, queues and processes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._path = "/diagnostics"

    def start(self, *, key: str | None = None) -> Response[Diagnosis]:
        """Request a run."""
        return self._connection.post(self._path, key=key)

    def get(self, run: str) -> Response[Diagnosis]:
        return self._connection.get(f"{self._path}/{segment(run)}", kind=dict)

    def wait(self, run: str, timeout: float, progress: Callable[[Diagnosis], None] | None = None) -> Diagnosis:
        """Wait for the results. After a timeout the status is still `waiting` or `running`."""
        return wait_until(
            self._connection,
            lambda _: self.get(run).data,
            lambda diagnosis: diagnosis["status"] == FINISHED,
            timeout,
            progress,
            long_poll=0,
        )
