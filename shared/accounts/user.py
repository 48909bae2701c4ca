"""A user's record: identity and rights. The database is authoritative for rights, not the token."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

#: the platform role, where rights are named by texts
PLATFORM = "platform"


class Role(StrEnum):
    """A role within one tenant, or within one partner."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"

    @property
    def rank(self) -> int:
        """Order of the roles: nobody may assign or remove a role above their own. -1: known to newer releases only."""
        return {Role.MEMBER: 0, Role.ADMIN: 1, Role.OWNER: 2}.get(self, -1)


class PlatformRole(StrEnum):
    """A role for all tenants: an administrator changes everything, support reads everything."""

    ADMIN = "admin"
    SUPPORT = "support"


class UserChanges(TypedDict, total=False):
    """Fields to change; an absent field keeps its value.

    `role` applies to all tenants of the record and to its partner; `roles` sets the role in single tenants, None
    removes it. `platform_admin` grants or removes that platform role; `platform_role` takes precedence over it.
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
    """The rights on a user's record.

    `roles`: tenant id to role. A tenant without an entry means `member`; an entry without the tenant has no effect.
    `partner_role`: the role within the partner. It may be set before the user has a partner or a tenant.
    """

    tenant_ids: tuple[str, ...] = ()
    roles: Mapping[str, Role] = field(default_factory=dict, hash=False)
    partner_id: str | None = None
    partner_role: Role = Role.MEMBER
    platform_role: PlatformRole | None = None

    @property
    def role(self) -> Role:
        """Return the highest of the user's roles."""
        held = [self.roles.get(one, Role.MEMBER) for one in self.tenant_ids]
        if self.partner_id is not None or not self.tenant_ids:
            held.append(self.partner_role)
        return max(held, key=lambda one: one.rank)

    def role_in(self, tenant_id: str) -> Role | None:
        """Return the role within one tenant; None if the user does not belong to it."""
        return self.roles.get(tenant_id, Role.MEMBER) if tenant_id in self.tenant_ids else None

    def changed(self, changes: UserChanges) -> Rights:
        """Return the rights after the changes. Leaving a tenant or partner removes the role there."""
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

    def limited_to(self, tenant_ids: Collection[str]) -> Rights:
        """Return these rights without tenants outside `tenant_ids`."""
        return replace(self, tenant_ids=tuple(one for one in self.tenant_ids if one in tenant_ids))


def change_time(at: datetime) -> float:
    """Return the first `iat`, in whole seconds, of tokens that are surely newer than a change at this time."""
    return float(int(at.timestamp()) + 1)


def grant_times(before: Rights, after: Rights, at: datetime) -> dict[str, float]:
    """Return the tenants, and PLATFORM, that only the later rights have, with the time of this change."""
    granted = {one: change_time(at) for one in after.tenant_ids if one not in before.tenant_ids}
    if after.platform_role not in (None, before.platform_role):
        granted[PLATFORM] = change_time(at)
    return granted


@dataclass(frozen=True)
class NewUser:
    """A record to insert before the user's first sign-in. `subject` is the `sub` of their Authentik tokens.

    `granted_at`: see User.
    """

    subject: str
    email: str
    name: str
    rights: Rights = Rights()
    granted_at: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class User:
    """A user on record. `subject` is the `sub` of their Authentik tokens.

    `token_issued_at`: the `iat` of the latest token that `GET /users/me` applied to the record, in seconds; None before
    the first. `rights_revoked_at`: time when somebody last revoked a right that tokens grant, in seconds; older tokens
    do not change the record, because they would grant that right again. `granted_at`: tenant id, or PLATFORM, to
    the time when that membership or platform role was granted by other means than a token; an older token does not
    remove it.
    """

    id: str
    subject: str
    email: str
    name: str
    rights: Rights
    created_at: datetime
    updated_at: datetime
    version: int = 1
    token_issued_at: float | None = None
    rights_revoked_at: float | None = None
    granted_at: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def tenant_ids(self) -> tuple[str, ...]:
        """Return the ids of the tenants that the user belongs to."""
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
        """Return the role in each tenant that the user belongs to."""
        return {one: self.rights.roles.get(one, Role.MEMBER) for one in self.tenant_ids}

    def role_in(self, tenant_id: str) -> Role | None:
        """Return the role within one tenant; None if the user does not belong to it."""
        return self.rights.role_in(tenant_id)

    def is_newest_token(self, issued_at: float) -> bool:
        """Return whether a token of that time is newer than all tokens applied to this record."""
        return self.token_issued_at is None or issued_at > self.token_issued_at

    def is_outdated_token(self, issued_at: float) -> bool:
        """Return whether a newer token was applied to this record, or a right revoked, since a token of that time.

        A token without a time, such as an emergency token, is older than any other.
        """
        return issued_at == 0 or issued_at < max(self.token_issued_at or 0.0, self.rights_revoked_at or 0.0)

    def was_granted_after(self, right: str, issued_at: float) -> bool:
        """Return whether a tenant (its id) or the platform role (PLATFORM) was granted after a token of that time."""
        return issued_at < self.granted_at.get(right, 0.0)

    def with_change_times(self, before: User, at: datetime) -> User:
        """Return the record with the times of the tenants and platform role that it gained or lost since `before`."""
        has_lost = set(before.tenant_ids) - set(self.tenant_ids) or before.platform_role not in (
            None,
            self.platform_role,
        )
        kept = {one: time for one, time in self.granted_at.items() if one == PLATFORM or one in self.tenant_ids}
        return replace(
            self,
            rights_revoked_at=change_time(at) if has_lost else self.rights_revoked_at,
            granted_at=kept | grant_times(before.rights, self.rights, at),
        )

    def changed(self, changes: UserChanges) -> User:
        """Return the record after the changes."""
        return replace(
            self,
            email=changes.get("email", self.email),
            name=changes.get("name", self.name),
            rights=self.rights.changed(changes),
        )

    def limited_to(self, tenant_ids: Collection[str]) -> User:
        """Return the record as shown to somebody who may see only these tenants."""
        return replace(self, rights=self.rights.limited_to(tenant_ids))


@dataclass(frozen=True)
class UserQuery:
    """A list request. `tenant_id` and `partner_id` are exact; `prefix` matches the start of the e-mail address."""

    limit: int = 50
    after: str | None = None
    tenant_id: str | None = None
    partner_id: str | None = None
    prefix: str | None = None
    ids: tuple[str, ...] | None = None
