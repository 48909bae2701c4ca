"""Rules for orphans: objects in an integration that carry our ownership marker and belong to no living tenant.

An orphan is never removed automatically: an operator has to approve its removal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.integrations.catalog import INTEGRATIONS
from shared.tenants.model import Tenant


class OrphanKind(StrEnum):
    """The kinds of marked objects in the catalogue of integrations."""

    GROUP = "group"
    MAIL_DOMAIN = "mail_domain"
    MAIL_TENANT = "mail_tenant"
    SPACE = "space"


#: kinds of which a tenant has one object, with the tenant's field that holds its id
RECORDED: Mapping[str, str] = {
    kind.name: kind.only for one in INTEGRATIONS.values() for kind in one.marked if kind.only is not None
}


class OrphanStatus(StrEnum):
    """`quarantined`: found; `removable`: found again after the quarantine; `removing`: approved by an operator;
    `removed`: removed by us; `kept`: it belongs to a living tenant after all; `gone`: no longer found.
    """

    QUARANTINED = "quarantined"
    REMOVABLE = "removable"
    REMOVING = "removing"
    REMOVED = "removed"
    KEPT = "kept"
    GONE = "gone"


class Cause(StrEnum):
    """The reason why an object is an orphan. ORPHAN_CAUSES in the catalogue of reasons has a sentence for each."""

    TENANT_UNKNOWN = "tenant_unknown"
    TENANT_PURGED = "tenant_purged"
    OTHER_OBJECT = "other_object"


@dataclass(frozen=True)
class MarkedObject:
    """An object with a tenant's ownership marker. `is_proof`: the marker is signed, so only we can have made it."""

    kind: OrphanKind
    id: str
    name: str
    tenant_id: str
    is_proof: bool = True


@dataclass(frozen=True)
class Removal:
    """A removal that an operator approved. `changes`: removed objects; `verified`: how the absence was confirmed.

    `reason`, `message`, `remedy`: why the latest attempt failed; `due_at`: when the next attempt is due.
    """

    requested_by: str | None
    requested_at: datetime
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
    """An orphan on record. `object_id`: its id in the integration. `removable_at`: end of its quarantine."""

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
class OrphanScan:
    """The latest scan of an integration. `marked`: objects found with our marker; `orphans`: how many of them are.

    `done_at`: when a scan last succeeded. `reason`, `message`, `remedy`: why the latest attempt failed. `due_at`: when
    the next one is due, None: on request only.
    """

    integration: str
    done_at: datetime | None = None
    due_at: datetime | None = None
    began_at: datetime | None = None
    marked: int = 0
    orphans: int = 0
    reason: str | None = None
    message: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class OrphanQuery:
    """A list request. `after`: the cursor of the page before; `integration` and `status` filter exactly."""

    limit: int = 50
    after: str | None = None
    integration: str | None = None
    status: str | None = None


@dataclass(frozen=True)
class Known:
    """Our records, read after a scan has ended, to compare its result with.

    `began_at`: when the scan began. `tenants`: by id. `busy`: ids of tenants with an open operation.
    """

    began_at: datetime
    tenants: Mapping[str, Tenant]
    busy: Collection[str]


def orphans_among(found: Collection[MarkedObject], known: Known) -> dict[MarkedObject, Cause]:
    """Return the orphans among the objects that a scan found. The next scan decides on anything changed since."""
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
        # a tenant is on record before any of its objects exists. An id in a name alone proves nothing
        return Cause.TENANT_UNKNOWN if one.is_proof or one.tenant_id in proven else None
    if tenant.purged_at is not None:
        return Cause.TENANT_PURGED if tenant.purged_at < known.began_at else None
    if tenant.id in known.busy or tenant.updated_at >= known.began_at:
        return None
    named = tenant.remote.get(RECORDED.get(one.kind, ""))
    if named is None or named == one.id or (one.kind, named, one.tenant_id) not in seen:
        return None  # the recorded object is missing: the next reconcile may adopt this one instead
    return Cause.OTHER_OBJECT
