"""Erase a person's data from events, operations, tombstones and tenants; the records themselves stay."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.collection import Collection
from pymongo.database import Database

from shared.db.documents import Document, Transaction, translate_errors

#: replaces an address in a sentence
ERASED = "(erased)"

#: events that one call reads: no index has the addresses, and a call has a time limit
SPAN = 20_000

_USER_EVENT: Document = {"action": {"$regex": r"^user\."}}
_TENANT_EVENT: Document = {"action": {"$regex": r"^tenant\."}}
_SIDES = ("before", "after")


@dataclass(frozen=True)
class Traces:
    """A user's addresses and tenants, former ones too: they tell where the user's personal data may be."""

    addresses: Set[str] = frozenset()
    tenant_ids: Set[str] = frozenset()

    def __or__(self, other: Traces) -> Traces:
        return Traces(self.addresses | other.addresses, self.tenant_ids | other.tenant_ids)


@dataclass(frozen=True)
class Erased:
    """Number of changed events, and data that remains.

    `owned_tenants`, `billed_tenants`: slugs of tenants that still name the person as owner or billing contact.
    `shared_addresses`: addresses of the person that somebody else has now, so they were not erased elsewhere.
    """

    events: int
    owned_tenants: tuple[str, ...]
    billed_tenants: tuple[str, ...]
    shared_addresses: tuple[str, ...] = ()


class ErasureRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._counters = database["counters"]
        self._events = database["events"]
        self._operations = database["operations"]
        self._tenants = database["tenants"]
        self._tombstones = database["tombstones"]
        self._users = database["users"]

    def find_traces(self, user_id: str) -> Traces | None:
        """Return the traces in events about the user; None when there is no such event."""
        fields = {f"{side}.{field}": 1 for side in _SIDES for field in ("email", "tenantIds")}
        with translate_errors():
            documents = list(self._events.find(_about(user_id), fields))
        sides = [document.get(side) or {} for document in documents for side in _SIDES]
        addresses = frozenset(side["email"] for side in sides if side.get("email"))
        tenant_ids = frozenset(one for side in sides for one in side.get("tenantIds") or ())
        return Traces(addresses, tenant_ids) if documents else None

    def erase_events_about(self, user_id: str, session: Transaction) -> int:
        """Erase the data in events about the user, and return how many changed. The traces are lost with it."""
        erased = {"_id": user_id, "erased": True}
        changes = {"$set": {"before": erased, "after": erased}}
        return self._events.update_many(_about(user_id), changes, session=session).modified_count

    def erase_elsewhere(self, user_id: str, traces: Traces) -> Erased:
        """Erase the user's addresses in tenants' events, operations, tombstones and drift.

        It reads all events of tenants, so it runs in no transaction; it may be repeated. An address that somebody else
        has now is left, because the text does not tell who was meant.
        """
        with translate_errors():
            mine = sorted({address.lower() for address in traces.addresses if address})
            shared = self._addresses_of_others(user_id, mine)
            known = [address for address in mine if address not in shared]
            if not known:
                return Erased(0, (), (), tuple(sorted(shared)))
            exact = _exact(known)
            within = re.compile(rf"(?<![\w.+-])(?:{_any_of(known)})(?![\w-]|\.\w)", re.IGNORECASE)
            owned = {"search": {"$in": known}, "owner.email": exact}
            billed = {"billingInfo.email": exact}
            naming = list(self._tenant_events(exact))
            touched = {*traces.tenant_ids, *(document["tenantId"] for document in naming)}
            touched |= {str(document["_id"]) for document in self._tenants.find({"$or": [owned, billed]}, {"_id": 1})}
            self._erase_in_sentences(touched, within)
            # last: a repeated call finds the tenants by these events
            for document in naming:
                self._events.update_one({"_id": document["_id"]}, {"$set": _erased_fields(document, exact)})
            return Erased(len(naming), self._slugs(owned), self._slugs(billed), tuple(sorted(shared)))

    def _addresses_of_others(self, user_id: str, addresses: list[str]) -> set[str]:
        """Return the addresses of other user records, and those of tenants' owners who have another user record."""
        if not addresses:
            return set()
        exact, other = _exact(addresses), {"_id": {"$ne": ObjectId(user_id)}}
        found = {document["email"].lower() for document in self._users.find({"email": exact, **other}, {"email": 1})}
        owned = {"search": {"$in": addresses}, "owner.email": exact, "ownerSubject": {"$type": "string"}}
        for document in self._tenants.find(owned, {"owner.email": 1, "ownerSubject": 1}):
            if self._users.find_one({"authentikSubjectId": document["ownerSubject"], **other}, {"_id": 1}):
                found.add(document["owner"]["email"].lower())
        return found

    def _tenant_events(self, address: re.Pattern[str]) -> Iterator[Document]:
        """Yield the tenants' events that have the address as owner or billing contact, one span of numbers a call."""
        fields = [f"{side}.{field}.email" for side in _SIDES for field in ("owner", "billingInfo")]
        condition = {**_TENANT_EVENT, "$or": [{field: address} for field in fields]}
        projection = {"tenantId": 1, **dict.fromkeys(fields, 1)}
        yield from self._events.find({"unnumbered": True, **condition}, projection)
        # read after the unnumbered events: those that get a number meanwhile were among them
        last = (self._counters.find_one({"_id": "events"}) or {"last": 0})["last"]
        for first in range(0, last, SPAN):
            span = {"number": {"$gt": first, "$lte": first + SPAN}}
            yield from self._events.find({**span, **condition}, projection)

    def _erase_in_sentences(self, tenant_ids: set[str], address: re.Pattern[str]) -> None:
        """Replace the address in the sentences of steps about changes in an integration."""
        texts = ("steps.changes", "steps.message", "steps.notes.accounts")
        for tenant_id in tenant_ids:
            operations = {"tenantId": tenant_id, "$or": [{text: address} for text in texts]}
            _replace(self._operations, operations, "steps", address)
        keys = {"_id": {"$in": [ObjectId(one) for one in tenant_ids]}}
        _replace(self._tombstones, keys, "removals", address)
        _replace(self._tenants, {**keys, "drift.changes": {"$exists": True}}, "drift", address)

    def _slugs(self, condition: Document) -> tuple[str, ...]:
        return tuple(str(document["slug"]) for document in self._tenants.find(condition, {"slug": 1}))


def _about(user_id: str) -> Document:
    """Return the condition for events about a user. Early events of a first sign-in have the id as `actor` only."""
    first = {"action": "user.created", "actor": user_id, "after._id": {"$exists": False}}
    return {**_USER_EVENT, "$or": [{"before._id": user_id}, {"after._id": user_id}, first]}


def _any_of(texts: list[str]) -> str:
    return "|".join(map(re.escape, texts))


def _exact(addresses: list[str]) -> re.Pattern[str]:
    return re.compile(f"^(?:{_any_of(addresses)})$", re.IGNORECASE)


def _erased_fields(event: Document, address: re.Pattern[str]) -> Document:
    """Return the event's fields that have the address, with the values that replace them."""
    fields: Document = {}
    for side in _SIDES:
        for field, name, erased in (("owner", "owner", {"erased": True}), ("billingInfo", "billingInfo.email", ERASED)):
            value = (event.get(side) or {}).get(field) or {}
            if address.match(value.get("email") or ""):
                fields[f"{side}.{name}"] = erased
    return fields


def _replace(collection: Collection[Document], condition: Document, field: str, address: re.Pattern[str]) -> None:
    for found in list(collection.find(condition, {field: 1})):
        document: Document | None = found
        while document and (erased := _without(document.get(field), address)) != document.get(field):
            key = {"_id": document["_id"]}
            done = collection.update_one({**key, field: document[field]}, {"$set": {field: erased}})
            # a worker may have written the same field meanwhile
            document = None if done.matched_count else collection.find_one(key, {field: 1})


def _without(value: Any, address: re.Pattern[str]) -> Any:
    """Return a stored value with the address replaced in all its texts."""
    if isinstance(value, str):
        return address.sub(ERASED, value)
    if isinstance(value, list):
        return [_without(one, address) for one in value]
    if isinstance(value, dict):
        return {name: _without(one, address) for name, one in value.items()}
    return value
