"""A tenant, its parts and its status, as read from the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict, cast

from shared.core.errors import FieldError, InvalidInput
from shared.switches.pause import Pause


class Status(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


@dataclass(frozen=True)
class Address:
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    line1: str = ""
    line2: str = ""
    city: str = ""
    postal_code: str = ""
    country: str = ""


@dataclass(frozen=True)
class BillingInfo:
    company: str = ""
    vat_id: str = ""
    email: str = ""
    address: Address = field(default_factory=Address)


@dataclass(frozen=True)
class Owner:
    """The first person of a tenant, who gets an account and access once all is there.

    `invitations`: how many were asked for so far.
    """

    email: str
    name: str
    invitations: int = 1


@dataclass(frozen=True)
class NewTenant:
    """What a caller asks for; already checked for form, not yet for whether it is free."""

    slug: str
    name: str
    plan: str
    domains: tuple[str, ...] = ()
    billing_info: BillingInfo | None = None
    partner_id: str | None = None
    owner: Owner | None = None


class TenantChanges(TypedDict, total=False):
    """Fields to write; what is absent stays."""

    name: str
    plan: str
    domains: tuple[str, ...]
    billing_info: BillingInfo | None
    partner_id: str | None
    owner: Owner | None


class TenantPatch(TypedDict, total=False):
    """What a caller asks to change, to be merged (RFC 7396): what is absent stays, None removes.

    `billing_info` maps a field's name to its text, with `address` one such mapping more; `owner` likewise.
    """

    name: str
    plan: str
    domains: tuple[str, ...]
    billing_info: Mapping[str, Any] | None
    partner_id: str | None
    owner: Mapping[str, str]


#: changes of these are carried to the outside systems; with billing, what stands on invoices as well
CARRIED = frozenset({"name", "plan", "domains", "owner"})
CARRIED_WITH_BILLING = CARRIED | {"billing_info"}


@dataclass(frozen=True)
class Drift:
    """What the latest plan found: step name to what a reconcile would do there; nothing when all is as wanted."""

    looked_at: datetime
    changes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Tenant:
    """A customer organisation.

    `remote`: what each integration knows the tenant by, under the record's field names (`authentikGroupId` ...).
    `generation` is raised by each accepted change; `version` by every write. `purge_after`: when the sweep may remove a
    deleted tenant for good; `purged_at`: when that was done.
    """

    id: str
    slug: str
    name: str
    status: Status
    plan: str
    domains: tuple[str, ...]
    billing_info: BillingInfo | None
    partner_id: str | None
    provisioning_status: Mapping[str, str]
    provisioning_errors: Mapping[str, str]
    remote: Mapping[str, Any]
    operation_id: str | None
    generation: int
    version: int
    created_at: datetime
    updated_at: datetime
    owner: Owner | None = None
    suspend_reason: str | None = None
    purge_after: datetime | None = None
    purged_at: datetime | None = None
    drift: Drift | None = None
    pause: Pause | None = None

    @property
    def group_name(self) -> str:
        """The name of its group in Authentik, which is also the name that tokens carry."""
        return f"tenant-{self.slug}"

    @property
    def is_degraded(self) -> bool:
        return "error" in self.provisioning_status.values()


def resolved(tenant: Tenant, patch: TenantPatch) -> TenantChanges:
    """What the patch makes of this tenant: the fields that really change."""
    wanted: dict[str, Any] = dict(patch)
    if "billing_info" in patch:
        wanted["billing_info"] = _merged_billing(tenant.billing_info, patch["billing_info"])
    if "owner" in patch:
        wanted["owner"] = _merged_owner(tenant.owner, patch["owner"])
    changes = {name: value for name, value in wanted.items() if getattr(tenant, name) != value}
    return cast(TenantChanges, changes)


def _merged_owner(known: Owner | None, patch: Mapping[str, str]) -> Owner:
    """Return the corrected owner, of whom nothing was asked yet if the address is another. Raises InvalidInput."""
    given = {"email": known.email, "name": known.name} | dict(patch) if known else dict(patch)
    missing = [name for name in ("email", "name") if name not in given]
    if missing:
        raise InvalidInput(
            [FieldError(f"/owner/{name}", "must be sent: the tenant has no owner yet") for name in missing]
        )
    if known is not None and given["email"] == known.email:
        return replace(known, name=given["name"])
    return Owner(given["email"], given["name"])


def _merged_billing(known: BillingInfo | None, patch: Mapping[str, Any] | None) -> BillingInfo | None:
    if patch is None:
        return None
    known = known or BillingInfo()
    plain = {name: value or "" for name, value in patch.items() if name != "address"}
    address = known.address
    if "address" in patch:
        sent: Mapping[str, Any] | None = patch["address"]
        merged = {name: value or "" for name, value in (sent or {}).items()}
        address = Address() if sent is None else replace(address, **merged)
    return replace(known, **plain, address=address)


@dataclass(frozen=True)
class Due:
    """A tenant whose time has come. `is_over`: its grace has run out; else its last action is to be begun again."""

    tenant: Tenant
    is_over: bool
