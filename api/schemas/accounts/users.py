"""Request and response schemas of users and of the caller's own profile."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self, cast

from pydantic import Field, model_validator

from api.schemas.accounts.subscriptions import SubscriptionResponse
from api.schemas.fields import Email, Name, ObjectIdText, Subject
from api.schemas.models import UNSENT, PatchModel, RequestModel, ResponseModel, example
from api.schemas.tenants.tenants import TenantResponse
from shared.accounts.user import NewUser, PlatformRole, Role, UserChanges
from shared.events.erasure_repository import Erased

TenantIds = Annotated[
    list[ObjectIdText], Field(max_length=200, description="ids of the tenants that the person belongs to")
]
#: an enumeration arrives as text, which strict mode would refuse
RoleText = Annotated[Role, Field(strict=False, description="a role in all the person's tenants and the partner")]
SingleRole = Annotated[Role, Field(strict=False)]
PlatformRoleText = Annotated[
    PlatformRole,
    Field(strict=False, description="admin: changes everything; support: reads the same and changes nothing"),
]
PlatformAdmin = Annotated[bool, Field(description="the same as `platformRole: admin`, or as none")]
PartnerId = Annotated[ObjectIdText, Field(description="the partner that the person works for")]
ROLES = "roles in single tenants, by tenant id; they override `role`"
#: the rule of `_require_one_platform_role` as JSON schema
CONTRADICTION: Mapping[str, Any] = {
    "required": ["platformRole", "platformAdmin"],
    "anyOf": [
        {"properties": {"platformRole": {"const": "admin"}, "platformAdmin": {"const": False}}},
        {"properties": {"platformRole": {"not": {"const": "admin"}}, "platformAdmin": {"const": True}}},
    ],
}


def _require_one_platform_role(sent: Mapping[str, Any]) -> None:
    """Raise ValueError when both fields of the platform role were sent and contradict each other."""
    if {"platform_role", "platform_admin"} <= sent.keys():
        is_admin = sent["platform_role"] is PlatformRole.ADMIN
        if is_admin is not sent["platform_admin"]:
            raise ValueError("platformRole and platformAdmin contradict each other; send one of them")


class CreateUserRequest(RequestModel):
    """A person's record, created before their first sign-in."""

    model_config = example(
        {
            "authentikSubjectId": "9f0b9a1c7f",
            "email": "ann@acme.example",
            "name": "Ann Example",
            "role": "admin",
            "tenantIds": ["65f0c0ffee65f0c0ffee65f0"],
        },
        **{"not": CONTRADICTION},
    )

    authentik_subject_id: Subject
    email: Email
    name: Name
    role: RoleText = Role.MEMBER
    roles: dict[ObjectIdText, SingleRole] = Field({}, description=ROLES)
    tenant_ids: TenantIds = Field([])
    partner_id: PartnerId | None = None
    platform_role: PlatformRoleText | None = None
    platform_admin: PlatformAdmin = False

    @model_validator(mode="after")
    def _agreeing(self) -> Self:
        _require_one_platform_role(self.sent_fields())
        return self

    def to_value(self) -> NewUser:
        return NewUser(subject=self.authentik_subject_id, email=self.email, name=self.name)

    def to_changes(self) -> UserChanges:
        """Return the rights that were sent."""
        names = ("role", "roles", "tenant_ids", "partner_id", "platform_role", "platform_admin")
        return cast(UserChanges, {name: value for name, value in self.sent_fields().items() if name in names})


class UpdateUserRequest(PatchModel):
    """Changes to a person's record; you cannot grant more rights than you have."""

    model_config = example({"roles": {"65f0c0ffee65f0c0ffee65f0": "admin"}}, **{"not": CONTRADICTION})

    email: Email = UNSENT
    name: Name = UNSENT
    role: RoleText = UNSENT
    roles: dict[ObjectIdText, SingleRole | None] = Field(default_factory=dict, description=f"{ROLES}; null: member")
    tenant_ids: TenantIds = UNSENT
    partner_id: PartnerId | None = None
    platform_role: PlatformRoleText | None = None
    platform_admin: PlatformAdmin = UNSENT

    @model_validator(mode="after")
    def _agreeing(self) -> Self:
        _require_one_platform_role(self.sent_fields())
        return self

    def to_changes(self) -> UserChanges:
        return cast(UserChanges, self.sent_fields())


class UserResponse(ResponseModel):
    """A person's record, from the database and not from the token.

    It names only those of the person's tenants that the caller may see.
    """

    id: ObjectIdText = Field(serialization_alias="_id", description="the record's id")
    authentik_subject_id: str = Field(validation_alias="subject", description="the `sub` of the person's tokens")
    tenant_ids: list[str] = Field(description="ids of the tenants that the person belongs to")
    partner_id: str | None = Field(None, description="the partner that the person works for")
    email: str = Field(description="the address that the person's latest token named")
    name: str = Field(description="the name that the person's latest token had")
    role: Role = Field(description="the highest of the person's roles")
    roles: dict[str, Role] = Field(description="the role in each tenant, by tenant id")
    platform_role: PlatformRole | None = Field(None, description="a role for all tenants")
    platform_admin: bool = Field(description="whether `platformRole` is admin")
    created_at: datetime = Field(description="when the record was made")
    updated_at: datetime = Field(description="when the record was last changed")


def _remaining_data(erased: Erased) -> list[str]:
    return [
        "That something happened, when, and by which id: the event log is the proof of changes.",
        "Subscriptions and invoices in Stripe: tax law requires them for years.",
        "The account in Authentik: it is another system's; remove it there.",
        "Stored responses to repeated requests: for 24 hours at most.",
        "Reasons and notes that people wrote in their own words, such as the reason of a suspend.",
        *(
            f"The owner of tenant {slug}, on its record and in its later operations; a reconcile also creates the "
            "owner's user record again. Another owner can be named until the tenant is active."
            for slug in erased.owned_tenants
        ),
        *(
            f"The billing contact of tenant {slug}: change it in the tenant's billingInfo."
            for slug in erased.billed_tenants
        ),
        *(
            f"The address {address} outside events about this user: it is another user's now."
            for address in erased.shared_addresses
        ),
    ]


class ErasureResponse(ResponseModel):
    """The result of an erasure, and what remains for which reason."""

    erased_events: int = Field(description="events whose personal data was erased")
    kept: list[str] = Field(description="data that remains, and why")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, erased: Erased) -> dict[str, Any]:
        return {"erased_events": erased.events, "kept": _remaining_data(erased)}


class ProfileResponse(ResponseModel):
    """The caller's profile with tenants and subscriptions, for a portal's first page."""

    profile: UserResponse = Field(validation_alias="user")
    tenants: list[TenantResponse]
    subscriptions: list[SubscriptionResponse]
