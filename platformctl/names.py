"""Convert between ids and names: slugs of tenants and partners, e-mail addresses of users."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import islice

import click

from client import ApiError, Platform

ID = re.compile("[0-9a-f]{24}")
#: tenants and partners that are read to find names; ids of further ones are shown unchanged
MOST = 1000


class Names:
    """Look up names and ids, each at most once. Ids are accepted in place of names."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._people: dict[str, str] = {}

    def tenant_id(self, slug: str) -> str:
        return self._platform.tenants.get(slug).data["_id"]

    def partner_id(self, name: str) -> str:
        """Return a partner's id. Raises click.UsageError when no partner has this slug."""
        if ID.fullmatch(name):
            return name
        for partner in self._platform.partners.list():
            if partner["slug"] == name:
                return partner["_id"]
        raise click.UsageError(f"There is no partner {name}; platformctl partners list shows all.")

    def user_id(self, name: str) -> str:
        """Return a user's id. Raises click.UsageError when no user has this e-mail address."""
        if ID.fullmatch(name):
            return name
        for user in self._platform.users.list(q=name):
            if user["email"].casefold() == name.casefold():
                return user["_id"]
        raise click.UsageError(f"There is no user {name}; give the whole e-mail address, or the id.")

    def subscription_id(self, name: str) -> str:
        """Return the id of a tenant's latest subscription. Raises click.UsageError when it has none."""
        if ID.fullmatch(name):
            return name
        for subscription in self._platform.subscriptions.list(limit=1, tenant=name):
            return subscription["_id"]
        raise click.UsageError(f"The tenant {name} has no subscription.")

    def tenant(self, tenant_id: str) -> str:
        return self._tenants.get(tenant_id, tenant_id)

    def partner(self, partner_id: str) -> str:
        return self._partners.get(partner_id, partner_id)

    def user(self, user_id: str) -> str:
        """Return a user's e-mail address, or the id if the user was deleted or is not visible."""
        if user_id not in self._people:
            try:
                self._people[user_id] = self._platform.users.get(user_id).data["email"]
            except ApiError:
                self._people[user_id] = user_id
        return self._people[user_id]

    @cached_property
    def _tenants(self) -> dict[str, str]:
        return {tenant["_id"]: tenant["slug"] for tenant in islice(self._platform.tenants.list(), MOST)}

    @cached_property
    def _partners(self) -> dict[str, str]:
        try:
            return {partner["_id"]: partner["slug"] for partner in islice(self._platform.partners.list(), MOST)}
        except ApiError:
            return {}
