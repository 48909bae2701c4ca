"""A person's record: who they are and what they may do. The database decides that, not the token."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TypedDict


class Role(StrEnum):
    """A role within one tenant, or within one partner."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"

    @property
    def rank(self) -> int:
        """Order of roles: nobody gives, takes or changes a role above their own."""
        return {Role.MEMBER: 0, Role.ADMIN: 1, Role.OWNER: 2}[self]


class PlatformRole(StrEnum):
    """A role for all tenants: an administrator changes everything, support reads everything."""

    ADMIN = "admin"
    SUPPORT = "support"


class UserChanges(TypedDict, total=False):
    """Fields to change; an absent one stays.

    `role` holds in all tenants and in the partner of the record; `roles` gives one in single tenants, None takes it.
    `platform_admin` gives and takes that one platform role; `platform_role` wins over it.
    """

    email: str
    name: str
    role: Role
    roles: Mapping[str, Role | None]
    tenant_ids: tuple[str, ...]
    partner_id: str | None
    platform_role: PlatformRole | None
    platform_admin: bool


@dataclass(frozen=True)
class Rights:
    """What a record lets its person do.

    `roles`: tenant id to role. A tenant without an entry gives `member`; an entry without the tenant gives nothing.
    `partner_role`: the role within the partner. It may be given before the person has either a partner or a tenant.
    """

    tenant_ids: tuple[str, ...] = ()
    roles: Mapping[str, Role] = field(default_factory=dict, hash=False)
    partner_id: str | None = None
    partner_role: Role = Role.MEMBER
    platform_role: PlatformRole | None = None

    @property
    def role(self) -> Role:
        """The highest of all roles that hold."""
        held = [self.roles.get(one, Role.MEMBER) for one in self.tenant_ids]
        if self.partner_id is not None or not self.tenant_ids:
            held.append(self.partner_role)
        return max(held, key=lambda one: one.rank)

    def role_in(self, tenant_id: str) -> Role | None:
        """The role within one tenant, None for somebody who does not belong to it."""
        return self.roles.get(tenant_id, Role.MEMBER) if tenant_id in self.tenant_ids else None

    def changed(self, changes: UserChanges) -> Rights:
        """The next value. A tenant or partner that is left takes its role along."""
        tenant_ids = changes.get("tenant_ids", self.tenant_ids)
        partner_id = changes.get("partner_id", self.partner_id)
        roles: dict[str, Role | None] = {one: role for one, role in self.roles.items() if one in tenant_ids}
        partner_role = self.partner_role if self.partner_id in (None, partner_id) else Role.MEMBER
        if "role" in changes:
            roles = dict.fromkeys(tenant_ids, changes["role"])
            partner_role = changes["role"] if partner_id or not tenant_ids else Role.MEMBER
        roles |= changes.get("roles", {})
        return Rights(
            tenant_ids=tenant_ids,
            roles={one: role for one, role in roles.items() if role not in (None, Role.MEMBER) and one in tenant_ids},
            partner_id=partner_id,
            partner_role=partner_role,
            platform_role=changes.get("platform_role", self._platform_role_after(changes.get("platform_admin"))),
        )

    def _platform_role_after(self, is_admin: bool | None) -> PlatformRole | None:
        if is_admin:
            return PlatformRole.ADMIN
        return None if is_admin is False and self.platform_role is PlatformRole.ADMIN else self.platform_role

    def within(self, tenant_ids: Collection[str]) -> Rights:
        """These rights with no other tenants than these."""
        return replace(self, tenant_ids=tuple(one for one in self.tenant_ids if one in tenant_ids))


@dataclass(frozen=True)
class NewUser:
    """A record to be made before its person first signs in. `subject` is the `sub` of their Authentik tokens."""

    subject: str
    email: str
    name: str
    rights: Rights = Rights()


@dataclass(frozen=True)
class User:
    """`subject` is the `sub` of their Authentik tokens; `token_issued_at` the `iat` of the latest token that was
    applied to the record by `GET /users/me`, in seconds, None before the first. `rights_taken_at`: when somebody last
    took a right away that tokens give, in seconds: tokens from before it change nothing on the record."""

    id: str
    subject: str
    email: str
    name: str
    rights: Rights
    created_at: datetime
    updated_at: datetime
    version: int = 1
    token_issued_at: float | None = None
    rights_taken_at: float | None = None

    @property
    def tenant_ids(self) -> tuple[str, ...]:
        """The tenants that the person belongs to."""
        return self.rights.tenant_ids

    @property
    def partner_id(self) -> str | None:
        return self.rights.partner_id

    @property
    def role(self) -> Role:
        return self.rights.role

    @property
    def platform_role(self) -> PlatformRole | None:
        return self.rights.platform_role

    @property
    def platform_admin(self) -> bool:
        return self.rights.platform_role is PlatformRole.ADMIN

    @property
    def roles(self) -> dict[str, Role]:
        """The role in each tenant that the person belongs to."""
        return {one: self.rights.roles.get(one, Role.MEMBER) for one in self.tenant_ids}

    def role_in(self, tenant_id: str) -> Role | None:
        """The role within one tenant, None for somebody who does not belong to it."""
        return self.rights.role_in(tenant_id)

    def is_older_than(self, issued_at: float) -> bool:
        """Whether a token of that time is newer than all that were applied to this record."""
        return self.token_issued_at is None or issued_at > self.token_issued_at

    def is_newer_than(self, issued_at: float) -> bool:
        """Whether a later token was applied to this record, or a right taken away since, than a token of that time."""
        return issued_at < max(self.token_issued_at or 0.0, self.rights_taken_at or 0.0)

    def taken_from(self, before: User, at: datetime) -> User:
        """This value with the time noted, if it lacks a tenant or a platform role that the one before had."""
        is_less = set(before.tenant_ids) - set(self.tenant_ids) or before.platform_role not in (
            None,
            self.platform_role,
        )
        # a token's time is in whole seconds
        return replace(self, rights_taken_at=float(int(at.timestamp()))) if is_less else self

    def changed(self, changes: UserChanges) -> User:
        """The next value."""
        return replace(
            self,
            email=changes.get("email", self.email),
            name=changes.get("name", self.name),
            rights=self.rights.changed(changes),
        )

    def within(self, tenant_ids: Collection[str]) -> User:
        """The record as it is shown to somebody who may know of these tenants only."""
        return replace(self, rights=self.rights.within(tenant_ids))


@dataclass(frozen=True)
class UserQuery:
    """A list request. `tenant_id` and `partner_id` are exact; `prefix` matches the start of the e-mail address."""

    limit: int = 50
    after: str | None = None
    tenant_id: str | None = None
    partner_id: str | None = None
    prefix: str | None = None
