"""A person's record: what the database, not the token, says they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypedDict


class Role(StrEnum):
    """What somebody is within their own tenants or partner."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"

    @property
    def rank(self) -> int:
        """Who may look after whom: nobody gives, takes or touches a role above their own."""
        return {Role.MEMBER: 0, Role.ADMIN: 1, Role.OWNER: 2}[self]


@dataclass(frozen=True)
class NewUser:
    """A record to be made before its person first signs in. `subject` is the `sub` of their Authentik tokens."""

    subject: str
    email: str
    name: str
    role: Role = Role.MEMBER
    tenant_ids: tuple[str, ...] = ()
    partner_id: str | None = None
    platform_admin: bool = False


class UserChanges(TypedDict, total=False):
    """Fields to change; what is absent stays."""

    email: str
    name: str
    role: Role
    tenant_ids: tuple[str, ...]
    partner_id: str | None
    platform_admin: bool


@dataclass(frozen=True)
class User:
    """`subject` is the `sub` of their Authentik tokens; `tenant_ids` the tenants whose groups they are in.

    `role_tenant_ids`: where the role holds when it was given by somebody whose word reaches no further than those
    tenants; elsewhere the user is a member. None: the platform gave it, and it holds everywhere.
    """

    id: str
    subject: str
    tenant_ids: tuple[str, ...]
    partner_id: str | None
    email: str
    name: str
    role: Role
    platform_admin: bool
    created_at: datetime
    updated_at: datetime
    role_tenant_ids: tuple[str, ...] | None = None
    version: int = 1

    def role_in(self, tenant_id: str) -> Role | None:
        """The role within one tenant, None for a stranger to it."""
        if tenant_id not in self.tenant_ids:
            return None
        return self.role if self.role_tenant_ids is None or tenant_id in self.role_tenant_ids else Role.MEMBER
