"""Request and response schemas of tenants and of the plans that they can have."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import BeforeValidator, Field, create_model, model_validator

from api.schemas.fields import Country, DomainName, InvoiceEmail, Line, Name, ObjectIdText, OwnerEmail, Slug
from api.schemas.models import (
    OMIT_EMPTY,
    UNSENT,
    PatchModel,
    PlanName,
    RequestModel,
    ResponseModel,
    example,
    to_json,
)
from api.schemas.platform.integrations import PauseResponse
from api.schemas.tenants.operations import OperationResponse
from shared.integrations.catalog import REMOTE_FIELDS
from shared.tenants.model import Address, BillingInfo, NewTenant, Owner, Status, TenantPatch
from shared.tenants.views import TenantView

Domains = Annotated[list[DomainName], Field(max_length=100)]


class AddressRequest(RequestModel):
    line1: Line = ""
    line2: Line = ""
    city: Line = ""
    postal_code: Line = ""
    country: Country | None = None


class BillingInfoRequest(RequestModel):
    company: Line = ""
    vat_id: Line = ""
    email: InvoiceEmail | None = None
    address: AddressRequest = AddressRequest()

    def to_value(self) -> BillingInfo:
        sent = self.address
        address = Address(sent.line1, sent.line2, sent.city, sent.postal_code, sent.country or "")
        return BillingInfo(self.company, self.vat_id, self.email or "", address)


class OwnerRequest(RequestModel):
    """The first person of a tenant, who gets an account, and access once everything is provisioned."""

    email: OwnerEmail
    name: Name


class SuspensionRequest(RequestModel):
    """The reason of a suspension, which is shown to the tenant's people. The whole body may be left out."""

    model_config = example({"reason": "the invoice of March is unpaid"})

    reason: Name | None = None


class CreateTenantRequest(RequestModel):
    """A new tenant. Without a plan it gets the first of the catalogue."""

    model_config = example(
        {
            "slug": "acme",
            "name": "Acme GmbH",
            "plan": "starter",
            "domains": ["acme.example"],
            "billingInfo": {"company": "Acme GmbH", "address": {"country": "DE"}},
            "owner": {"email": "olga@acme.example", "name": "Olga Example"},
        }
    )

    slug: Slug
    name: Name
    plan: PlanName | None = None
    domains: Domains = Field([])
    billing_info: BillingInfoRequest | None = None
    partner_id: ObjectIdText | None = None
    owner: OwnerRequest | None = None

    def to_value(self, default_plan: str) -> NewTenant:
        return NewTenant(
            slug=self.slug,
            name=self.name,
            plan=self.plan or default_plan,
            domains=tuple(dict.fromkeys(self.domains)),
            billing_info=self.billing_info.to_value() if self.billing_info else None,
            partner_id=self.partner_id,
            owner=Owner(self.owner.email, self.owner.name) if self.owner else None,
        )


class UpdateAddressRequest(PatchModel):
    line1: Line | None = None
    line2: Line | None = None
    city: Line | None = None
    postal_code: Line | None = None
    country: Country | None = None


class UpdateBillingInfoRequest(PatchModel):
    company: Line | None = None
    vat_id: Line | None = None
    email: InvoiceEmail | None = None
    address: UpdateAddressRequest | None = None

    def sent_fields(self) -> dict[str, Any]:
        fields = super().sent_fields()
        return fields | ({"address": self.address.sent_fields()} if self.address else {})


class UpdateOwnerRequest(PatchModel):
    """A correction of the owner, until the tenant is active. An account that exists keeps its name in Authentik."""

    email: OwnerEmail = UNSENT
    name: Name = UNSENT


class UpdateTenantRequest(PatchModel):
    """Changes to a tenant. A new name, plan, owner or set of domains starts a reconcile."""

    model_config = example({"name": "Acme AG", "billingInfo": {"vatId": None}})

    name: Name = UNSENT
    plan: PlanName = UNSENT
    domains: Domains = UNSENT
    billing_info: UpdateBillingInfoRequest | None = None
    partner_id: ObjectIdText | None = None
    owner: UpdateOwnerRequest = UNSENT

    def to_value(self) -> TenantPatch:
        fields = self.sent_fields()
        parts = {"billing_info": self.billing_info, "owner": self.owner if "owner" in fields else None}
        return cast(TenantPatch, fields | {name: part.sent_fields() for name, part in parts.items() if part})


#: responses in the cache: a few pages of a few callers
CACHE_SIZE = 1024

#: leaves billing information out of the response that was removed
OMIT_REMOVED = BeforeValidator(lambda found: None if found == BillingInfo() else found)
FilledText = Annotated[str | None, OMIT_EMPTY]
StepState = Literal["pending", "ok", "skipped", "error"]


class AddressResponse(ResponseModel):
    line1: FilledText = None
    line2: FilledText = None
    city: FilledText = None
    postal_code: FilledText = None
    country: FilledText = Field(None, description="ISO 3166-1 alpha-2")


class BillingInfoResponse(ResponseModel):
    company: FilledText = None
    vat_id: FilledText = None
    email: FilledText = None
    address: AddressResponse


class OwnerResponse(ResponseModel):
    email: str
    name: str


class NotCheckedResponse(ResponseModel):
    """A step that the latest drift check left out, because its integration was paused or its breaker was open."""

    step: str
    looked_at: datetime | None = Field(
        None, validation_alias="checked_at", description="its last check; absent: none since the last change"
    )


class DriftResponse(ResponseModel):
    """The latest drift check. A step that it left out keeps the changes that its last check found."""

    looked_at: datetime = Field(validation_alias="checked_at")
    changes: dict[str, list[str]]
    not_checked: list[NotCheckedResponse] = Field([], description="steps that the latest check left out")


class _TenantFields(ResponseModel):
    id: ObjectIdText = Field(serialization_alias="_id")
    slug: str
    name: str
    status: Status
    plan: str
    domains: list[str]
    billing_info: Annotated[BillingInfoResponse | None, OMIT_REMOVED] = None
    partner_id: str | None = None
    provisioning_status: dict[str, Annotated[str, Field(json_schema_extra={"enum": list(get_args(StepState))})]]
    provisioning_errors: dict[str, str]
    health: Literal["ok", "degraded"] = Field(description="degraded: some step failed or is being retried")
    owner: OwnerResponse | None = None
    suspend_reason: str | None = None
    purge_after: datetime | None = Field(None, description="a deleted tenant is purged after this time")
    purged_at: datetime | None = None
    pause: PauseResponse | None = Field(None, description="an operator's pause of its steps")
    drift: DriftResponse | None = Field(None, description="the latest drift check since the last change")
    version: int
    created_at: datetime
    updated_at: datetime
    operation: OperationResponse | None = None


#: the tenant's ids in each integration, named by the integrations' catalog
_LISTS: dict[str, Any] = {
    "stalwartDomains": list[dict[str, str]],
    "dnsRecords": list[dict[str, str]],
    "stalwartLocked": list[str],
    "stalwartReturning": list[str],
    "stalwartRefused": list[str],
    "stalwartClosedDomains": list[dict[str, str]],
}
_REMOTE: dict[str, Any] = {name: (_LISTS.get(name, str) | None, None) for name in REMOTE_FIELDS}


class TenantResponse(create_model("_TenantRemote", __base__=_TenantFields, **_REMOTE)):  # type: ignore[misc]
    """A customer organisation with its latest operation and its ids in each integration."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, view: TenantView) -> dict[str, Any]:
        health = "degraded" if view.is_degraded else "ok"
        return {**view.tenant.remote, **vars(view.tenant), "health": health, "operation": view.operation}


@lru_cache(CACHE_SIZE)
def written(view: TenantView) -> str:
    """Return the JSON of a view. The cache key is the view itself, so a changed document misses the cache."""
    return to_json(TenantResponse.of(view))


class PlanResponse(ResponseModel):
    """A plan. A quota of 0 means no limit."""

    name: str
    mailboxes: int = Field(description="how many mail accounts")
    mail_bytes: int
    space_bytes: int
