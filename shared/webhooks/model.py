"""Values of webhooks and of their deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict
from urllib.parse import urlsplit

from shared.events.model import Author, NewEvent

#: action of a test delivery, which has no event
PING = "webhook.ping"
#: fields that events show; not the URL, which may contain a secret of the receiver
EVENT_FIELDS = ("host", "actions", "enabled")
#: limit of webhooks per owner, so that one owner cannot occupy all delivery threads
MAX_PER_OWNER = 20


class DeliveryStatus(StrEnum):
    """`pending`: due for an attempt. `delivered` and `failed` are final unless the delivery is replayed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class Owner:
    """The owner of a webhook: a partner, else a tenant, else the platform.

    With both, the partner is the owner and receives events of that tenant only, while it belongs to the partner.
    """

    tenant_id: str | None = None
    partner_id: str | None = None


class WebhookChanges(TypedDict, total=False):
    """Fields to change; absent fields stay."""

    url: str
    actions: tuple[str, ...]
    enabled: bool


@dataclass(frozen=True)
class NewWebhook:
    """A webhook to create. `actions`: event actions such as `tenant.created`, `tenant.*` or `*`."""

    url: str
    actions: tuple[str, ...] = ("*",)
    enabled: bool = True


@dataclass(frozen=True)
class Webhook:
    """A webhook on record. `cursor`: number of the last event that was turned into a delivery or skipped.

    `failures`: failed attempts since the last success; `failing_since`: time of the first of them.
    """

    id: str
    owner: Owner
    tenant_slug: str | None
    url: str
    actions: tuple[str, ...]
    enabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    failures: int
    failing_since: datetime | None
    cursor: int
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def host(self) -> str:
        """Return the host, the only part of the URL that events and logs show: the rest may be a secret."""
        return urlsplit(self.url).hostname or ""

    def event(
        self,
        name: str,
        author: Author,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> NewEvent:
        """Build the event `webhook.<name>`, visible to those who may see the owner's events."""
        is_tenants = self.owner.partner_id is None
        tenant_id, slug = (self.owner.tenant_id, self.tenant_slug) if is_tenants else (None, None)
        return NewEvent(f"webhook.{name}", author, tenant_id, slug, before, after)


@dataclass(frozen=True)
class DeliveryRecord:
    """One event for one webhook. `id` is the same in every attempt, so that a receiver can recognise repeats.

    `event_id` None: a test delivery. `response_status` and `reason`: result of the latest attempt.
    """

    id: str
    webhook_id: str
    event_id: str | None
    action: str
    request_id: str
    status: DeliveryStatus
    attempts: int
    due_at: datetime | None
    response_status: int | None
    reason: str | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_ping(self) -> bool:
        return self.event_id is None


@dataclass(frozen=True)
class DeliveryQuery:
    """A list request with an exact filter."""

    limit: int = 50
    after: str | None = None
    status: str | None = None
