"""Request and response schemas of webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, cast

from pydantic import Field

from api.http.responses import ResponseModel
from api.schemas.fields import EventActions, ObjectIdText, WebhookUrl
from api.schemas.request_model import UNSENT, PatchModel, RequestModel, example
from shared.integrations.reasons import DELIVERY_REASONS
from shared.webhooks.model import DeliveryRecord, DeliveryStatus, NewWebhook, Webhook, WebhookChanges

ActionList = Annotated[list[EventActions], Field(min_length=1, max_length=50)]


class CreateWebhookRequest(RequestModel):
    """A new webhook. With a tenant: its events; with a partner: its tenants' events; with neither: all."""

    model_config = example({"url": "https://hooks.acme.example/dezky", "actions": ["tenant.*", "operation.failed"]})

    url: WebhookUrl
    actions: ActionList = Field(["*"])
    tenant_id: ObjectIdText | None = None
    partner_id: ObjectIdText | None = None
    enabled: bool = True

    def to_domain(self) -> NewWebhook:
        return NewWebhook(self.url, tuple(dict.fromkeys(self.actions)), self.enabled)


class UpdateWebhookRequest(PatchModel):
    """Changes to a webhook; its owner stays."""

    model_config = example({"enabled": False})

    url: WebhookUrl = UNSENT
    actions: ActionList = UNSENT
    enabled: bool = UNSENT

    def to_domain(self) -> WebhookChanges:
        return cast(WebhookChanges, self.sent_fields())


class WebhookResponse(ResponseModel):
    """A webhook: a URL and the events sent to it."""

    id: ObjectIdText = Field(serialization_alias="_id")
    tenant_id: str | None = Field(None, description="only events of this tenant")
    partner_id: str | None = Field(
        None, description="events of this partner's tenants; without tenant and partner: all events"
    )
    url: str
    actions: list[str]
    enabled: bool
    disabled_reason: str | None = Field(None, description="why the service disabled it")
    disabled_message: str | None = None
    disabled_at: datetime | None = None
    failures: int = Field(description="failed attempts in a row")
    failing_since: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookResponse:
        return cls(**_fields(webhook))


class WebhookWithSecretResponse(WebhookResponse):
    """A webhook with its secret, which only the first response shows."""

    secret: str | None = Field(None, description="to verify signatures with; absent in a replayed response")

    @classmethod
    def of_secret(cls, webhook: Webhook, secret: str) -> WebhookWithSecretResponse:
        return cls(**_fields(webhook), secret=secret)


class DeliveryResponse(ResponseModel):
    """An event for a webhook. Its id is the `webhook-id` of every attempt."""

    id: ObjectIdText
    webhook: ObjectIdText
    event: ObjectIdText | None = Field(None, description="absent for a ping")
    action: str
    status: DeliveryStatus
    attempts: int
    due_at: datetime | None = Field(None, description="when it is sent next")
    response_status: int | None = Field(None, description="of the latest attempt")
    reason: str | None = Field(None, description="why the latest attempt failed")
    message: str | None = None
    created_at: datetime
    finished_at: datetime | None = None

    @classmethod
    def of(cls, record: DeliveryRecord) -> DeliveryResponse:
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
