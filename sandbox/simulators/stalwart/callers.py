"""Who may call Stalwart's management, with which permissions, and as which tenant's administrator."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sandbox.simulators.clock import Clock
from sandbox.simulators.stalwart.kinds import KINDS
from sandbox.simulators.stalwart.properties import Object
from sandbox.simulators.stalwart.registry import Registry

ACCOUNT = "c"
#: some of what every user account holds, one of each family
USER_PERMISSIONS = frozenset({"authenticate", "emailSend", "emailReceive", "imapAuthenticate", "jmapEmailGet"})
_VERBS = ("Get", "Query", "Create", "Update", "Destroy")
ALL_PERMISSIONS = frozenset(
    {"authenticate", "impersonate", "unlimitedRequests", "taskDkimManagement", "actionReloadSettings"}
    | USER_PERMISSIONS
    | {f"sys{kind}{verb}" for kind in KINDS for verb in _VERBS}
)
REVOKED_SECONDS = 300.0
#: roles that a server has from its first start, which belong to no tenant
DEFAULT_ROLES = {
    "User": USER_PERMISSIONS,
    "Group": frozenset({"emailReceive"}),
    "Tenant Administrator": frozenset(
        name for name in ALL_PERMISSIONS if name.startswith("sys") and "Tenant" not in name
    ),
    "System Administrator": ALL_PERMISSIONS,
}


@dataclass(frozen=True)
class Caller:
    """`tenant`: the tenant this caller is bound to; None for a system administrator."""

    account: str = ACCOUNT
    permissions: frozenset[str] = ALL_PERMISSIONS
    tenant: str | None = None


class Refusal(Exception):
    """401 or 403, whatever was asked."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass
class Callers:
    """Keys by secret. After too many failures everybody is locked out for good."""

    clock: Clock
    registry: Registry
    failures_until_ban: int
    recovery_admin: tuple[str, str] | None = None
    keys: dict[str, Caller] = field(default_factory=dict)
    _failures: int = 0
    _revoked: dict[str, datetime] = field(default_factory=dict)

    def caller(self, header: str) -> Caller:
        """Raises Refusal."""
        if self._failures >= self.failures_until_ban:
            raise Refusal(403)
        scheme, _, value = header.partition(" ")
        found = self._by_key(value) if scheme.lower() == "bearer" else None
        if scheme.lower() == "basic":
            found = self._by_password(value)
        if found is None:
            self._failures += 1
            raise Refusal(401)
        if "authenticate" not in found.permissions:
            raise Refusal(403)
        return found

    def add_key(self, key: str, permissions: list[str] | None = None, tenant: str | None = None) -> None:
        """A further API key; without permissions it has all."""
        held = ALL_PERMISSIONS if permissions is None else frozenset(permissions)
        self.keys[key] = Caller(ACCOUNT, held, tenant)

    def revoke(self, key: str, cached_seconds: float = REVOKED_SECONDS) -> None:
        """The key is refused with 403 while the server still remembers it, then with 401."""
        self._revoked[key] = self.clock.now() + timedelta(seconds=cached_seconds)

    def _by_key(self, key: str) -> Caller | None:
        remembered_until = self._revoked.get(key)
        if remembered_until is not None:
            if self.clock.now() < remembered_until:
                raise Refusal(403)
            return None
        return self.keys.get(key)

    def _by_password(self, value: str) -> Caller | None:
        try:
            name, _, password = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return None
        admin = None if self.recovery_admin is None else ":".join(self.recovery_admin)
        if admin is not None and secrets.compare_digest(f"{name}:{password}".encode(), admin.encode()):
            return Caller()
        account = self.registry.account_at(name, self.registry.singleton("SystemSettings")["defaultDomainId"])
        held = [one.get("secret", "") for one in (account or {}).get("credentials", {}).values()]
        if account is None or password not in held:
            return None
        return Caller(account["id"], permissions_of(self.registry, account), account["memberTenantId"])


def add_default_roles(registry: Registry) -> None:
    for description, permissions in DEFAULT_ROLES.items():
        registry.create(
            "Role", {"description": description, "enabledPermissions": dict.fromkeys(sorted(permissions), True)}
        )


def permissions_of(registry: Registry, account: Object) -> frozenset[str]:
    """What an account may do by its roles and its own permissions."""
    roles, own = account["roles"], account["permissions"]
    by_roles = {"Admin": ALL_PERMISSIONS, "Custom": frozenset[str]()}.get(roles["@type"], USER_PERMISSIONS)
    for id_ in roles.get("roleIds", {}):
        by_roles |= _of_role(registry, id_)
    start = frozenset[str]() if own["@type"] == "Replace" else by_roles
    return (start | set(own.get("enabledPermissions", {}))) - set(own.get("disabledPermissions", {}))


def _of_role(registry: Registry, id_: str) -> frozenset[str]:
    role = registry.objects["Role"][id_]
    inherited = frozenset[str]().union(*(_of_role(registry, below) for below in role["roleIds"]))
    return (inherited | set(role["enabledPermissions"])) - set(role["disabledPermissions"])
