"""What may be sent of webhooks."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import Field

from api.schemas.fields import EventActions, ObjectIdText, WebhookUrl
from api.schemas.request_model import UNSENT, Body, Patch
from shared.webhooks.model import NewWebhook, WebhookChanges

ActionList = Annotated[list[EventActions], Field(min_length=1, max_length=50)]


class NewWebhookBody(Body):
    """Where to send which events. With a tenant: that tenant's; with a partner: its tenants'; with neither: all."""

    url: WebhookUrl
    actions: ActionList = Field(["*"])
    tenant_id: ObjectIdText | None = None
    partner_id: ObjectIdText | None = None
    enabled: bool = True

    def to_domain(self) -> NewWebhook:
        return NewWebhook(self.url, tuple(dict.fromkeys(self.actions)), self.enabled)


class WebhookPatchBody(Patch):
    """Changes to a webhook; whose it is stays."""

    url: WebhookUrl = UNSENT
    actions: ActionList = UNSENT
    enabled: bool = UNSENT

    def to_domain(self) -> WebhookChanges:
        return cast(WebhookChanges, self.sent_fields())
