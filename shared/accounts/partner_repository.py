"""The `partners` collection."""

from __future__ import annotations

import re

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.accounts.partner import Partner
from shared.accounts.scope import Scope
from shared.core.errors import SlugTaken
from shared.db.documents import (
    Document,
    Page,
    Transaction,
    find_by_id,
    find_value,
    insert_record,
    literals,
    newest_page,
    object_id,
    translate_errors,
    update_record,
)

INDEXES = [IndexModel([("slug", ASCENDING)], name="slug", unique=True)]


class PartnerRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._partners = database["partners"]

    def insert(self, slug: str, name: str, session: Transaction) -> Partner:
        """Insert a partner. Raises SlugTaken."""
        document = {"_id": ObjectId(), "slug": slug, "name": name, "version": 1}
        try:
            stored = insert_record(self._partners, document, session)
        except DuplicateKeyError:
            raise SlugTaken(slug) from None
        return _partner(stored)

    def find(self, partner_id: str, session: Transaction | None = None) -> Partner | None:
        return find_by_id(self._partners, partner_id, _partner, session)

    def find_by_slug(self, slug: str) -> Partner | None:
        return find_value(self._partners, {"slug": slug}, _partner)

    def ids_by_slug(self, begins: str, limit: int) -> tuple[str, ...]:
        """Return the ids of at most `limit` partners whose slug starts with this text."""
        condition = {"slug": {"$regex": f"^{re.escape(begins)}"}}
        with translate_errors():
            return tuple(str(document["_id"]) for document in self._partners.find(condition, {"_id": 1}).limit(limit))

    def page(self, scope: Scope, limit: int, after: str | None) -> Page[Partner]:
        """Return a page of partners, newest first."""
        own = {} if scope.everything else {"_id": object_id(scope.partner_id or "")}
        return newest_page(self._partners, [own], limit, after, _partner)

    def rename(self, partner: Partner, name: str, session: Transaction) -> Partner:
        document = update_record(self._partners, partner.id, literals({"name": name}), session)
        return _partner(document)

    def lock(self, partner_id: str, session: Transaction) -> bool:
        """Return whether the partner exists, and make a concurrent delete conflict with this transaction."""
        key = object_id(partner_id)
        return key is not None and bool(
            self._partners.update_one({"_id": key}, {"$inc": {"holds": 1}}, session=session).matched_count
        )

    def delete(self, partner_id: str, session: Transaction) -> None:
        self._partners.delete_one({"_id": ObjectId(partner_id)}, session=session)


def _partner(document: Document) -> Partner:
    # the sandbox and older tools wrote documents with only slug and name
    made = document["_id"].generation_time
    return Partner(
        id=str(document["_id"]),
        slug=document["slug"],
        name=document["name"],
        version=document.get("version", 1),
        created_at=document.get("createdAt", made),
        updated_at=document.get("updatedAt", made),
    )
