"""What may be sent of tenants."""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import Field

from api.schemas.fields import Country, DomainName, Email, Line, Name, ObjectIdText, Slug
from api.schemas.request_model import UNSENT, Body, Patch, PlanName
from shared.tenants.model import Address, BillingInfo, NewTenant, Owner, TenantPatch

Domains = Annotated[list[DomainName], Field(max_length=100)]


class AddressBody(Body):
    line1: Line = ""
    line2: Line = ""
    city: Line = ""
    postal_code: Line = ""
    country: Country | None = None


class BillingInfoBody(Body):
    company: Line = ""
    vat_id: Line = ""
    email: Email | None = None
    address: AddressBody = AddressBody()

    def to_domain(self) -> BillingInfo:
        sent = self.address
        address = Address(sent.line1, sent.line2, sent.city, sent.postal_code, sent.country or "")
        return BillingInfo(self.company, self.vat_id, self.email or "", address)


class OwnerBody(Body):
    """The first person of a tenant: an account is made for them, and access given once all is there."""

    email: Email
    name: Name


class SuspensionBody(Body):
    """Why a tenant is suspended; kept, and shown to its people."""

    reason: Name


class NewTenantBody(Body):
    """A tenant to be set up. Without a plan it gets the catalogue's first."""

    slug: Slug
    name: Name
    plan: PlanName | None = None
    domains: Domains = Field([])
    billing_info: BillingInfoBody | None = None
    partner_id: ObjectIdText | None = None
    owner: OwnerBody | None = None

    def to_domain(self, default_plan: str) -> NewTenant:
        return NewTenant(
            slug=self.slug,
            name=self.name,
            plan=self.plan or default_plan,
            domains=tuple(dict.fromkeys(self.domains)),
            billing_info=self.billing_info.to_domain() if self.billing_info else None,
            partner_id=self.partner_id,
            owner=Owner(self.owner.email, self.owner.name) if self.owner else None,
        )


class AddressPatch(Patch):
    line1: Line | None = None
    line2: Line | None = None
    city: Line | None = None
    postal_code: Line | None = None
    country: Country | None = None


class BillingInfoPatch(Patch):
    company: Line | None = None
    vat_id: Line | None = None
    email: Email | None = None
    address: AddressPatch | None = None

    def sent_fields(self) -> dict[str, Any]:
        fields = super().sent_fields()
        return fields | ({"address": self.address.sent_fields()} if self.address else {})


class TenantPatchBody(Patch):
    """Changes to a tenant. A new name, plan or set of domains starts the reconcile that carries it outside."""

    name: Name = UNSENT
    plan: PlanName = UNSENT
    domains: Domains = UNSENT
    billing_info: BillingInfoPatch | None = None
    partner_id: ObjectIdText | None = None

    def to_domain(self) -> TenantPatch:
        fields = self.sent_fields()
        billing = {"billing_info": self.billing_info.sent_fields()} if self.billing_info else {}
        return cast(TenantPatch, fields | billing)
