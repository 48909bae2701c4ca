"""Members of tenants: people in the tenant's Authentik group, with an account in its mail domains."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import requests

from tools.chaos.load.caller import TenantState

#: call a control of a simulator: product, name, arguments
Control = Callable[..., Any]
PASSWORD = "a member's password"  # noqa: S105


class Members:
    """Add one member to each tenant while it is active and no operation runs on it. Safe to share between threads.

    They are added as operators of the products would, so faults of the products' APIs do not concern them.
    """

    def __init__(self, control: Control) -> None:
        self._control = control
        self._lock = threading.Lock()
        #: slugs of tenants that have a member
        self.joined: set[str] = set()
        #: addresses of the mail accounts that were created
        self.accounts: set[str] = set()

    def join(self, slug: str, state: TenantState) -> None:
        """Let the tenant's member join, with a mail account in each domain that has none yet."""
        if state.status != "active" or state.is_busy:
            return
        if slug not in self.joined:
            try:
                self._join_group(slug)
            except requests.HTTPError:
                return  # Authentik has no such group
        for domain in state.domains:
            if f"member@{domain}" not in self.accounts:
                self._create_account(domain)

    def _join_group(self, slug: str) -> None:
        person = {"username": member_of(slug), "email": f"{member_of(slug)}@people.test", "password": PASSWORD}
        given = {"app_password": "unused", "groups": [f"tenant-{slug}"], "entitlements": ["ocisUser"]}
        # first, as it refuses a group that is not there, which the other would create
        self._control("authentik", "bind_group", application=application_of(slug), group=f"tenant-{slug}")
        self._control("authentik", "ensure_person", **person, **given)
        with self._lock:
            self.joined.add(slug)

    def _create_account(self, domain: str) -> None:
        secret = {"0": {"@type": "Password", "secret": PASSWORD}}
        account = {"@type": "User", "name": "member", "credentials": secret}
        try:
            self._control("stalwart", "create_account", domain=domain, given=account)
        except requests.HTTPError:
            return  # Stalwart refuses an account in a domain that it does not have
        with self._lock:
            self.accounts.add(f"member@{domain}")


def member_of(slug: str) -> str:
    """Return the username of a tenant's member."""
    return f"member-{slug}"


def application_of(slug: str) -> str:
    """Return the slug, and client id, of the application that only a tenant's group may open."""
    return f"app-{slug}"
