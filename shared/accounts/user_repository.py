"""The `users` collection: one record a person, keyed by the subject of their tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.accounts.user import NewUser, Role, User, UserChanges
from shared.core.errors import SubjectTaken
from shared.db.documents import (
    Document,
    Transaction,
    changed,
    literals,
    made,
    make_indexes,
    newest_first,
    object_id,
    our_errors,
)
from shared.provisioning.exports import Page, UserQuery

INDEXES = [
    IndexModel([("authentikSubjectId", ASCENDING)], name="subject", unique=True),
    IndexModel([("tenantIds", ASCENDING), ("_id", DESCENDING)], name="tenant"),
    IndexModel([("partnerId", ASCENDING), ("_id", DESCENDING)], name="partner"),
    IndexModel([("email", ASCENDING)], name="email"),
]

_FIELDS = {
    "email": "email",
    "name": "name",
    "role": "role",
    "tenant_ids": "tenantIds",
    "partner_id": "partnerId",
    "platform_admin": "platformAdmin",
}

#: people whose records one transaction changes at most
AT_ONCE = 2000

#: an expression makes a projection name all it is to give
_WITH_TIME: Document = {
    **dict.fromkeys((*_FIELDS.values(), "authentikSubjectId", "roleTenantIds"), 1),
    **dict.fromkeys(("version", "createdAt", "updatedAt"), 1),
    "now": "$$NOW",
}


class Users:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["users"]

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

    def insert(self, new: NewUser, role_tenant_ids: tuple[str, ...] | None, session: Transaction) -> User:
        """Raises SubjectTaken. `role_tenant_ids`: see User."""
        document = {"_id": ObjectId(), "authentikSubjectId": new.subject, "version": 1}
        document |= _document({name: getattr(new, name) for name in _FIELDS}, role_tenant_ids)
        try:
            row = made(self._rows, document, session)
        except DuplicateKeyError:
            raise SubjectTaken from None
        return user_of(row)

    def find(self, user_id: str, session: Transaction | None = None) -> User | None:
        key = object_id(user_id)
        with our_errors():
            row = self._rows.find_one({"_id": key}, session=session) if key else None
        return user_of(row) if row else None

    def find_by_subject(self, subject: str, session: Transaction | None = None) -> User | None:
        with our_errors():
            row = self._rows.find_one({"authentikSubjectId": subject}, session=session)
        return user_of(row) if row else None

    def read_with_time(self, subject: str) -> tuple[User, datetime] | None:
        """The user and the time on the database's clock when it was read."""
        with our_errors():
            row = self._rows.find_one({"authentikSubjectId": subject}, _WITH_TIME)
        return (user_of(row), row["now"]) if row else None

    def any_of_partner(self, partner_id: str, session: Transaction) -> bool:
        return self._rows.find_one({"partnerId": partner_id}, {"_id": 1}, session=session) is not None

    def page(self, scope: tuple[str, tuple[str, ...]] | None, query: UserQuery) -> Page[User]:
        """Newest first. `scope`: one user's own id and the tenants whose people are meant; None for everybody."""
        conditions: list[Document] = [
            {"tenantIds": query.tenant_id} if query.tenant_id else {},
            {"partnerId": query.partner_id} if query.partner_id else {},
            {"email": {"$regex": f"^{re.escape(query.prefix)}"}} if query.prefix else {},
        ]
        if scope is not None:
            user_id, tenant_ids = scope
            conditions.append({"$or": [{"_id": ObjectId(user_id)}, {"tenantIds": {"$in": list(tenant_ids)}}]})
        rows, following = newest_first(self._rows, conditions, query.limit, query.after)
        return Page(tuple(map(user_of, rows)), following)

    def change(
        self, user: User, changes: UserChanges, role_tenant_ids: tuple[str, ...] | None, session: Transaction
    ) -> User:
        """Write accepted changes. `role_tenant_ids`: see User."""
        row = changed(self._rows, user.id, literals(_document(dict(changes), role_tenant_ids)), session)
        return user_of(row)

    def forget_tenant(self, tenant_id: str, session: Transaction) -> tuple[int, bool]:
        """Take a tenant from people's records; who belonged to nothing else is forgotten.

        How many those are, and whether that was everybody: a transaction has no time for more than AT_ONCE.
        """
        rows = self._rows.find({"tenantIds": tenant_id}, {"_id": 1}, session=session).limit(AT_ONCE)
        ids = [row["_id"] for row in rows]
        nothing_else = {"tenantIds": [tenant_id], "partnerId": None, "platformAdmin": False}
        forgotten = self._rows.delete_many({"_id": {"$in": ids}, **nothing_else}, session=session).deleted_count
        self._rows.update_many(
            {"_id": {"$in": ids}},
            [{"$set": {"tenantIds": {"$setDifference": ["$tenantIds", [tenant_id]]}, "updatedAt": "$$NOW"}}],
            session=session,
        )
        return forgotten, len(ids) < AT_ONCE

    def delete(self, user_id: str, session: Transaction) -> None:
        self._rows.delete_one({"_id": ObjectId(user_id)}, session=session)


def _document(fields: dict[str, object], role_tenant_ids: tuple[str, ...] | None) -> Document:
    document = {_FIELDS[name]: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    return document | {"roleTenantIds": None if role_tenant_ids is None else list(role_tenant_ids)}


def user_of(row: Mapping[str, Any]) -> User:
    """The user a row of the collection stands for."""
    reach = row.get("roleTenantIds")
    return User(
        id=str(row["_id"]),
        subject=row["authentikSubjectId"],
        tenant_ids=tuple(row["tenantIds"]),
        partner_id=row.get("partnerId"),
        email=row["email"],
        name=row["name"],
        role=Role(row["role"]),
        platform_admin=row["platformAdmin"],
        created_at=row["createdAt"],
        updated_at=row["updatedAt"],
        role_tenant_ids=None if reach is None else tuple(reach),
        version=row.get("version", 1),
    )
