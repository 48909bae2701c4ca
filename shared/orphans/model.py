"""An orphan: an object outside that carries our stamp and belongs to no living tenant; how it is told.

Nothing here removes anything: an orphan stays until an operator says otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.integrations.catalog import AUTHENTIK, OCIS, STALWART
from shared.tenants.model import Tenant

#: integrations that are looked through. What Stripe keeps of a tenant that is gone has to be kept.
LOOKED_THROUGH = (AUTHENTIK, STALWART, OCIS)


class OrphanKind(StrEnum):
    GROUP = "group"
    MAIL_DOMAIN = "mail_domain"
    MAIL_TENANT = "mail_tenant"
    SPACE = "space"


#: kinds of which a tenant has one, with the field of its record that names it. What leaves a tenant's list of domains
#: is still the tenant's, so a mail domain of a living tenant is never an orphan.
RECORDED: Mapping[OrphanKind, str] = {
    OrphanKind.GROUP: "authentikGroupId",
    OrphanKind.MAIL_TENANT: "stalwartTenantId",
    OrphanKind.SPACE: "ocisSpaceId",
}


class OrphanStatus(StrEnum):
    """`quarantined` from first sight; `removable` once it was seen again after its quarantine; `removing` on an
    operator's word, then `removed`. `kept`: it belongs to somebody after all; `gone`: it was no longer seen.
    """

    QUARANTINED = "quarantined"
    REMOVABLE = "removable"
    REMOVING = "removing"
    REMOVED = "removed"
    KEPT = "kept"
    GONE = "gone"


class Cause(StrEnum):
    """Why an object is an orphan: the names of ORPHAN_CAUSES in the catalogue."""

    TENANT_UNKNOWN = "tenant_unknown"
    TENANT_PURGED = "tenant_purged"
    OTHER_OBJECT = "other_object"


@dataclass(frozen=True)
class MarkedObject:
    """An object that carries a tenant's mark. `is_proof`: the mark is one that only we make."""

    kind: OrphanKind
    id: str
    name: str
    tenant_id: str
    is_proof: bool = True


@dataclass(frozen=True)
class Removal:
    """What an operator's word has led to. `changes`: what was removed; `verified`: how its absence was seen.

    `reason`, `message`, `remedy`: what stopped the latest attempt; `due_at`: when there is another.
    """

    asked_by: str | None
    asked_at: datetime
    attempts: int
    due_at: datetime | None = None
    reason: str | None = None
    message: str | None = None
    remedy: str | None = None
    changes: tuple[str, ...] = ()
    verified: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Orphan:
    """As read from the record. `object_id` is the integration's. `removable_at`: when its quarantine ends."""

    id: str
    integration: str
    kind: OrphanKind
    object_id: str
    name: str
    tenant_id: str
    cause: Cause
    status: OrphanStatus
    first_seen_at: datetime
    last_seen_at: datetime
    sightings: int
    removable_at: datetime
    removal: Removal | None = None


@dataclass(frozen=True)
class OrphanLook:
    """How an integration was last looked through: `done_at` is when that came to its end, `stamped` and `orphans` what
    was seen. `reason`, `message`, `remedy`: what stopped the latest attempt. `due_at` None: not by itself.
    """

    integration: str
    done_at: datetime | None = None
    due_at: datetime | None = None
    began_at: datetime | None = None
    stamped: int = 0
    orphans: int = 0
    reason: str | None = None
    message: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class OrphanQuery:
    """A list request. `after` is a page's `next`; the others are exact."""

    limit: int = 50
    after: str | None = None
    integration: str | None = None
    status: str | None = None


@dataclass(frozen=True)
class Known:
    """What is known as a look is judged, read from the record after the look had ended.

    `began_at`: when the look began. `tenants`: by id. `busy`: ids of tenants that an operation is open for.
    """

    began_at: datetime
    tenants: Mapping[str, Tenant]
    busy: Collection[str]


def judged(found: Collection[MarkedObject], known: Known) -> dict[MarkedObject, Cause]:
    """The orphans among all that a look found. Whatever changed since the look began is left to the next."""
    proven = {one.tenant_id for one in found if one.is_proof}
    seen = {(one.kind, one.id, one.tenant_id) for one in found}
    causes: dict[MarkedObject, Cause] = {}
    for one in found:
        cause = _cause(one, known, proven, seen)
        if cause is not None:
            causes[one] = cause
    return causes


def _cause(
    one: MarkedObject, known: Known, proven: Collection[str], seen: Collection[tuple[OrphanKind, str, str]]
) -> Cause | None:
    tenant = known.tenants.get(one.tenant_id)
    if tenant is None:
        # a tenant is on record before anything of it is made. A bare number in a name proves nothing by itself.
        return Cause.TENANT_UNKNOWN if one.is_proof or one.tenant_id in proven else None
    if tenant.purged_at is not None:
        return Cause.TENANT_PURGED if tenant.purged_at < known.began_at else None
    if tenant.id in known.busy or tenant.updated_at >= known.began_at:
        return None
    named = tenant.remote.get(RECORDED.get(one.kind, ""))
    if named is None or named == one.id or (one.kind, named, one.tenant_id) not in seen:
        return None  # what the record names is not there: the tenant's next reconcile may take this one instead
    return Cause.OTHER_OBJECT
