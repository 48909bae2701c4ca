"""Callers of Stalwart's management API: credentials, permissions, and the tenant that they administer."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.simulators.clock import Clock
from sandbox.simulators.stalwart.objects.kinds import ACTIONS, KINDS
from sandbox.simulators.stalwart.objects.properties import Object
from sandbox.simulators.stalwart.objects.registry import Registry

#: the account of the first API key; it is not in the registry, so a fresh server has no accounts
PROVISIONER = "pr0v"
#: the account of the recovery administrator: it owns nothing
RECOVERY = "d333333"
#: some permissions of every user account, one of each family
USER_PERMISSIONS = frozenset({"authenticate", "emailSend", "emailReceive", "imapAuthenticate", "jmapEmailGet"})
_VERBS = ("Get", "Query", "Create", "Update", "Destroy")
ALL_PERMISSIONS = frozenset(
    {"authenticate", "impersonate", "unlimitedRequests", "taskDkimManagement", "taskTenantMaintenance"}
    | USER_PERMISSIONS
    | {f"action{name}" for name in ACTIONS}
    | {f"sys{kind}{verb}" for kind in KINDS for verb in _VERBS}
)
#: roles that a server has from its first start; they belong to no tenant
DEFAULT_ROLES = {
    "User": USER_PERMISSIONS,
    "Group": frozenset({"emailReceive"}),
    "Tenant Administrator": frozenset(
        name for name in ALL_PERMISSIONS if name.startswith("sys") and "Tenant" not in name
    ),
    "System Administrator": ALL_PERMISSIONS,
}
KEY_PREFIX = "API_"
#: bytes of a real key after the prefix: account, credential, and 20 random ones
KEY_BYTES = 22


@dataclass(frozen=True)
class Caller:
    """An authenticated caller. `tenant`: the tenant that it administers; None for a system administrator."""

    account: str = PROVISIONER
    permissions: frozenset[str] = ALL_PERMISSIONS
    tenant: str | None = None


@dataclass
class Callers:
    """Resolve `Authorization` headers to callers. `keys`: fixed keys by secret."""

    clock: Clock
    registry: Registry
    recovery_admin: tuple[str, str] | None = None
    keys: dict[str, Caller] = field(default_factory=dict)

    def find(self, header: str) -> Caller | None:
        """Return the caller with the credentials in a header, or None."""
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "bearer":
            return self.keys.get(value) or self._by_made_key(value)
        return self._by_password(value) if scheme.lower() == "basic" else None

    def add_key(self, key: str, permissions: list[str] | None = None, tenant: str | None = None) -> None:
        """Add a fixed API key; without `permissions` it has all of them."""
        held = ALL_PERMISSIONS if permissions is None else frozenset(permissions)
        self.keys[key] = Caller(PROVISIONER, held, tenant)

    def use_account(self, key: str, account: str) -> None:
        """Assign a fixed key to an account of the registry."""
        held = self.keys[key]
        self.keys[key] = Caller(account, held.permissions, held.tenant)

    def password_opens(self, address: str, password: str) -> Object | None:
        """Return the account of this address when the password is right and it may sign in."""
        account = self._account_by_password(address, password)
        if account is None or "authenticate" not in permissions_of(self.registry, account):
            return None
        return account

    def _by_made_key(self, secret: str) -> Caller | None:
        held = next((one for one in self.registry.objects["ApiKey"].values() if one["secret"] == secret), None)
        account = self.registry.objects["Account"].get(held["owner"]) if held else None
        if held is None or account is None or self._is_over(held.get("expiresAt")):
            return None
        permissions = key_permissions(permissions_of(self.registry, account), held["permissions"])
        return Caller(account["id"], permissions, account["memberTenantId"])

    def _is_over(self, expires_at: str | None) -> bool:
        return expires_at is not None and datetime.fromisoformat(expires_at) <= self.clock.now()

    def _by_password(self, value: str) -> Caller | None:
        name, _, password = basic_pair(value)
        admin = None if self.recovery_admin is None else ":".join(self.recovery_admin)
        if admin is not None and secrets.compare_digest(f"{name}:{password}".encode(), admin.encode()):
            return Caller(RECOVERY)
        account = self._account_by_password(name, password)
        if account is None:
            return None
        return Caller(account["id"], permissions_of(self.registry, account), account["memberTenantId"])

    def _account_by_password(self, address: str, password: str) -> Object | None:
        account = self.registry.account_at(address, self.registry.singleton("SystemSettings")["defaultDomainId"])
        held = [one.get("secret", "") for one in (account or {}).get("credentials", {}).values()]
        return account if account is not None and password in held else None


def basic_pair(value: str) -> tuple[str, str, str]:
    """Split Basic credentials into name, colon and password; an empty colon when they do not parse."""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return "", "", ""


def is_credential(header: str) -> bool:
    """Return whether a header contains credentials; others do not count as failed sign-ins."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        return bool(basic_pair(value)[1])
    try:
        return value.startswith(KEY_PREFIX) and len(base64.urlsafe_b64decode(value[len(KEY_PREFIX) :])) >= KEY_BYTES
    except ValueError:
        return False


def new_key_secret() -> str:
    return KEY_PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(24)).decode()


def add_default_roles(registry: Registry) -> None:
    for description, permissions in DEFAULT_ROLES.items():
        registry.create(
            "Role", {"description": description, "enabledPermissions": dict.fromkeys(sorted(permissions), True)}
        )


def key_permissions(held: frozenset[str], given: Object) -> frozenset[str]:
    """Return the permissions of a key, given those of its account."""
    named = frozenset(given.get("permissions") or {})
    return {"Disable": held - named, "Replace": held & named}.get(given["@type"], held)


def permissions_of(registry: Registry, account: Object) -> frozenset[str]:
    """Return the permissions of an account, from its roles and its own ones."""
    roles, own = account.get("roles") or {"@type": "User"}, account["permissions"]
    # the same role is the system's without a tenant, and the tenant's in one
    admin = (
        DEFAULT_ROLES["Tenant Administrator"] | USER_PERMISSIONS if account.get("memberTenantId") else ALL_PERMISSIONS
    )
    by_roles = {"Admin": admin, "Custom": frozenset[str]()}.get(roles["@type"], USER_PERMISSIONS)
    for id_ in roles.get("roleIds", {}):
        by_roles |= _of_role(registry, id_)
    start = frozenset[str]() if own["@type"] == "Replace" else by_roles
    held = (start | set(own.get("enabledPermissions", {}))) - set(own.get("disabledPermissions", {}))
    # without a licence this build has no tenant administrators; the open-source build does not check
    is_cut = registry.edition == "community" and account.get("memberTenantId")
    return held & USER_PERMISSIONS if is_cut else held


def _of_role(registry: Registry, id_: str) -> frozenset[str]:
    role = registry.objects["Role"][id_]
    inherited = frozenset[str]().union(*(_of_role(registry, below) for below in role["roleIds"]))
    return (inherited | set(role["enabledPermissions"])) - set(role["disabledPermissions"])
