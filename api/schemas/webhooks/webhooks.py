"""Query, request and response schemas of webhooks and their deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

from pydantic import AliasPath, BeforeValidator, Field

from api.schemas.fields import EventActions, ObjectIdText, WebhookUrl
from api.schemas.models import (
    MAX_WAIT,
    UNSENT,
    ListQuery,
    PatchModel,
    Query,
    RequestModel,
    ResponseModel,
    SlugText,
    WaitSeconds,
    example,
    whole_number,
)
from shared.integrations.reasons import DELIVERY_REASONS
from shared.webhooks.model import DeliveryQuery, DeliveryStatus, NewWebhook, Webhook, WebhookChanges

DAY = 24 * 3600
MAX_GRACE = 7 * DAY


class WebhookListQuery(ListQuery):
    tenant: SlugText | None = Field(None, description="a tenant's slug")


class DeliveryListQuery(ListQuery):
    status: DeliveryStatus | None = None

    def to_value(self) -> DeliveryQuery:
        return DeliveryQuery(self.limit, self.cursor, self.status)


class TestQuery(Query):
    wait: WaitSeconds = Field(0.0, ge=0, le=MAX_WAIT, description="wait for the ping, for at most this many seconds")


class RotateQuery(Query):
    grace: Annotated[int, whole_number(0, MAX_GRACE, " of seconds")] = Field(
        DAY, ge=0, le=MAX_GRACE, description="seconds for which the old secret signs beside the new one"
    )


ActionList = Annotated[list[EventActions], Field(min_length=1, max_length=50)]
#: a reason in words
ReasonText = Annotated[str | None, BeforeValidator(lambda reason: DELIVERY_REASONS.get(reason or ""))]


class CreateWebhookRequest(RequestModel):
    """A new webhook. With a tenant: its events; with a partner: its tenants' events; with neither: all."""

    model_config = example({"url": "https://hooks.acme.example/dezky", "actions": ["tenant.*", "operation.failed"]})

    url: WebhookUrl
    actions: ActionList = Field(["*"])
    tenant_id: ObjectIdText | None = None
    partner_id: ObjectIdText | None = None
    enabled: bool = True

    def to_value(self) -> NewWebhook:
        return NewWebhook(self.url, tuple(dict.fromkeys(self.actions)), self.enabled)


class UpdateWebhookRequest(PatchModel):
    """Changes to a webhook; its owner stays."""

    model_config = example({"enabled": False})

    url: WebhookUrl = UNSENT
    actions: ActionList = UNSENT
    enabled: bool = UNSENT

    def to_value(self) -> WebhookChanges:
        return cast(WebhookChanges, self.sent_fields())


class WebhookResponse(ResponseModel):
    """A webhook: a URL and the events sent to it."""

    id: ObjectIdText = Field(serialization_alias="_id")
    tenant_id: str | None = Field(
        None, validation_alias=AliasPath("owner", "tenant_id"), description="only events of this tenant"
    )
    partner_id: str | None = Field(
        None,
        validation_alias=AliasPath("owner", "partner_id"),
        description="events of this partner's tenants; without tenant and partner: all events",
    )
    url: str
    actions: list[str]
    enabled: bool
    disabled_reason: str | None = Field(None, description="why the service disabled it")
    disabled_message: ReasonText = Field(None, validation_alias="disabled_reason")
    disabled_at: datetime | None = None
    failures: int = Field(description="failed attempts in a row")
    failing_since: datetime | None = None
    created_at: datetime
    updated_at: datetime


class WebhookWithSecretResponse(WebhookResponse):
    """A webhook with its secret, which only the first response shows."""

    secret: str | None = Field(None, description="to verify signatures with; absent in a replayed response")

    @classmethod
    def of_secret(cls, webhook: Webhook, secret: str) -> WebhookWithSecretResponse:
        return cls.of(webhook).model_copy(update={"secret": secret})


class DeliveryResponse(ResponseModel):
    """An event for a webhook. Its id is the `webhook-id` of every attempt."""

    id: ObjectIdText
    webhook: ObjectIdText = Field(validation_alias="webhook_id")
    event: ObjectIdText | None = Field(None, validation_alias="event_id", description="absent for a ping")
    action: str
    status: DeliveryStatus
    attempts: int
    due_at: datetime | None = Field(None, description="when it is sent next")
    response_status: int | None = Field(None, description="of the latest attempt")
    reason: str | None = Field(None, description="why the latest attempt failed")
    message: ReasonText = Field(None, validation_alias="reason")
    created_at: datetime
    finished_at: datetime | None = None
