"""Read and change the contents of a mail domain besides its accounts: mailing lists, aliases, DKIM keys."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from worker.integrations.stalwart.models import HIDDEN
from worker.integrations.stalwart.protocol.answers import map_of, text_of
from worker.integrations.stalwart.protocol.batching import Object
from worker.integrations.stalwart.protocol.jmap import Jmap
from worker.integrations.stalwart.protocol.server_facts import ServerFacts

_LIST = ["id", "name", "domainId", "emailAddress", "aliases"]


@dataclass(frozen=True)
class MailingList:
    """A mailing list. `aliases`: as stored, by index."""

    id: str
    name: str
    address: str
    aliases: Mapping[str, Any]

    @property
    def is_hidden(self) -> bool:
        return self.name.endswith(HIDDEN)


@dataclass(frozen=True)
class AliasHolder:
    """An account or mailing list with aliases in other domains, which are `inside`. `aliases`: all, by index."""

    kind: str
    id: str
    address: str
    inside: frozenset[str]
    aliases: Mapping[str, Any]

    @property
    def is_hidden(self) -> bool:
        return all(name.endswith(HIDDEN) for name in self._names())

    @property
    def has_hidden(self) -> bool:
        return any(name.endswith(HIDDEN) for name in self._names())

    def _names(self) -> list[str]:
        return [text_of(one, "name") for one in self.aliases.values() if one.get("domainId") in self.inside]


class DomainContents:
    """The objects in the domains of one server. Answers are compared here, as the server's filters find too much."""

    def __init__(self, jmap: Jmap, facts: ServerFacts) -> None:
        self._jmap = jmap
        self._facts = facts

    def lists(self, domain_ids: Collection[str]) -> list[MailingList]:
        """Return the domains' mailing lists. The server cannot filter them by domain."""
        every = self._jmap.find_all("MailingList", {}, _LIST)
        return [_mailing_list(one) for one in every if one.get("domainId") in domain_ids]

    def alias_holders(self, domain_ids: Collection[str]) -> list[AliasHolder]:
        """Return the accounts and lists with an alias in one of these domains that is not their own domain.

        Our own account is left out.
        """
        own = ("Account", self._facts.own_account())
        found = [(kind, one) for kind in ("Account", "MailingList") for one in self._jmap.find_all(kind, {}, _LIST)]
        return [
            AliasHolder(kind, one["id"], str(one.get("emailAddress") or one.get("name")), inside, aliases)
            for kind, one in found
            if (kind, one["id"]) != own
            for aliases in [map_of(one, "aliases")]
            if (inside := _domains_of(aliases).intersection(domain_ids) - {one.get("domainId")})
        ]

    def keys(self, domain_id: str) -> list[str]:
        every = self._jmap.find_all("DkimSignature", {"domainId": domain_id}, ["id", "domainId"])
        return [one["id"] for one in every if one.get("domainId") == domain_id]

    def has_address(self, domain_id: str, name: str) -> bool:
        """Return whether any account or list has an address, also as an alias: the server finds none by alias."""
        properties = ["id", "name", "domainId", "aliases"]
        accounts = self._jmap.find_all("Account", {"domainId": domain_id}, properties)
        lists = self._jmap.find_all("MailingList", {}, properties)
        return any((name, domain_id) in _addresses(one) for one in (*accounts, *lists))

    def mail_tenants(self) -> list[tuple[str, str]]:
        """Return (id, name) of every mail tenant of the server."""
        return [(one["id"], text_of(one, "name")) for one in self._jmap.find_all("Tenant", {}, ["id", "name"])]

    def hide_list(self, found: MailingList) -> None:
        """Move a list and its aliases to unguessable addresses. Recipients stay."""
        self._rename_list(found, _hidden)

    def show_list(self, found: MailingList) -> None:
        """Move it back. Raises KeyTaken when its address was given to something else meanwhile."""
        self._rename_list(found, _shown)

    def hide_aliases(self, holder: AliasHolder) -> None:
        """Move the aliases in the domains `inside` to unguessable addresses; the holder's other addresses stay."""
        self._rename_aliases(holder, _hidden)

    def show_aliases(self, holder: AliasHolder) -> None:
        """Move them back. Raises KeyTaken as `show_list` does."""
        self._rename_aliases(holder, _shown)

    def is_of(self, domain_id: str, kind: str, id_: str) -> bool:
        """Return whether an object belongs to the domain, and has not only an alias in it; a deleted one counts."""
        (answer,) = self._jmap.read((f"x:{kind}/get", {"ids": [id_], "properties": ["id", "domainId"]}))
        return all(one.get("domainId") == domain_id for one in answer["list"])

    def is_our_account(self, kind: str, id_: str) -> bool:
        return kind == "Account" and id_ == self._facts.own_account()

    def remove(self, kind: str, id_: str) -> tuple[Object, ...]:
        """Remove an object and return what still refers to it, if that blocks the removal."""
        return self._jmap.destroy(kind, id_)

    def stop_keys(self, domain_id: str) -> None:
        """Stop the making of keys, so that the domain can be emptied."""
        manual = {"@type": "Manual"}
        self._jmap.update("Domain", domain_id, {"dkimManagement": manual, "dnsManagement": manual})

    def _rename_list(self, found: MailingList, renamed: Callable[[str], str]) -> None:
        aliases = {key: {**alias, "name": renamed(str(alias.get("name")))} for key, alias in found.aliases.items()}
        self._jmap.update("MailingList", found.id, {"name": renamed(found.name), "aliases": aliases})

    def _rename_aliases(self, holder: AliasHolder, renamed: Callable[[str], str]) -> None:
        aliases = {
            key: {**alias, "name": renamed(str(alias.get("name")))} if alias.get("domainId") in holder.inside else alias
            for key, alias in holder.aliases.items()
        }
        self._jmap.update(holder.kind, holder.id, {"aliases": aliases})


def _hidden(name: str) -> str:
    return name if name.endswith(HIDDEN) else f"{name}{HIDDEN}"


def _shown(name: str) -> str:
    return name.removesuffix(HIDDEN)


def _mailing_list(one: Object) -> MailingList:
    name = text_of(one, "name")
    return MailingList(one["id"], name, str(one.get("emailAddress") or name), map_of(one, "aliases"))


def _domains_of(aliases: Object) -> frozenset[str]:
    return frozenset(str(one.get("domainId")) for one in aliases.values())


def _addresses(one: Object) -> set[tuple[Any, Any]]:
    """Return (local part, domain id) of each address of an account or list."""
    every = (one, *map_of(one, "aliases").values())
    return {(address.get("name"), address.get("domainId")) for address in every}
