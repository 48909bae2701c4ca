"""Read and change the contents of a mail domain besides its accounts: mailing lists, aliases, DKIM keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from worker.integrations.stalwart.models import HIDDEN
from worker.integrations.stalwart.protocol.answers import map_of, text_of
from worker.integrations.stalwart.protocol.batching import Object
from worker.integrations.stalwart.protocol.jmap import Jmap
from worker.integrations.stalwart.protocol.server_facts import ServerFacts

_ADDRESSES = ["id", "name", "domainId", "emailAddress", "aliases"]


@dataclass(frozen=True)
class AddressHolder:
    """A mailing list or account with its addresses. `aliases`: as stored, by index.

    A list has a hidden name while its domain takes no mail; an account then lacks a permission instead.
    """

    kind: str
    id: str
    domain_id: str
    name: str
    address: str
    aliases: Mapping[str, Object]

    @property
    def is_list(self) -> bool:
        return self.kind == "MailingList"

    def aliases_in(self, domains: Mapping[str, str]) -> list[str]:
        """Return its alias addresses in these domains, also of hidden aliases. `domains`: names by id."""
        return [
            f"{text_of(one, 'name').removesuffix(HIDDEN)}@{domains[one['domainId']]}"
            for one in self.aliases.values()
            if one.get("domainId") in domains
        ]

    @property
    def shown_address(self) -> str:
        """Return the address, also of a list that is hidden now."""
        local, _, domain = self.address.rpartition("@")
        return f"{local.removesuffix(HIDDEN)}@{domain}" if local else self.address

    def rearrangement(self, changing: Collection[str], closed: Collection[str]) -> Object:
        """Return the patch that hides addresses in those of the `changing` domains that are closed, and shows others.

        A list in a closed domain takes no mail at all. Its addresses in other `closed` domains stay hidden.
        """
        is_changing = self.is_list and self.domain_id in changing
        is_closed = self.is_list and (self.domain_id in closed if is_changing else self.name.endswith(HIDDEN))
        aliases = dict(self.aliases)
        for key, alias in self.aliases.items():
            domain = alias.get("domainId")
            if is_changing or (domain in changing and (self.is_list or domain != self.domain_id)):
                name = _renamed(text_of(alias, "name"), is_hidden=is_closed or domain in closed)
                aliases[key] = {**alias, "name": name}
        patch: Object = {"aliases": aliases} if aliases != self.aliases else {}
        name = _renamed(self.name, is_hidden=is_closed) if is_changing else self.name
        return patch | ({"name": name} if name != self.name else {})


class DomainContents:
    """The objects in the domains of one server. Answers are compared here, as the server's filters find too much."""

    def __init__(self, jmap: Jmap, facts: ServerFacts) -> None:
        self._jmap = jmap
        self._facts = facts

    def lists(self, domain_id: str) -> list[AddressHolder]:
        """Return the domain's mailing lists. The server cannot filter them by domain."""
        return [one for one in self._holders("MailingList") if one.domain_id == domain_id]

    def address_holders(self) -> list[AddressHolder]:
        """Return all mailing lists of the server, and all its accounts with aliases but our own."""
        own = self._facts.own_account()
        accounts = [one for one in self._holders("Account") if one.aliases and one.id != own]
        return [*self._holders("MailingList"), *accounts]

    def keys(self, domain_id: str) -> list[str]:
        every = self._jmap.find_all("DkimSignature", {"domainId": domain_id}, ["id", "domainId"])
        return [one["id"] for one in every if one.get("domainId") == domain_id]

    def has_address(self, domain_id: str, name: str) -> bool:
        """Return whether any account or list has an address, also as an alias: the server finds none by alias.

        The holder of an alias may be in any domain; all accounts are read last, as there may be many.
        """
        properties = ["id", "name", "domainId", "aliases"]
        searches: tuple[tuple[str, Object], ...] = (
            ("Account", {"domainId": domain_id}),
            ("MailingList", {}),
            ("Account", {}),
        )
        return any(
            (name, domain_id) in _addresses(one)
            for kind, condition in searches
            for one in self._jmap.find_all(kind, condition, properties)
        )

    def mail_tenants(self) -> list[tuple[str, str]]:
        """Return (id, name) of every mail tenant of the server."""
        return [(one["id"], text_of(one, "name")) for one in self._jmap.find_all("Tenant", {}, ["id", "name"])]

    def change_addresses(self, holder: AddressHolder, patch: Object) -> None:
        """Change name and aliases. Raises KeyTaken when an address was given to something else meanwhile."""
        self._jmap.update(holder.kind, holder.id, patch)

    def describe(self, kind: str, id_: str) -> str:
        """Return kind, address and id of an account or list for a message."""
        named = f"{kind} {id_}"
        if kind not in ("Account", "MailingList"):
            return named
        found = self._jmap.get_all(kind, [id_], ["id", "emailAddress"])
        addresses = [str(one["emailAddress"]) for one in found if one.get("emailAddress")]
        return f"{named} ({addresses[0]})" if addresses else named

    def is_of(self, domain_id: str, kind: str, id_: str) -> bool:
        """Return whether an object itself is in the domain: an alias there is not enough. True for a deleted one."""
        found = self._jmap.get_all(kind, [id_], ["id", "domainId"])
        return all(one.get("domainId") == domain_id for one in found)

    def is_our_account(self, kind: str, id_: str) -> bool:
        return kind == "Account" and id_ == self._facts.own_account()

    def remove(self, kind: str, id_: str) -> tuple[Object, ...]:
        """Remove an object and return what still refers to it, if that blocks the removal."""
        return self._jmap.destroy(kind, id_)

    def stop_keys(self, domain_id: str) -> None:
        """Stop the making of keys, so that the domain can be emptied."""
        manual = {"@type": "Manual"}
        self._jmap.update("Domain", domain_id, {"dkimManagement": manual, "dnsManagement": manual})

    def _holders(self, kind: str) -> list[AddressHolder]:
        return [_address_holder(kind, one) for one in self._jmap.find_all(kind, {}, _ADDRESSES)]


def _renamed(name: str, *, is_hidden: bool) -> str:
    shown = name.removesuffix(HIDDEN)
    return f"{shown}{HIDDEN}" if is_hidden else shown


def _address_holder(kind: str, one: Object) -> AddressHolder:
    name = text_of(one, "name")
    address = str(one.get("emailAddress") or name)
    return AddressHolder(kind, one["id"], str(one.get("domainId")), name, address, map_of(one, "aliases"))


def _addresses(one: Object) -> set[tuple[Any, Any]]:
    """Return (local part, domain id) of each address of an account or list."""
    every = (one, *map_of(one, "aliases").values())
    return {(address.get("name"), address.get("domainId")) for address in every}
