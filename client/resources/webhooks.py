"""Webhooks and their deliveries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from client.connection import Connection
from client.inputs import NewWebhook, WebhookChanges
from client.resources.records import Records
from client.responses import Response
from client.webhook_models import Delivery, Webhook


class Webhooks(Records[Webhook, NewWebhook, WebhookChanges]):
    """`/webhooks`. Filter: tenant."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "/webhooks")

    def test(self, webhook: str, *, wait: float = 0, key: str | None = None) -> Response[Delivery]:
        """Send a ping once, and wait at most so many seconds (up to 30) for its outcome."""
        return self._post(webhook, "test", key=key, extra_seconds=wait, wait=wait)

    def rotate_secret(self, webhook: str, *, grace: int | None = None, key: str | None = None) -> Response[Webhook]:
        """Give it a new secret. `grace`: seconds in which the old one signs too."""
        return self._post(webhook, "rotate-secret", key=key, grace=grace)

    def deliveries(self, /, webhook: str, limit: int | None = None, **filters: Any) -> Iterator[Delivery]:
        """Iterate over deliveries, newest first. Filter: status."""
        return self._connection.records(self._at(webhook, "deliveries"), filters, limit)

    def replay(self, webhook: str, delivery: str, *, key: str | None = None) -> Response[Delivery]:
        """Send an event again under its own id."""
        return self._post(webhook, "deliveries", delivery, "replay", key=key)
