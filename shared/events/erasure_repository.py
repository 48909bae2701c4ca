"""Erase a person's data from events, operations, tombstones and tenants; the records themselves stay."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.collection import Collection
from pymongo.database import Database

from shared.db.documents import Document, Transaction

#: replaces an address in a sentence
ERASED = "(erased)"

_USER_EVENT: Document = {"action": {"$regex": r"^user\."}}
_TENANT_EVENT: Document = {"action": {"$regex": r"^tenant\."}}
_SIDES = ("before", "after")


@dataclass(frozen=True)
class Erased:
    """Number of changed events, and slugs of tenants that still name the person as owner or billing contact."""

    events: int
    owned_tenants: tuple[str, ...]
    billed_tenants: tuple[str, ...]


class ErasureRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._events = database["events"]
        self._operations = database["operations"]
        self._tenants = database["tenants"]
        self._tombstones = database["tombstones"]

    def addresses_in_events(self, user_id: str, session: Transaction) -> frozenset[str] | None:
        """Return the user's addresses, former ones too, in events about them; None when there is no such event."""
        rows = list(self._events.find(_about(user_id), {"before.email": 1, "after.email": 1}, session=session))
        sides = [row.get(side) or {} for row in rows for side in _SIDES]
        return frozenset(side["email"] for side in sides if side.get("email")) if rows else None

    def erase(self, user_id: str, addresses: Iterable[str], tenant_ids: Iterable[str], session: Transaction) -> Erased:
        """Erase the user's data, and their addresses wherever they are. `tenant_ids`: tenants they belonged to."""
        erased = {"_id": user_id, "erased": True}
        about = self._events.update_many(
            _about(user_id), {"$set": {"before": erased, "after": erased}}, session=session
        )
        known = sorted({address.lower() for address in addresses if address})
        if not known:
            return Erased(about.modified_count, (), ())
        exact = re.compile(f"^(?:{_any_of(known)})$", re.IGNORECASE)
        within = re.compile(rf"(?<![\w.+-])(?:{_any_of(known)})(?![\w-]|\.\w)", re.IGNORECASE)
        owned = {"search": {"$in": known}, "owner.email": exact}
        billed = {"billingInfo.email": exact}
        touched = {*tenant_ids, *self._tenants_in_events(exact, session)}
        touched |= {
            str(row["_id"]) for row in self._tenants.find({"$or": [owned, billed]}, {"_id": 1}, session=session)
        }
        changed = self._erase_in_tenant_events(exact, session)
        self._erase_in_sentences(touched, within, session)
        return Erased(about.modified_count + changed, self._slugs(owned, session), self._slugs(billed, session))

    def _tenants_in_events(self, address: re.Pattern[str], session: Transaction) -> list[str]:
        fields = [f"{side}.owner.email" for side in _SIDES]
        condition = {**_TENANT_EVENT, "$or": [{field: address} for field in fields]}
        return [row["tenantId"] for row in self._events.find(condition, {"tenantId": 1}, session=session)]

    def _erase_in_tenant_events(self, address: re.Pattern[str], session: Transaction) -> int:
        changed = 0
        for side in _SIDES:
            for field, erased in ((f"{side}.owner", {"erased": True}), (f"{side}.billingInfo.email", ERASED)):
                stored = field if field.endswith("email") else f"{field}.email"
                done = self._events.update_many(
                    {**_TENANT_EVENT, stored: address}, {"$set": {field: erased}}, session=session
                )
                changed += done.modified_count
        return changed

    def _erase_in_sentences(self, tenant_ids: set[str], address: re.Pattern[str], session: Transaction) -> None:
        """Replace the address in the sentences of steps about changes in an integration."""
        texts = ("steps.changes", "steps.message", "steps.notes.accounts")
        operations = {"tenantId": {"$in": list(tenant_ids)}, "$or": [{text: address} for text in texts]}
        keys = {"_id": {"$in": [ObjectId(one) for one in tenant_ids]}}
        _replace(self._operations, operations, "steps", address, session)
        _replace(self._tombstones, keys, "removals", address, session)
        _replace(self._tenants, {**keys, "drift.changes": {"$exists": True}}, "drift", address, session)

    def _slugs(self, condition: Document, session: Transaction) -> tuple[str, ...]:
        return tuple(str(row["slug"]) for row in self._tenants.find(condition, {"slug": 1}, session=session))


def _about(user_id: str) -> Document:
    """Return the condition for events about a user. Early events of a first sign-in have the id as `actor` only."""
    first = {"action": "user.created", "actor": user_id, "after._id": {"$exists": False}}
    return {**_USER_EVENT, "$or": [{"before._id": user_id}, {"after._id": user_id}, first]}


def _any_of(texts: list[str]) -> str:
    return "|".join(map(re.escape, texts))


def _replace(
    rows: Collection[Document], condition: Document, field: str, address: re.Pattern[str], session: Transaction
) -> None:
    for row in list(rows.find(condition, {field: 1}, session=session)):
        erased = _without(row.get(field), address)
        if erased != row.get(field):
            rows.update_one({"_id": row["_id"]}, {"$set": {field: erased}}, session=session)


def _without(value: Any, address: re.Pattern[str]) -> Any:
    """Return a stored value with the address replaced in all its texts."""
    if isinstance(value, str):
        return address.sub(ERASED, value)
    if isinstance(value, list):
        return [_without(one, address) for one in value]
    if isinstance(value, dict):
        return {name: _without(one, address) for name, one in value.items()}
    return value
