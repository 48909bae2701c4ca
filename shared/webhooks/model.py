"""Webhooks: who is told of which events, where, and how each telling went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict
from urllib.parse import urlsplit

from shared.events.model import Author, NewEvent

#: what a webhook sends when it is asked to prove itself; stands in no event log
PING = "webhook.ping"
#: a webhook's fields, as events show them; its URL may hold a receiver's secret
SHOWN = ("host", "actions", "enabled")
#: webhooks of one owner at most, so that nobody takes all the places of the delivery
MOST_PER_OWNER = 20


class DeliveryStatus(StrEnum):
    """PENDING: to be sent, for the first time or again. The others are ends, until somebody replays it."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class Owner:
    """Whose a webhook is: a partner's, else a tenant's, else the platform's.

    A partner's with a tenant is told of that tenant only, as long as it is the partner's.
    """

    tenant_id: str | None = None
    partner_id: str | None = None


class WebhookChanges(TypedDict, total=False):
    """Fields to change; what is absent stays."""

    url: str
    actions: tuple[str, ...]
    enabled: bool


@dataclass(frozen=True)
class NewWebhook:
    """`actions`: event actions such as `tenant.created`, `tenant.*` or `*`. The URL is checked for form."""

    url: str
    actions: tuple[str, ...] = ("*",)
    enabled: bool = True


@dataclass(frozen=True)
class Webhook:
    """`cursor`: the number of the last event it has a delivery for, or did not want.

    `failures`: attempts without success since the last success, the first of them at `failing_since`.
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
        """All that is shown of the URL outside its owner's answers: path and query may be a receiver's secret."""
        return urlsplit(self.url).hostname or ""

    def event(
        self,
        what: str,
        author: Author,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> NewEvent:
        """`webhook.<what>`, for the eyes of whoever sees the owner's events."""
        is_tenants = self.owner.partner_id is None
        tenant_id, slug = (self.owner.tenant_id, self.tenant_slug) if is_tenants else (None, None)
        return NewEvent(f"webhook.{what}", author, tenant_id, slug, before, after)


@dataclass(frozen=True)
class DeliveryRecord:
    """One event for one webhook. `id` stays the same however often it is sent: a receiver tells repeats by it.

    `event_id` None: a ping. `response_status` and `reason`: how the latest attempt ended.
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
    """A list request; the filter is exact."""

    limit: int = 50
    after: str | None = None
    status: str | None = None
