"""Convert between ids and names: slugs of tenants and partners, e-mail addresses of users."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import Any

import click

from client import ApiError, Platform
from client.resources.records import Listing

ID = re.compile("[0-9a-f]{24}")
#: partners that are read to find names; ids of further ones are shown unchanged
MAX_PARTNERS = 1000
#: ids that one request may name
IDS_PER_REQUEST = 100
#: kind of record to the field that names it for people
CALLED = {"tenant": "slug", "user": "email"}


class Names:
    """Look up names and ids, each at most once. Ids are accepted in place of names."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._known: dict[str, dict[str, str]] = {kind: {} for kind in CALLED}

    def learn(self, kind: str, ids: Iterable[str]) -> None:
        """Read the names of tenants or users in few requests. A deleted or invisible one is shown by its id."""
        if kind not in CALLED:
            return
        known = self._known[kind]
        unknown = [one for one in dict.fromkeys(ids) if ID.fullmatch(one) and one not in known]
        resource: Listing[Any] = self._platform.tenants if kind == "tenant" else self._platform.users
        for first in range(0, len(unknown), IDS_PER_REQUEST):
            chosen = unknown[first : first + IDS_PER_REQUEST]
            known.update({one: one for one in chosen})
            with suppress(ApiError):
                known.update({one["_id"]: one[CALLED[kind]] for one in resource.list(id=",".join(chosen))})

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
        return self._name("tenant", tenant_id)

    def partner(self, partner_id: str) -> str:
        return self._partners.get(partner_id, partner_id)

    def user(self, user_id: str) -> str:
        return self._name("user", user_id)

    def _name(self, kind: str, record_id: str) -> str:
        self.learn(kind, [record_id])
        return self._known[kind].get(record_id, record_id)

    @cached_property
    def _partners(self) -> dict[str, str]:
        try:
            return {partner["_id"]: partner["slug"] for partner in islice(self._platform.partners.list(), MAX_PARTNERS)}
        except ApiError:
            return {}
