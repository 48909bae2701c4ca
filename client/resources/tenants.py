"""Tenants: records, actions and domains."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from client.connection import Connection
from client.export_models import Export, Receipt
from client.inputs import NewTenant, TenantChanges
from client.models import Availability, Domain, Operation, Tenant, TenantPause
from client.resources.records import Records, found_in, segment
from client.responses import Response
from client.waiting import wait_until

#: an export is gathered while we wait
EXPORT_SECONDS = 120.0


class Tenants(Records[Tenant, NewTenant, TenantChanges]):
    """`/tenants`. Filters: id, status, plan, partner, q, paused, drift, sort; and of a step, as `step__ocis="error"`.

    A response to a method that starts an operation has its id as `operation_id`.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "/tenants")

    def reconcile(
        self, slug: str, *, dry_run: bool = False, allow_removals: bool = False, key: str | None = None
    ) -> Response[Tenant]:
        """Run every step again. `dry_run`: change nothing, and report what would change."""
        mode, allowed = "plan" if dry_run else None, "true" if allow_removals else None
        return self._post(slug, "reconcile", key=key, mode=mode, allow_removals=allowed)

    def suspend(self, slug: str, reason: str | None = None, *, key: str | None = None) -> Response[Tenant]:
        """Block all access and keep all data."""
        return self._post(slug, "suspend", body={"reason": reason} if reason else None, key=key)

    def resume(self, slug: str, *, key: str | None = None) -> Response[Tenant]:
        return self._post(slug, "resume", key=key)

    def restore(self, slug: str, *, key: str | None = None) -> Response[Tenant]:
        """Undo a deletion within its grace period."""
        return self._post(slug, "restore", key=key)

    def purge(self, slug: str, *, key: str | None = None) -> Response[Tenant]:
        """Remove a deleted tenant permanently."""
        return self._post(slug, "purge", key=key)

    def invite_owner(self, slug: str, *, key: str | None = None) -> Response[Tenant]:
        """Send the owner another invitation."""
        return self._post(slug, "owner", "invitation", key=key)

    def pause(self, slug: str, reason: str, *, key: str | None = None) -> Response[TenantPause]:
        """Pause a tenant: no step of its operations starts."""
        return self._post(slug, "pause", body={"reason": reason}, key=key, find=_pause_of)

    def unpause(self, slug: str, *, key: str | None = None) -> Response[TenantPause]:
        return self._post(slug, "unpause", key=key, find=_pause_of)

    def receipt(self, slug: str) -> Response[Receipt]:
        """Read the purge receipt: all objects that the purge removed."""
        return self._connection.get(self._at(slug, "receipt"), kind=dict)

    def export(self, slug: str) -> Response[Export]:
        """Read all data on record about a tenant."""
        return self._connection.get(self._at(slug, "export"), extra_seconds=EXPORT_SECONDS)

    def operations(self, slug: str, limit: int | None = None) -> Iterator[Operation]:
        """Iterate over a tenant's operations, newest first."""
        return self._connection.records(self._at(slug, "operations"), {}, limit)

    def check(
        self, *, slug: str | None = None, domain: str | None = None, email: str | None = None
    ) -> Response[Availability]:
        """Check that a slug and a domain are free and that an e-mail address is valid for an owner."""
        asked = {"slug": slug, "domain": domain, "email": email}
        return self._connection.get(f"{self._path}/check", asked, kind=dict)


class Domains:
    """`/tenants/<slug>/domains`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, slug: str) -> list[Domain]:
        """Read a tenant's domains with the DNS records that their owner must publish."""
        found: list[Domain] = self._connection.get(f"/tenants/{segment(slug)}/domains", kind=list).data
        return found

    def verify(self, slug: str, domain: str, *, key: str | None = None) -> Response[Domain]:
        """Request a DNS check."""
        path = f"/tenants/{segment(slug)}/domains/{segment(domain)}/verify"
        return self._connection.post(path, key=key, find=lambda all_: found_in(all_, "domain", domain))

    def wait(
        self, slug: str, requested: Domain, timeout: float, progress: Callable[[Domain], None] | None = None
    ) -> Domain:
        """Wait for the check that `verify` requested. After a timeout the domain still has `checkRequestedAt`."""

        def read(_: float) -> Domain:
            return next((one for one in self.list(slug) if one["domain"] == requested["domain"]), requested)

        def is_checked(domain: Domain) -> bool:
            return "checkRequestedAt" not in domain

        if is_checked(requested):
            return requested
        return wait_until(self._connection, read, is_checked, timeout, progress, long_poll=0)


def _pause_of(tenant: Tenant) -> TenantPause:
    """Return the pause in a tenant's record."""
    if "pause" not in tenant:
        return {"tenant": tenant["slug"], "paused": False}
    return {"tenant": tenant["slug"], "paused": True, "pause": tenant["pause"]}
