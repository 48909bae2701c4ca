"""Switches of the platform: pauses of integrations, observe-only mode, the purge quota."""

from __future__ import annotations

from client.connection import Connection, Response
from client.operator_models import Integration, ObserveOnly, PurgeQuota
from client.resources.records import segment


class Integrations:
    """`/integrations`. The name `all` stands for every integration."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> list[Integration]:
        """Read the pause and the circuit breaker of each integration."""
        found: list[Integration] = self._connection.get("/integrations", kind=list).data
        return found

    def pause(self, name: str, reason: str, *, key: str | None = None) -> Response[Integration]:
        """Pause an integration: none of its steps start."""
        return self._connection.post(f"/integrations/{segment(name)}/pause", {"reason": reason}, key=key)

    def resume(self, name: str, *, key: str | None = None) -> Response[Integration]:
        """End a pause; an open circuit breaker sends a probe immediately."""
        return self._connection.post(f"/integrations/{segment(name)}/resume", key=key)


class ObserveOnlyMode:
    """`/observe-only`: while the mode is on, nothing in the integrations is changed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self) -> Response[ObserveOnly]:
        return self._connection.get("/observe-only", kind=dict)

    def start(self, reason: str, *, key: str | None = None) -> Response[ObserveOnly]:
        return self._connection.post("/observe-only", {"reason": reason}, key=key)

    def end(self) -> Response[ObserveOnly]:
        return self._connection.delete("/observe-only")


class PurgeQuotas:
    """`/purges`: the daily limit of automatic purges."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self) -> Response[PurgeQuota]:
        return self._connection.get("/purges", kind=dict)

    def allow(self, count: int, *, key: str | None = None) -> Response[PurgeQuota]:
        """Allow this many purges in addition to the daily limit."""
        return self._connection.post("/purges/allow", {"count": count}, key=key)
