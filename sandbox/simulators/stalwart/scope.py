"""Limits of a caller of Stalwart's management API: permissions, grants, and its tenant."""

from __future__ import annotations

from sandbox.simulators.stalwart.callers import (
    ALL_PERMISSIONS,
    DEFAULT_ROLES,
    Caller,
    key_permissions,
    new_key_secret,
    permissions_of,
)
from sandbox.simulators.stalwart.objects.patching import patched
from sandbox.simulators.stalwart.objects.properties import Object, SetError, invalid_patch
from sandbox.simulators.stalwart.objects.registry import Registry

TENANT = "memberTenantId"
INHERIT: Object = {"@type": "Inherit"}
#: roles and permissions of an account that is created without any
WITHOUT_OWN: Object = {"roles": {"@type": "User"}, "permissions": INHERIT}
#: a change of one of these counts as a grant of all that the account then has, even if it only takes a permission
GRANTING = frozenset({"roles", "permissions", "enabledPermissions", "disabledPermissions"})
#: API keys of one account
MAX_KEYS = 5
#: (kind, `@type` where it matters): the tenant quota that counts it
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
    """One caller's view of a registry. A system administrator sees everything and has no quotas."""

    def __init__(self, registry: Registry, caller: Caller) -> None:
        self._registry = registry
        self.caller = caller

    def may(self, kind: str, verb: str) -> bool:
        if kind == "Tenant" and self.caller.tenant is not None:
            return False
        return f"sys{kind}{verb}" in self.caller.permissions

    def sees(self, one: Object) -> bool:
        if "owner" in one:
            return bool(one["owner"] == self.caller.account)
        return self.caller.tenant is None or one.get(TENANT) == self.caller.tenant

    def shown(self, kind: str, one: Object) -> Object:
        shown = self._registry.shown(kind, one)
        shown.pop("owner", None)
        if self.caller.tenant is not None:
            shown.pop(TENANT, None)
        return shown

    def create(self, kind: str, given: Object, account: str | None = None) -> Object:
        """Store a new object. `account`: owner of a new key. Raises SetError."""
        self._check_type(kind, given)
        self._refuse_tenant(given)
        if self.caller.tenant is not None:
            given = {**given, TENANT: self.caller.tenant}
            self._check_quota(kind, given)
        self._check_grant(kind, given)
        if kind == "ApiKey":
            return self._create_key(account or self.caller.account, given)
        return self._registry.create(kind, given)

    def _create_key(self, account: str, given: Object) -> Object:
        """Create an account's key; only this response has its secret. The recovery administrator cannot have keys."""
        if account not in self._registry.objects["Account"]:
            raise SetError("forbidden", description="This account cannot own API keys.")
        if sum(one["owner"] == account for one in self._registry.objects["ApiKey"].values()) >= MAX_KEYS:
            raise SetError("overQuota")
        made = self._registry.create("ApiKey", given)
        made.update(secret=new_key_secret(), owner=account)
        return made

    def _check_type(self, kind: str, given: Object) -> None:
        """Refuse an action or a task of a type that the caller has no permission for."""
        name = f"{kind.lower()}{given.get('@type')}"
        if kind in ("Action", "Task") and name in ALL_PERMISSIONS and name not in self.caller.permissions:
            raise SetError("forbidden", description="You do not have enough permissions to perform this action.")

    def update(self, kind: str, id_: str, patch: Object) -> None:
        """Change an object that the caller may see. Raises SetError."""
        self._require(kind, id_)
        self._refuse_tenant(patch)
        if any(pointer.partition("/")[0] in GRANTING for pointer in patch):
            self._check_grant(kind, patched(kind, self._registry.objects[kind][id_], patch))
        self._registry.update(kind, id_, patch)

    def destroy(self, kind: str, id_: str) -> None:
        """Destroy an object that the caller may see. Raises SetError."""
        self._require(kind, id_)
        self._registry.destroy(kind, id_)

    def _require(self, kind: str, id_: str) -> None:
        held = self._registry.objects[kind].get(id_)
        if held is None or not self.sees(held):
            raise SetError("notFound")

    def _refuse_tenant(self, given: Object) -> None:
        if self.caller.tenant is not None and TENANT in given:
            raise invalid_patch("Invalid property", TENANT)

    def _check_quota(self, kind: str, given: Object) -> None:
        """Apply the tenant's object quotas; without a licence they do not apply to its administrators."""
        if self._registry.edition != "enterprise":
            return
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
        """Refuse an account, role or key with permissions that the caller does not have."""
        if self.caller.permissions >= ALL_PERMISSIONS:
            return
        granted: set[str] = set(given.get("enabledPermissions") or {}) if kind == "Role" else set()
        if kind == "Account":
            granted = set(permissions_of(self._registry, WITHOUT_OWN | given))
            granted &= DEFAULT_ROLES["Group"] if given.get("@type") == "Group" else granted
        if kind == "ApiKey":
            granted = set(key_permissions(ALL_PERMISSIONS, given.get("permissions") or INHERIT))
            granted = granted if (given.get("permissions") or INHERIT)["@type"] == "Replace" else set()
        missing = sorted(granted - self.caller.permissions)
        if missing:
            reason = f"You are not authorized to grant permissions: {', '.join(missing)}"
            raise SetError("forbidden", description=reason)
