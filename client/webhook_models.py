"""Webhooks and their deliveries, as the API returns them."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from client.models import Time


class Webhook(TypedDict):
    """A receiver of events. `secret`: only in the first response to its creation or rotation."""

    _id: str
    url: str
    actions: list[str]
    enabled: bool
    failures: int
    createdAt: Time
    updatedAt: Time
    tenantId: NotRequired[str]
    partnerId: NotRequired[str]
    disabledReason: NotRequired[str]
    disabledMessage: NotRequired[str]
    disabledAt: NotRequired[Time]
    failingSince: NotRequired[Time]
    secret: NotRequired[str]


class Delivery(TypedDict):
    """The delivery of one event to one webhook."""

    id: str
    webhook: str
    action: str
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    createdAt: Time
    event: NotRequired[str]
    dueAt: NotRequired[Time]
    responseStatus: NotRequired[int]
    reason: NotRequired[str]
    message: NotRequired[str]
    finishedAt: NotRequired[Time]
