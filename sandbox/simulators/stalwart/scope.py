"""What a caller of Stalwart's management may see and do: method permissions, granting, and the walls of a tenant."""

from __future__ import annotations

from sandbox.simulators.stalwart.callers import ALL_PERMISSIONS, Caller, permissions_of
from sandbox.simulators.stalwart.properties import Object, SetError, invalid_patch
from sandbox.simulators.stalwart.registry import Registry

TENANT = "memberTenantId"
#: kind, and `@type` where it matters: the tenant's quota that counts it
QUOTAS = {
    ("Account", "User"): "maxAccounts",
    ("Account", "Group"): "maxGroups",
    ("Domain", None): "maxDomains",
    ("MailingList", None): "maxMailingLists",
    ("Role", None): "maxRoles",
    ("OAuthClient", None): "maxOauthClients",
    ("DkimSignature", None): "maxDkimKeys",
    ("Directory", None): "maxDirectories",
}


class Scope:
    """One caller's view of a registry. A system administrator's has no walls, and no quotas either."""

    def __init__(self, registry: Registry, caller: Caller) -> None:
        self._registry = registry
        self.caller = caller

    def may(self, kind: str, verb: str) -> bool:
        if kind == "Tenant" and self.caller.tenant is not None:
            return False
        if kind == "Action":
            return "actionReloadSettings" in self.caller.permissions
        return f"sys{kind}{verb}" in self.caller.permissions

    def sees(self, one: Object) -> bool:
        return self.caller.tenant is None or one.get(TENANT) == self.caller.tenant

    def shown(self, kind: str, one: Object) -> Object:
        shown = self._registry.shown(kind, one)
        if self.caller.tenant is not None:
            shown.pop(TENANT, None)
        return shown

    def create(self, kind: str, given: Object) -> Object:
        """Raises SetError."""
        self._refuse_tenant(given)
        if self.caller.tenant is not None:
            given = {**given, TENANT: self.caller.tenant}
            self._check_quota(kind, given)
        self._check_grant(kind, given)
        return self._registry.create(kind, given)

    def update(self, kind: str, id_: str, patch: Object) -> None:
        """Raises SetError."""
        self._require(kind, id_)
        self._refuse_tenant(patch)
        self._registry.update(kind, id_, patch)

    def destroy(self, kind: str, id_: str) -> None:
        """Raises SetError."""
        self._require(kind, id_)
        self._registry.destroy(kind, id_)

    def _require(self, kind: str, id_: str) -> None:
        held = self._registry.objects[kind].get(id_)
        if held is None or not self.sees(held):
            raise SetError("notFound")

    def _refuse_tenant(self, given: Object) -> None:
        if self.caller.tenant is not None and TENANT in given:
            raise invalid_patch("Unknown property", TENANT)

    def _check_quota(self, kind: str, given: Object) -> None:
        name = QUOTAS.get((kind, given.get("@type") if kind == "Account" else None))
        tenant = self._registry.objects["Tenant"].get(str(self.caller.tenant), {})
        limit = tenant.get("quotas", {}).get(name)
        held = [
            one
            for one in self._registry.objects[kind].values()
            if self.sees(one) and (kind != "Account" or one["@type"] == given.get("@type"))
        ]
        if limit is not None and len(held) >= limit:
            raise SetError("overQuota")

    def _check_grant(self, kind: str, given: Object) -> None:
        """Nobody makes an account or a role that may do more than they may themselves."""
        if self.caller.permissions >= ALL_PERMISSIONS:
            return
        granted: set[str] = set(given.get("enabledPermissions") or {}) if kind == "Role" else set()
        if kind == "Account" and given.get("@type") == "User":
            whole = {"roles": {"@type": "User"}, "permissions": {"@type": "Inherit"}, **given}
            granted = set(permissions_of(self._registry, whole))
        missing = sorted(granted - self.caller.permissions)
        if missing:
            reason = f"You are not authorized to grant permissions: {', '.join(missing)}"
            raise SetError("forbidden", description=reason)
