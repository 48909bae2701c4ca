"""Read and change accounts: mailboxes and group addresses."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.integrations.stalwart.protocol.answers import map_of
from worker.integrations.stalwart.protocol.batching import Object
from worker.integrations.stalwart.protocol.jmap import Jmap
from worker.integrations.stalwart.protocol.server_facts import ServerFacts

SIGN_IN = "authenticate"
RECEIVE = "emailReceive"
_PROPERTIES = [
    "id",
    "@type",
    "name",
    "domainId",
    "emailAddress",
    "permissions",
    "memberTenantId",
    "roles",
    "usedDiskQuota",
    "aliases",
    "memberGroupIds",
]
#: types of the roles of a plain user and of a plain group
_PLAIN_ROLES = ("User", "Default")


@dataclass(frozen=True)
class Account:
    """A mailbox (`User`) or a group address (`Group`). `is_ours`: our credentials belong to it; it is never touched.

    `is_special`: it has roles or permissions beyond those of a plain user or group, such as an administrator.
    `alias_domains` and `groups`: ids of the domains of its aliases, and of the groups that it is a member of.
    """

    id: str
    kind: str
    domain_id: str
    address: str
    permissions: Mapping[str, Any]
    is_ours: bool
    tenant_id: str | None
    is_special: bool
    used_bytes: int
    alias_domains: frozenset[str]
    groups: frozenset[str]

    def may(self, permission: str) -> bool:
        """Return whether the account has a permission, by its own permissions."""
        if self.permissions.get("@type", "Inherit") == "Replace":
            return bool((self.permissions.get("enabledPermissions") or {}).get(permission))
        return not (self.permissions.get("disabledPermissions") or {}).get(permission)


class Accounts:
    """The accounts of one server."""

    def __init__(self, jmap: Jmap, facts: ServerFacts) -> None:
        self._jmap = jmap
        self._facts = facts

    def in_domain(self, domain_id: str) -> list[Account]:
        """Return users first, then groups: the order in which they can be removed."""
        return self._find("domainId", [domain_id])

    def in_domains(self, domain_ids: Sequence[str]) -> dict[str, list[Account]]:
        """Return the accounts of each of these domains, in the same order, with few requests for all."""
        every = self._find("domainId", domain_ids)
        return {id_: [one for one in every if one.domain_id == id_] for id_ in domain_ids}

    def in_mail_tenant(self, tenant_id: str) -> list[Account]:
        """Return the accounts in a mail tenant."""
        return self._find("memberTenantId", [tenant_id])

    def find(self, ids: Sequence[str]) -> list[Account]:
        """Return those of these accounts that exist."""
        return self._read(self._jmap.get_all("Account", ids, _PROPERTIES))

    def _find(self, name: str, ids: Sequence[str]) -> list[Account]:
        every = self._jmap.find_any("Account", [{name: id_} for id_ in ids], _PROPERTIES)
        found = self._read([one for one in every if one.get(name) in ids])
        return sorted(found, key=lambda account: account.kind == "Group")

    def _read(self, found: Sequence[Object]) -> list[Account]:
        own = self._facts.own_account() if found else ""
        return [_account(one, own) for one in found]

    def restrict(self, account: Account, permissions: Collection[str]) -> None:
        """Take permissions from an account, and leave all others as they are."""
        self._jmap.update("Account", account.id, _without(account.permissions, permissions))

    def restore(self, account: Account, permissions: Collection[str]) -> None:
        """Restore removed permissions."""
        self._jmap.update("Account", account.id, _with(account.permissions, permissions))

    def move(self, account: Account, tenant_id: str, *, is_last: bool) -> bool:
        """Move an account into a mail tenant. Raises ReferenceRefused.

        Return False when the task below was refused: without it, old mail is not counted.

        A move does not change the bytes that the server counts for the tenant. With the last one goes the task that
        counts them again, so that no interrupted attempt leaves it out.
        """
        task = {
            "@type": "TenantMaintenance",
            "tenantId": tenant_id,
            "maintenanceType": "recalculateQuota",
            "status": {"@type": "Pending"},
        }
        then = [("Task", task)] if is_last else []
        return self._jmap.update("Account", account.id, {"memberTenantId": tenant_id}, then)


def _account(one: Object, own: str) -> Account:
    used = one.get("usedDiskQuota")
    return Account(
        id=one["id"],
        kind=str(one.get("@type")),
        domain_id=str(one.get("domainId")),
        address=str(one.get("emailAddress") or one.get("name")),
        permissions=map_of(one, "permissions"),
        is_ours=one["id"] == own,
        tenant_id=one.get("memberTenantId"),
        is_special=_is_special(map_of(one, "roles"), map_of(one, "permissions")),
        used_bytes=used if isinstance(used, int) else 0,
        alias_domains=frozenset(str(alias.get("domainId")) for alias in map_of(one, "aliases").values()),
        groups=frozenset(map_of(one, "memberGroupIds")),
    )


def _is_special(roles: Object, permissions: Object) -> bool:
    has_more = permissions.get("@type") == "Merge" and bool(permissions.get("enabledPermissions"))
    return has_more or roles.get("@type") not in _PLAIN_ROLES


def _without(permissions: Mapping[str, Any], names: Collection[str]) -> Object:
    kind = permissions.get("@type", "Inherit")
    if kind == "Replace":
        return {f"permissions/enabledPermissions/{name}": None for name in names}
    if kind == "Merge":
        return {f"permissions/disabledPermissions/{name}": True for name in names}
    return {"permissions": {"@type": "Merge", "disabledPermissions": dict.fromkeys(names, True)}}


def _with(permissions: Mapping[str, Any], names: Collection[str]) -> Object:
    if permissions.get("@type") == "Replace":
        return {f"permissions/enabledPermissions/{name}": True for name in names}
    others = set(permissions.get("disabledPermissions") or {}) - set(names)
    if not others and not permissions.get("enabledPermissions"):
        return {"permissions": {"@type": "Inherit"}}
    return {f"permissions/disabledPermissions/{name}": None for name in names}
