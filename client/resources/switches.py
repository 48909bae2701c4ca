"""Switches of the platform: pauses of integrations, observe-only mode, the purge quota."""

from __future__ import annotations

from typing import Any

from client.connection import Connection
from client.operator_models import Integration, ObserveOnly, PurgeQuota
from client.resources.records import found_in, segment
from client.responses import Response


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
        return self._post(name, "pause", {"reason": reason}, key)

    def resume(self, name: str, *, key: str | None = None) -> Response[Integration]:
        """End a pause; an open circuit breaker sends a probe immediately."""
        return self._post(name, "resume", None, key)

    def _post(self, name: str, action: str, body: Any, key: str | None) -> Response[Integration]:
        path = f"/integrations/{segment(name)}/{action}"
        return self._connection.post(path, body, key=key, find=lambda all_: found_in(all_, "name", name))


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
