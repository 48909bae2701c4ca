"""Tenants, as they are answered."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field, create_model

from api.http.responses import ObjectIdText, ResponseModel, to_json
from api.schemas.operations import OperationAnswer
from api.schemas.switches import PauseAnswer
from shared.provisioning.exports import TenantView
from shared.tenants.model import Address, BillingInfo, Drift, Status
from shared.tenants.transitions import INTEGRATIONS

#: how many answers are remembered: a few pages of a few callers
REMEMBERED = 1024

StepState = Literal["pending", "ok", "skipped", "error"]


class AddressAnswer(ResponseModel):
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    postal_code: str | None = None
    country: str | None = Field(None, description="ISO 3166-1 alpha-2")

    @classmethod
    def of(cls, address: Address) -> AddressAnswer:
        return cls(**{name: value or None for name, value in vars(address).items()})


class BillingInfoAnswer(ResponseModel):
    company: str | None = None
    vat_id: str | None = None
    email: str | None = None
    address: AddressAnswer

    @classmethod
    def of(cls, billing: BillingInfo) -> BillingInfoAnswer:
        plain = {name: getattr(billing, name) or None for name in ("company", "vat_id", "email")}
        return cls(**plain, address=AddressAnswer.of(billing.address))


class OwnerAnswer(ResponseModel):
    email: str
    name: str


class DriftAnswer(ResponseModel):
    """What the latest plan found: step to what a reconcile would do there. Empty: all was as wanted."""

    looked_at: datetime
    changes: dict[str, list[str]]


class _TenantFields(ResponseModel):
    id: ObjectIdText = Field(serialization_alias="_id")
    slug: str
    name: str
    status: Status
    plan: str
    domains: list[str]
    billing_info: BillingInfoAnswer | None = None
    partner_id: str | None = None
    provisioning_status: dict[str, StepState]
    provisioning_errors: dict[str, str]
    health: Literal["ok", "degraded"] = Field(description="degraded: the latest outcome of some step is an error")
    owner: OwnerAnswer | None = None
    suspend_reason: str | None = None
    purge_after: datetime | None = Field(None, description="from then on a deleted tenant is removed for good")
    purged_at: datetime | None = None
    pause: PauseAnswer | None = Field(None, description="an operator holds its steps back")
    drift: DriftAnswer | None = Field(None, description="what the latest plan found since the last change")
    version: int
    created_at: datetime
    updated_at: datetime
    operation: OperationAnswer | None = None


#: what each integration knows the tenant by, named by the integrations' own table
_LISTS: dict[str, Any] = {
    "stalwartDomains": list[dict[str, str]],
    "dnsRecords": list[dict[str, str]],
    "stalwartLocked": list[str],
}
_REMOTE: dict[str, Any] = {
    name: (_LISTS.get(name, str) | None, None) for fields in INTEGRATIONS.values() for name in fields
}


class TenantAnswer(create_model("_TenantRemote", __base__=_TenantFields, **_REMOTE)):  # type: ignore[misc]
    """A customer organisation with its latest operation, and what each integration knows it by."""

    @classmethod
    def of(cls, view: TenantView) -> TenantAnswer:
        tenant = view.tenant
        return cls(
            id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            status=tenant.status,
            plan=tenant.plan,
            domains=list(tenant.domains),
            billing_info=BillingInfoAnswer.of(tenant.billing_info) if tenant.billing_info else None,
            partner_id=tenant.partner_id,
            provisioning_status=dict(tenant.provisioning_status),
            provisioning_errors=dict(tenant.provisioning_errors),
            health="degraded" if tenant.is_degraded else "ok",
            owner=OwnerAnswer(email=tenant.owner.email, name=tenant.owner.name) if tenant.owner else None,
            suspend_reason=tenant.suspend_reason,
            purge_after=tenant.purge_after,
            purged_at=tenant.purged_at,
            pause=PauseAnswer.of(tenant.pause) if tenant.pause else None,
            drift=_drift(tenant.drift) if tenant.drift else None,
            version=tenant.version,
            created_at=tenant.created_at,
            updated_at=tenant.updated_at,
            operation=OperationAnswer.of(view.operation) if view.operation else None,
            **tenant.remote,
        )


@lru_cache(REMEMBERED)
def written(view: TenantView) -> str:
    """The answer to a view that was read. What is remembered is of this very view, which is another once its row is."""
    return to_json(TenantAnswer.of(view))


def _drift(drift: Drift) -> DriftAnswer:
    return DriftAnswer(looked_at=drift.looked_at, changes={name: list(said) for name, said in drift.changes.items()})
