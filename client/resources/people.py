"""Users, partners and subscriptions."""

from __future__ import annotations

from typing import Any

from client.connection import Connection
from client.inputs import (
    NewPartner,
    NewSubscription,
    NewUser,
    PartnerChanges,
    SubscriptionChanges,
    UserChanges,
)
from client.models import Partner, Profile, Subscription, User
from client.operator_models import Erasure
from client.resources.records import Records
from client.responses import Response


class Users(Records[User, NewUser, UserChanges]):
    """`/users`. Filters: id, tenant, partner, q."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "/users")

    def me(self) -> Response[User]:
        """Create or update the caller's own record from the token, and read it."""
        return self._connection.get(f"{self._path}/me", kind=dict)

    def profile(self) -> Response[Profile]:
        """Read the caller's record, tenants and subscriptions."""
        return self._connection.get("/me", kind=dict)

    def erase(self, user: str, *, if_match: str | None = None) -> Response[Erasure]:
        """Delete a user and their personal data in events; the response says what remains. For administrators."""
        path = self._at(user)
        response: Response[Any] = self._connection.delete(path, if_match, {"erase": "true"})
        return self._connection.checked(response, path, dict)


class Partners(Records[Partner, NewPartner, PartnerChanges]):
    """`/partners`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "/partners")


class Subscriptions(Records[Subscription, NewSubscription, SubscriptionChanges]):
    """`/subscriptions`. Filters: tenant, status."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "/subscriptions")
