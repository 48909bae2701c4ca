"""Request and response schemas of users."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

from pydantic import Field

from api.http.responses import ResponseModel
from api.schemas.fields import Email, Name, ObjectIdText, Subject
from api.schemas.request_model import UNSENT, PatchModel, RequestModel
from shared.accounts.user import NewUser, Role, User, UserChanges

TenantIds = Annotated[list[ObjectIdText], Field(max_length=200)]
#: an enumeration comes as text, which strict checking would refuse
RoleText = Annotated[Role, Field(strict=False)]


class CreateUserRequest(RequestModel):
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


class UpdateUserRequest(PatchModel):
    """Changes to somebody's record; nobody gives a right above their own."""

    email: Email = UNSENT
    name: Name = UNSENT
    role: RoleText = UNSENT
    tenant_ids: TenantIds = UNSENT
    partner_id: ObjectIdText | None = None
    platform_admin: bool = UNSENT

    def to_domain(self) -> UserChanges:
        return cast(UserChanges, self.sent_fields())


class UserResponse(ResponseModel):
    """A person's record: what the database, not the token, says they are."""

    id: ObjectIdText = Field(serialization_alias="_id")
    authentik_subject_id: str
    tenant_ids: list[str]
    partner_id: str | None = None
    email: str
    name: str
    role: Role
    platform_admin: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> UserResponse:
        return cls(
            id=user.id,
            authentik_subject_id=user.subject,
            tenant_ids=list(user.tenant_ids),
            partner_id=user.partner_id,
            email=user.email,
            name=user.name,
            role=user.role,
            platform_admin=user.platform_admin,
            created_at=user.created_at,
            updated_at=user.updated_at,
        )
