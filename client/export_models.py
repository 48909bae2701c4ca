"""A tenant's export and the receipt of its purge, as the API returns them."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from client.models import Event, Operation, Subscription, Tenant, Time, User


class Removal(TypedDict):
    operation: str
    step: str
    status: str
    removed: list[str]
    verified: NotRequired[str]
    at: NotRequired[Time]


class Receipt(TypedDict):
    """The receipt of a purge: everything that it removed."""

    tenant: str
    domains: list[str]
    purgedAt: Time
    usersRemoved: int
    removals: list[Removal]


class Export(TypedDict):
    """All data on record about a tenant."""

    tenant: Tenant
    users: list[User]
    subscriptions: list[Subscription]
    operations: list[Operation]
    events: list[Event]
