"""Accept, refuse, deliver or bounce mail like Stalwart's SMTP server, for the domains of the registry."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from sandbox.simulators.stalwart.callers import USER_PERMISSIONS, permissions_of
from sandbox.simulators.stalwart.objects.properties import Object
from sandbox.simulators.stalwart.objects.registry import Registry

#: the only supported condition: a lookup of the recipient's domain
_CONDITION = re.compile(r"key_exists\('([^']+)', rcpt_domain\)")
_LITERAL = re.compile(r"'([^']*)'")
#: size of a bounce in bytes
BOUNCE_SIZE = 1024


class Reply(NamedTuple):
    code: int
    text: str

    @property
    def is_accepted(self) -> bool:
        return self.code < 400


OK = Reply(250, "2.1.5 OK")
NO_RELAY = Reply(550, "5.1.2 Relay not allowed.")
NO_MAILBOX = Reply(550, "5.1.2 Mailbox does not exist.")


@dataclass
class MailFlow:
    """Treats mail by the active `rewrite` and `keys`; changed objects of the registry take effect after a reload."""

    registry: Registry
    rewrite: Object = field(default_factory=lambda: {"match": {}, "else": "false"})
    keys: set[tuple[str, str]] = field(default_factory=set)
    #: seconds before a recipient is refused over SMTP; the product waits 5 (`waitOnFail`)
    wait_on_fail: float = 0.05
    #: recipients that were refused over SMTP; the product bans an address after 35 a day (`abuseBanRate`)
    refused: list[str] = field(default_factory=list)
    #: recipients outside this server to whom mail was relayed
    relayed: list[str] = field(default_factory=list)

    def reload_settings(self) -> None:
        self.rewrite = dict(self.registry.singleton("MtaStageRcpt")["rewrite"])

    def reload_keys(self) -> None:
        held = self.registry.objects["MemoryLookupKey"].values()
        self.keys = {(one["namespace"], one["key"]) for one in held}

    def recipient(self, address: str, *, is_authenticated: bool = False) -> Reply:
        """Return the reply to RCPT for one address."""
        local, domain = _parts(self._rewritten(address))
        domain_id = self._domain_id(domain)
        if domain_id is None:
            return OK if is_authenticated else NO_RELAY
        return OK if self._holder(local, domain_id) else NO_MAILBOX

    def deliver(self, sender: str, address: str, size: int) -> None:
        """Deliver an accepted message, or send a bounce to its sender."""
        self._push(sender, self._rewritten(address), size)

    def _push(self, sender: str, address: str, size: int) -> None:
        """Deliver to an address as it is: the rule rewrites recipients of SMTP only, not a list's members."""
        local, domain = _parts(address)
        domain_id = self._domain_id(domain)
        if domain_id is None:
            self.relayed.append(f"{local}@{domain}")
            return
        kind, holder = self._holder(local, domain_id) or ("", {})
        if kind == "MailingList":
            for member in holder["recipients"]:
                self._push(sender, member, size)
        elif kind == "Account" and self.receives(holder):
            self._store(holder, size)
        elif sender:
            self._push("", sender, BOUNCE_SIZE)

    def _store(self, account: Object, size: int) -> None:
        """Store a message, unless a licensed server finds the tenant over its quota: then it waits in the queue.

        A tenant's bytes are counted as its accounts receive mail, so an account that moves in brings none.
        """
        tenant = self.registry.objects["Tenant"].get(str(account["memberTenantId"]))
        if tenant is not None:
            limit = tenant["quotas"].get("maxDiskQuota")
            if self.registry.edition == "enterprise" and limit is not None and tenant["usedDiskQuota"] + size > limit:
                return
            tenant["usedDiskQuota"] += size
        account["usedDiskQuota"] += size

    def receives(self, account: Object) -> bool:
        """Return whether mail is delivered to an account; groups receive mail unless that is disabled."""
        if account["@type"] == "Group":
            return "emailReceive" in permissions_of(self.registry, account) & USER_PERMISSIONS
        return "emailReceive" in permissions_of(self.registry, account)

    def treatments(self) -> dict[str, str]:
        """Return the treatment of mail to each domain's postmaster: `refused`, `bounced`, `delivered` or `unknown`."""
        return {one["name"]: self._treatment(one) for one in self.registry.objects["Domain"].values()}

    def _treatment(self, domain: Object) -> str:
        if self.recipient(f"postmaster@{domain['name']}") is NO_RELAY:
            return "refused"
        kind, holder = self._holder("postmaster", domain["id"]) or ("", {})
        if kind == "MailingList":
            return "delivered"
        return "unknown" if not holder else "delivered" if self.receives(holder) else "bounced"

    def _rewritten(self, address: str) -> str:
        _, domain = _parts(address)
        branches = self.rewrite["match"]
        for place in sorted(branches, key=int):
            condition = _CONDITION.fullmatch(branches[place]["if"].strip())
            if condition is not None and (condition[1], domain) in self.keys:
                return _literal(branches[place]["then"]) or address
        return _literal(self.rewrite["else"]) or address

    def _domain_id(self, domain: str) -> str | None:
        return self.registry.holder("domain", domain)

    def _holder(self, local: str, domain_id: str) -> tuple[str, Object] | None:
        """Return the account or list with an address, or else with the domain's catch-all address."""
        name = local.partition("+")[0]
        found = self.registry.holder_of_address(name, domain_id)
        catch_all = self.registry.objects["Domain"][domain_id]["catchAllAddress"]
        if found is None and catch_all:
            other, domain = _parts(catch_all)
            other_id = self._domain_id(domain)
            found = self.registry.holder_of_address(other, other_id) if other_id else None
        return found


def _parts(address: str) -> tuple[str, str]:
    local, _, domain = address.lower().rpartition("@")
    return local, domain


def _literal(text: str) -> str | None:
    found = _LITERAL.fullmatch(text.strip())
    return found[1] if found else None
