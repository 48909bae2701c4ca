"""What lives in a mail domain, for closing and removing it: accounts, lists, keys. Compared here, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.integrations.stalwart.jmap import Jmap
from worker.integrations.stalwart.jmap_batching import Object

SIGN_IN = "authenticate"


@dataclass(frozen=True)
class Account:
    """A mailbox (`User`) or a group address (`Group`)."""

    id: str
    kind: str
    address: str
    permissions: Mapping[str, Any]

    @property
    def may_sign_in(self) -> bool:
        """As far as its own permissions say."""
        kind = self.permissions.get("@type", "Inherit")
        if kind == "Replace":
            return bool((self.permissions.get("enabledPermissions") or {}).get(SIGN_IN))
        return not (self.permissions.get("disabledPermissions") or {}).get(SIGN_IN)


class DomainContents:
    """The objects of one server's domains."""

    def __init__(self, jmap: Jmap) -> None:
        self._jmap = jmap

    def accounts(self, domain_id: str) -> list[Account]:
        """Users first, then groups: the order in which they can be removed."""
        properties = ["id", "@type", "name", "domainId", "emailAddress", "permissions"]
        found = [
            Account(one["id"], str(one.get("@type")), str(one.get("emailAddress") or one["name"]), _permissions(one))
            for one in self._jmap.find_all("Account", {"domainId": domain_id}, properties)
            if one.get("domainId") == domain_id
        ]
        return sorted(found, key=lambda account: account.kind == "Group")

    def lists(self, domain_id: str) -> list[tuple[str, str]]:
        """(id, address) of the domain's mailing lists. The server cannot filter them by domain."""
        properties = ["id", "name", "domainId", "emailAddress"]
        every = self._jmap.find_all("MailingList", {}, properties)
        return [(one["id"], str(one.get("emailAddress"))) for one in every if one.get("domainId") == domain_id]

    def keys(self, domain_id: str) -> list[str]:
        every = self._jmap.find_all("DkimSignature", {"domainId": domain_id}, ["id", "domainId"])
        return [one["id"] for one in every if one.get("domainId") == domain_id]

    def has_address(self, domain_id: str, name: str) -> bool:
        """Whether somebody has it, be it a list, or as an alias, by which the server finds nobody."""
        properties = ["id", "name", "domainId", "aliases"]
        accounts = self._jmap.find_all("Account", {"domainId": domain_id}, properties)
        lists = self._jmap.find_all("MailingList", {}, properties)
        return any((name, domain_id) in _addresses(one) for one in (*accounts, *lists))

    def mail_tenants(self) -> list[tuple[str, str]]:
        """(id, name) of every mail tenant of the server."""
        return [(one["id"], str(one["name"])) for one in self._jmap.find_all("Tenant", {}, ["id", "name"])]

    def lock(self, account: Account) -> None:
        """Take the permission to sign in, and leave every other as it is."""
        self._jmap.update("Account", account.id, _locked(account.permissions))

    def unlock(self, account: Account) -> None:
        """Give it back."""
        self._jmap.update("Account", account.id, _unlocked(account.permissions))

    def is_of(self, domain_id: str, kind: str, id_: str) -> bool:
        """Whether an object is the domain's own and does not only have an alias in it; what is gone counts as such."""
        (answer,) = self._jmap.read((f"x:{kind}/get", {"ids": [id_], "properties": ["id", "domainId"]}))
        return all(one.get("domainId") == domain_id for one in answer["list"])

    def remove(self, kind: str, id_: str) -> tuple[Object, ...]:
        """What still refers to it, when that stops the removal; nothing once it is gone."""
        return self._jmap.destroy(kind, id_)

    def stop_keys(self, domain_id: str) -> None:
        """No new keys are made, so that the domain can be emptied."""
        manual = {"@type": "Manual"}
        self._jmap.update("Domain", domain_id, {"isEnabled": False, "dkimManagement": manual, "dnsManagement": manual})


def _addresses(one: Object) -> set[tuple[Any, Any]]:
    """(local part, domain id) of each."""
    every = (one, *(one.get("aliases") or {}).values())
    return {(address.get("name"), address.get("domainId")) for address in every}


def _permissions(one: Object) -> Mapping[str, Any]:
    found = one.get("permissions")
    return found if isinstance(found, dict) else {"@type": "Inherit"}


def _locked(permissions: Mapping[str, Any]) -> Object:
    if permissions.get("@type") == "Replace":
        return {f"permissions/enabledPermissions/{SIGN_IN}": None}
    if permissions.get("@type") == "Merge":
        return {f"permissions/disabledPermissions/{SIGN_IN}": True}
    return {"permissions": {"@type": "Merge", "disabledPermissions": {SIGN_IN: True}}}


def _unlocked(permissions: Mapping[str, Any]) -> Object:
    if permissions.get("@type") == "Replace":
        return {f"permissions/enabledPermissions/{SIGN_IN}": True}
    others = {name for name in permissions.get("disabledPermissions") or {} if name != SIGN_IN}
    if not others and not permissions.get("enabledPermissions"):
        return {"permissions": {"@type": "Inherit"}}
    return {f"permissions/disabledPermissions/{SIGN_IN}": None}
