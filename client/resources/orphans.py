"""Orphans: objects in integrations with our ownership marker that belong to no existing tenant."""

from __future__ import annotations

from client.connection import Connection
from client.operator_models import Orphan, OrphanScan
from client.resources.records import ReadOnlyRecords
from client.responses import Response


class Orphans(ReadOnlyRecords[Orphan]):
    """`/orphans`. Filters: integration, status."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "/orphans")

    def remove(self, orphan: str) -> Response[Orphan]:
        """Remove an orphan with everything in it."""
        return self._connection.delete(self._at(orphan))

    def scans(self) -> list[OrphanScan]:
        """Read the latest scan of each integration."""
        found: list[OrphanScan] = self._connection.get(f"{self._path}/looks", kind=list).data
        return found

    def scan(self, *, key: str | None = None) -> Response[list[OrphanScan]]:
        """Scan every integration as soon as possible."""
        return self._connection.post(f"{self._path}/look", key=key)
