"""What may be sent: one model for each body. Their schemas are the service's description as well."""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from api.fields import Country, DomainName, Email, Line, Moment, Name, ObjectIdText, Slug, StripeId, Subject
from shared.domain.subscription import NewSubscription, SubscriptionChanges, SubscriptionStatus
from shared.domain.tenant import Address, BillingInfo, NewTenant, TenantPatch
from shared.domain.user import NewUser, Role, UserChanges

PlanName = Annotated[str, StringConstraints(max_length=64), Field(json_schema_extra={"x-catalogue": "plans"})]
Domains = Annotated[list[DomainName], Field(max_length=100)]
TenantIds = Annotated[list[ObjectIdText], Field(max_length=200)]
#: enumerations come as text, which strict checking would refuse
RoleText = Annotated[Role, Field(strict=False)]
StatusText = Annotated[SubscriptionStatus, Field(strict=False)]
#: the default of a field that may be left out but not be null; only what was sent is ever looked at
UNSENT: Any = Field(default_factory=lambda: None)


class Body(BaseModel):
    """Field names are camel case outside; unknown ones are refused; nothing is coerced from another type."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)


class Patch(Body):
    """Merged into the record (RFC 7396): what is absent stays, null removes what may be absent."""

    def sent_fields(self) -> dict[str, Any]:
        """Just what was sent, lists as tuples."""
        found = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: tuple(dict.fromkeys(v)) if isinstance(v, list) else v for name, v in found.items()}


# -- tenants


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


class NewTenantBody(Body):
    """A tenant to be set up. Without a plan it gets the catalogue's first."""

    slug: Slug
    name: Name
    plan: PlanName | None = None
    domains: Domains = []
    billing_info: BillingInfoBody | None = None
    partner_id: ObjectIdText | None = None

    def to_domain(self, default_plan: str) -> NewTenant:
        return NewTenant(
            slug=self.slug,
            name=self.name,
            plan=self.plan or default_plan,
            domains=tuple(dict.fromkeys(self.domains)),
            billing_info=self.billing_info.to_domain() if self.billing_info else None,
            partner_id=self.partner_id,
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


# -- users


class NewUserBody(Body):
    """Somebody's record, made before they first sign in."""

    authentik_subject_id: Subject
    email: Email
    name: Name
    role: RoleText = Role.MEMBER
    tenant_ids: TenantIds = []
    partner_id: ObjectIdText | None = None
    platform_admin: bool = False

    def to_domain(self) -> NewUser:
        return NewUser(
            subject=self.authentik_subject_id,
            email=self.email,
            name=self.name,
            role=self.role,
            tenant_ids=tuple(dict.fromkeys(self.tenant_ids)),
            partner_id=self.partner_id,
            platform_admin=self.platform_admin,
        )


class UserPatchBody(Patch):
    """Changes to somebody's record; nobody gives a right above their own."""

    email: Email = UNSENT
    name: Name = UNSENT
    role: RoleText = UNSENT
    tenant_ids: TenantIds = UNSENT
    partner_id: ObjectIdText | None = None
    platform_admin: bool = UNSENT

    def to_domain(self) -> UserChanges:
        return cast(UserChanges, self.sent_fields())


# -- partners and subscriptions


class NewPartnerBody(Body):
    """A reseller."""

    slug: Slug
    name: Name


class PartnerPatchBody(Patch):
    """Changes to a reseller; its slug stays."""

    name: Name = UNSENT


class NewSubscriptionBody(Body):
    """What a tenant pays for; a tenant has one live subscription at most."""

    tenant_id: ObjectIdText
    plan: PlanName
    status: StatusText = SubscriptionStatus.ACTIVE
    stripe_customer_id: StripeId | None = None
    stripe_subscription_id: StripeId | None = None
    current_period_end: Moment | None = None

    def to_domain(self) -> NewSubscription:
        return NewSubscription(**{name: getattr(self, name) for name in type(self).model_fields})


class SubscriptionPatchBody(Patch):
    """Changes to a subscription."""

    plan: PlanName = UNSENT
    status: StatusText = UNSENT
    stripe_customer_id: StripeId | None = None
    stripe_subscription_id: StripeId | None = None
    current_period_end: Moment | None = None

    def to_domain(self) -> SubscriptionChanges:
        return cast(SubscriptionChanges, self.sent_fields())
