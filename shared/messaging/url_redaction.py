"""Redact passwords in the connection information of workers; kombu itself redacts only the first address."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection
from kombu.utils.url import maybe_sanitize_url


class RedactingConnection(Connection):
    def info(self) -> dict[str, Any]:
        """Return the connection's information, which a worker shows in `inspect stats`, without passwords."""
        info: dict[str, Any] = super().info()
        return {**info, "alternates": [maybe_sanitize_url(one) for one in info["alternates"]]}


class RedactingAmqp(AMQP):
    Connection = RedactingConnection
