"""Webhooks and what became of their events, as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from api.http.responses import ObjectIdText, ResponseModel
from shared.integrations.reasons import DELIVERY_REASONS
from shared.webhooks.model import DeliveryRecord, DeliveryStatus, Webhook


class WebhookAnswer(ResponseModel):
    """Where events are sent, and which."""

    id: ObjectIdText = Field(serialization_alias="_id")
    tenant_id: str | None = Field(None, description="told of this tenant only")
    partner_id: str | None = Field(None, description="the partner's; with neither it is the platform's")
    url: str
    actions: list[str]
    enabled: bool
    disabled_reason: str | None = Field(None, description="why the service switched it off")
    disabled_message: str | None = None
    disabled_at: datetime | None = None
    failures: int = Field(description="attempts in a row that did not get through")
    failing_since: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookAnswer:
        return cls(**_fields(webhook))


class WebhookWithSecretAnswer(WebhookAnswer):
    """The only answers that show a secret, and only the first time they are given."""

    secret: str | None = Field(None, description="to verify signatures with; absent when the answer is replayed")

    @classmethod
    def of_secret(cls, webhook: Webhook, secret: str) -> WebhookWithSecretAnswer:
        return cls(**_fields(webhook), secret=secret)


class DeliveryAnswer(ResponseModel):
    """One event for one webhook. Its id is what receivers get as `webhook-id`, each time it is sent."""

    id: ObjectIdText
    webhook: ObjectIdText
    event: ObjectIdText | None = Field(None, description="absent for a ping")
    action: str
    status: DeliveryStatus
    attempts: int
    due_at: datetime | None = Field(None, description="when it is sent next, at the latest")
    response_status: int | None = Field(None, description="of the latest attempt")
    reason: str | None = Field(None, description="why the latest attempt did not get through")
    message: str | None = None
    created_at: datetime
    finished_at: datetime | None = None

    @classmethod
    def of(cls, record: DeliveryRecord) -> DeliveryAnswer:
        return cls(
            id=record.id,
            webhook=record.webhook_id,
            event=record.event_id,
            action=record.action,
            status=record.status,
            attempts=record.attempts,
            due_at=record.due_at,
            response_status=record.response_status,
            reason=record.reason,
            message=DELIVERY_REASONS.get(record.reason or ""),
            created_at=record.created_at,
            finished_at=record.finished_at,
        )


def _fields(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "tenant_id": webhook.owner.tenant_id,
        "partner_id": webhook.owner.partner_id,
        "url": webhook.url,
        "actions": list(webhook.actions),
        "enabled": webhook.enabled,
        "disabled_reason": webhook.disabled_reason,
        "disabled_message": DELIVERY_REASONS.get(webhook.disabled_reason or ""),
        "disabled_at": webhook.disabled_at,
        "failures": webhook.failures,
        "failing_since": webhook.failing_since,
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
    }
