"""Hide the actions that the API would refuse this person. The API alone decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OWNERS = ("owner", "admin")
#: the higher ones last: nobody may change the role of a person whose role is above their own
RANKS = ("member", "admin", "owner")


class Person:
    """A user record and its rights."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = record
        self.id: str = record["_id"]
        self.name: str = record.get("name") or record["email"]
        self.email: str = record["email"]
        self.tenant_ids: tuple[str, ...] = tuple(record.get("tenantIds", ()))
        self.partner_id: str | None = record.get("partnerId")
        self.is_operator: bool = bool(record.get("platformAdmin")) and record.get("platformRole") != "support"
        self.is_support: bool = record.get("platformRole") == "support"

    @property
    def sees_platform(self) -> bool:
        """Return whether they see the platform's own pages."""
        return self.is_operator or self.is_support

    @property
    def is_partner(self) -> bool:
        """Return whether they manage a partner's tenants."""
        return self.partner_id is not None and self._record.get("role") in OWNERS and not self.sees_platform

    @property
    def is_staff(self) -> bool:
        """Return whether they manage or support many tenants."""
        return self.sees_platform or self.is_partner

    @property
    def may_change_any(self) -> bool:
        """Return whether they may change at least one tenant."""
        return self.is_operator or self.is_partner or (self.owns_any and not self.is_support)

    @property
    def may_create_tenants(self) -> bool:
        return self.is_operator or self.is_partner

    @property
    def title(self) -> str:
        """Return their role here in one word."""
        kinds = ((self.is_operator, "Operator"), (self.is_support, "Support"), (self.is_partner, "Partner"))
        return next((word for holds, word in kinds if holds), "Owner" if self.owns_any else "Member")

    @property
    def owns_any(self) -> bool:
        """Return whether they are owner or admin of a tenant."""
        return any(self.role_in(tenant) in OWNERS for tenant in self.tenant_ids)

    def role_in(self, tenant_id: str) -> str | None:
        """Return their role in a tenant, None if they do not belong to it."""
        if tenant_id not in self.tenant_ids:
            return None
        roles = self._record.get("roles")
        found = roles.get(tenant_id, "member") if isinstance(roles, dict) else self._record.get("role", "member")
        return str(found)

    def roles_for(self, user: Mapping[str, Any]) -> list[str]:
        """Return the roles that they may give a user, none if they may not change the user.

        A partner sees of a user only the tenants that they manage.
        """
        if self.is_operator:
            return list(RANKS)
        tenants = user.get("tenantIds", ())
        if self.is_support or user.get("platformRole") or user.get("partnerId") or not tenants:
            return []
        if self.is_partner:
            return list(RANKS)
        # a role that only a newer API knows gives a person nothing here, and may be above any other
        own = min(RANKS.index(role) if role in RANKS else 0 for role in map(self.role_in, tenants))
        roles = [user["role"], *user.get("roles", {}).values()]
        theirs = max(RANKS.index(role) if role in RANKS else len(RANKS) for role in roles)
        return list(RANKS[: own + 1]) if own and theirs <= own else []

    def runs(self, tenant: Mapping[str, Any]) -> bool:
        """Return whether they may suspend, resume, delete and restore it."""
        return self.is_operator or (self.is_partner and tenant.get("partnerId") == self.partner_id)

    def may_change(self, tenant: Mapping[str, Any]) -> bool:
        """Return whether they may change and reconcile it."""
        return self.runs(tenant) or (not self.is_support and self.role_in(tenant["_id"]) in OWNERS)

    def may_control(self, tenant: Mapping[str, Any], operation: Mapping[str, Any]) -> bool:
        """Return whether they may cancel the tenant's operation and retry its steps."""
        if operation["action"] == "purge":
            return self.is_operator
        return self.may_change(tenant) if operation["action"] in ("provision", "reconcile") else self.runs(tenant)
