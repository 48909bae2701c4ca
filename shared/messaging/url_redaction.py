"""Connections that keep their passwords: kombu lets all but the first address stand in what workers tell of them."""

from __future__ import annotations

from typing import Any

from celery.app.amqp import AMQP
from kombu import Connection
from kombu.utils.url import maybe_sanitize_url


class RedactingConnection(Connection):
    def info(self) -> dict[str, Any]:
        """What it is connected to, as a worker answers it to `inspect stats`."""
        told: dict[str, Any] = super().info()
        return {**told, "alternates": [maybe_sanitize_url(one) for one in told["alternates"]]}


class RedactingAmqp(AMQP):
    Connection = RedactingConnection
