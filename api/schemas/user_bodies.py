"""What may be sent of users."""

from __future__ import annotations

from typing import Annotated, cast

from pydantic import Field

from api.schemas.fields import Email, Name, ObjectIdText, Subject
from api.schemas.request_model import UNSENT, Body, Patch
from shared.accounts.user import NewUser, Role, UserChanges

TenantIds = Annotated[list[ObjectIdText], Field(max_length=200)]
#: an enumeration comes as text, which strict checking would refuse
RoleText = Annotated[Role, Field(strict=False)]


class NewUserBody(Body):
    """Somebody's record, made before they first sign in."""

    authentik_subject_id: Subject
    email: Email
    name: Name
    role: RoleText = Role.MEMBER
    tenant_ids: TenantIds = Field([])
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
