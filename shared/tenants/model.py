"""Tenants, their parts and their status: values without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict, cast

from shared.core.errors import FieldError, InvalidInput
from shared.switches.model import Pause


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
    """Data that a tenant's invoices show. Empty: it was removed, so they show nothing but the tenant's name."""

    company: str = ""
    vat_id: str = ""
    email: str = ""
    address: Address = field(default_factory=Address)


@dataclass(frozen=True)
class Owner:
    """The first person of a tenant, who gets an account and access at the end of the provisioning.

    `invitations`: how many were requested so far.
    """

    email: str
    name: str
    invitations: int = 1


@dataclass(frozen=True)
class NewTenant:
    """Values of a tenant that is not recorded yet. They are valid, but slug and domains may be taken."""

    slug: str
    name: str
    plan: str
    domains: tuple[str, ...] = ()
    billing_info: BillingInfo | None = None
    partner_id: str | None = None
    owner: Owner | None = None


class TenantChanges(TypedDict, total=False):
    """Fields to write; absent ones stay as they are."""

    name: str
    plan: str
    domains: tuple[str, ...]
    billing_info: BillingInfo | None
    partner_id: str | None
    owner: Owner | None


class TenantPatch(TypedDict, total=False):
    """A requested change as JSON merge patch (RFC 7396): absent fields stay, None removes.

    `billing_info` and `owner` map field names to texts; `billing_info["address"]` is such a mapping too.
    """

    name: str
    plan: str
    domains: tuple[str, ...]
    billing_info: Mapping[str, Any] | None
    partner_id: str | None
    owner: Mapping[str, str]


#: a change of one of these starts a reconcile, because integrations store them; with billing also what invoices show,
#: except for a closed tenant, whose resume or restore brings that to Stripe
INTEGRATION_FIELDS = frozenset({"name", "plan", "domains", "owner"})
CLOSED = frozenset({Status.SUSPENDED, Status.DELETED})


@dataclass(frozen=True)
class NotChecked:
    """A step that the latest drift check left out. `checked_at`: its last check since the last change, if any."""

    step: str
    checked_at: datetime | None = None


@dataclass(frozen=True)
class Drift:
    """Result of the latest drift check: step name to the changes that a reconcile would make. Empty without drift.

    The changes of a step in `not_checked` are those that its last check found.
    """

    checked_at: datetime
    changes: Mapping[str, tuple[str, ...]]
    not_checked: tuple[NotChecked, ...] = ()

    def checked(self, step: str) -> datetime | None:
        """Return when the step was last checked."""
        return next((one.checked_at for one in self.not_checked if one.step == step), self.checked_at)


@dataclass(frozen=True)
class Tenant:
    """A customer organisation.

    `remote`: ids in the integrations, under the stored field names (`authentikGroupId` ...). `generation`: the fencing
    token, raised by each accepted change; `version` is raised by every write. `purge_after`: earliest time of the
    automatic purge of a deleted tenant. `activation_id`: the operation that first made it active, if an older version
    did not.
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
    activation_id: str | None = None

    @property
    def is_degraded(self) -> bool:
        return "error" in self.provisioning_status.values()


def changed_fields(tenant: Tenant, patch: TenantPatch) -> TenantChanges:
    """Apply a patch; return only the fields whose values differ. Raises InvalidInput."""
    wanted: dict[str, Any] = dict(patch)
    if "billing_info" in patch:
        wanted["billing_info"] = _merged_billing(tenant.billing_info, patch["billing_info"])
    if "owner" in patch:
        wanted["owner"] = _merged_owner(tenant.owner, patch["owner"])
    changes = {name: value for name, value in wanted.items() if getattr(tenant, name) != value}
    return cast(TenantChanges, changes)


def _merged_owner(known: Owner | None, patch: Mapping[str, str]) -> Owner:
    """Return the corrected owner. A new address resets the invitations. Raises InvalidInput."""
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
        # kept as empty: without any, the step would leave what invoices show as it is
        return BillingInfo() if known else None
    known = known or BillingInfo()
    plain = {name: value or "" for name, value in patch.items() if name != "address"}
    address = known.address
    if "address" in patch:
        sent: Mapping[str, Any] | None = patch["address"]
        merged = {name: value or "" for name, value in (sent or {}).items()}
        address = Address() if sent is None else replace(address, **merged)
    return replace(known, **plain, address=address)


@dataclass(frozen=True)
class DueTenant:
    """A tenant for which the scheduler must start an action: a purge if `is_purge_due`, else its failed one again."""

    tenant: Tenant
    is_purge_due: bool
