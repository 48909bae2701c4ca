"""Documents of the `tenants` collection: their indexes, and the mapping to values and back."""

from __future__ import annotations

from pymongo import ASCENDING, DESCENDING, IndexModel

from shared.db.documents import Document
from shared.integrations.catalog import INTEGRATIONS
from shared.switches.pause import Pause
from shared.tenants.model import Address, BillingInfo, Drift, Owner, Status, Tenant

REMOTE_FIELDS = tuple(field for fields in INTEGRATIONS.values() for field in fields)

INDEXES = [
    IndexModel([("slug", ASCENDING)], name="slug", unique=True),
    # multikey and unique: no two tenants can have the same domain
    IndexModel(
        [("domains", ASCENDING)],
        name="domains",
        unique=True,
        partialFilterExpression={"domains.0": {"$exists": True}},
    ),
    IndexModel([("partnerId", ASCENDING), ("_id", DESCENDING)], name="partner"),
    IndexModel([("status", ASCENDING), ("_id", DESCENDING)], name="status"),
    IndexModel([("status", ASCENDING), ("driftDueAt", ASCENDING)], name="drift"),
    IndexModel([("retryAt", ASCENDING)], name="retry", sparse=True),
    IndexModel([("pause.since", ASCENDING), ("_id", DESCENDING)], name="paused", sparse=True),
    IndexModel([("purgeAfter", ASCENDING)], name="purge", sparse=True),
    IndexModel([("plan", ASCENDING), ("_id", DESCENDING)], name="plan"),
    IndexModel([("unconfigured", ASCENDING)], name="unconfigured", sparse=True),
    IndexModel([("search", ASCENDING), ("_id", DESCENDING)], name="search"),
    # integrations in which the latest drift check found drift; the field is absent without drift
    IndexModel(
        [("drifted", ASCENDING), ("drift.lookedAt", ASCENDING)],
        name="drifted",
        partialFilterExpression={"drifted": {"$exists": True}},
    ),
    *[
        IndexModel([(f"provisioningStatus.{integration}", ASCENDING), ("_id", DESCENDING)], name=f"step_{integration}")
        for integration in INTEGRATIONS
    ],
]


def billing_document(billing: BillingInfo | None) -> Document | None:
    """Return billing information as a document."""
    if billing is None:
        return None
    address = billing.address
    return {
        "company": billing.company,
        "vatId": billing.vat_id,
        "email": billing.email,
        "address": {
            "line1": address.line1,
            "line2": address.line2,
            "city": address.city,
            "postalCode": address.postal_code,
            "country": address.country,
        },
    }


def tenant_of(row: Document) -> Tenant:
    """Return the tenant of a document."""
    return Tenant(
        id=str(row["_id"]),
        slug=row["slug"],
        name=row["name"],
        status=Status(row["status"]),
        plan=row["plan"],
        domains=tuple(row["domains"]),
        billing_info=_billing(row.get("billingInfo")),
        partner_id=row.get("partnerId"),
        provisioning_status=row["provisioningStatus"],
        provisioning_errors=row["provisioningErrors"],
        remote={field: row[field] for field in REMOTE_FIELDS if row.get(field) is not None},
        operation_id=str(row["operationId"]) if row.get("operationId") else None,
        generation=row["generation"],
        version=row["version"],
        created_at=row["createdAt"],
        updated_at=row["updatedAt"],
        owner=_owner(row.get("owner")),
        suspend_reason=row.get("suspendReason"),
        purge_after=row.get("purgeAfter"),
        purged_at=row.get("purgedAt"),
        drift=_drift(row.get("drift")),
        pause=_pause(row.get("pause")),
    )


def _owner(document: Document | None) -> Owner | None:
    return Owner(document["email"], document["name"], document.get("invitations", 1)) if document else None


def owner_document(owner: Owner | None) -> Document | None:
    return {"email": owner.email, "name": owner.name, "invitations": owner.invitations} if owner else None


def _drift(document: Document | None) -> Drift | None:
    if document is None:
        return None
    changes = {step: tuple(sentences) for step, sentences in document["changes"].items()}
    return Drift(document["lookedAt"], changes)


def _pause(document: Document | None) -> Pause | None:
    return Pause(document["reason"], document["since"], document["by"]) if document else None


def _billing(document: Document | None) -> BillingInfo | None:
    if document is None:
        return None
    address = document.get("address", {})
    return BillingInfo(
        company=document.get("company", ""),
        vat_id=document.get("vatId", ""),
        email=document.get("email", ""),
        address=Address(
            line1=address.get("line1", ""),
            line2=address.get("line2", ""),
            city=address.get("city", ""),
            postal_code=address.get("postalCode", ""),
            country=address.get("country", ""),
        ),
    )
