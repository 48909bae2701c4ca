"""The `users` collection: one record a person, keyed by the subject of their tokens."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.accounts.user import NewUser, User, UserQuery
from shared.accounts.user_documents import FIELDS, document_of, user_of
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
from shared.db.paging import Page

INDEXES = [
    IndexModel([("authentikSubjectId", ASCENDING)], name="subject", unique=True),
    IndexModel([("tenantIds", ASCENDING), ("_id", DESCENDING)], name="tenant"),
    IndexModel([("partnerId", ASCENDING), ("_id", DESCENDING)], name="partner"),
    IndexModel([("email", ASCENDING)], name="email"),
]

#: people whose records one transaction changes at most
AT_ONCE = 2000

_WITH_TIME: Document = {**dict.fromkeys(FIELDS, 1), "now": "$$NOW"}


class UserRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["users"]

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

    def insert(self, new: NewUser, session: Transaction, token_issued_at: float | None = None) -> User:
        """Raises SubjectTaken. `token_issued_at`: see User."""
        document = {"_id": ObjectId(), "authentikSubjectId": new.subject, "version": 1}
        document |= document_of(new) | {"tokenIssuedAt": token_issued_at}
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

    def find_by_email(self, email: str) -> list[User]:
        """Return everybody whose record has this address, in lower case."""
        with our_errors():
            return list(map(user_of, self._rows.find({"email": email.lower()})))

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

    def save(self, user: User, session: Transaction) -> User:
        """Write the next value of a record."""
        times = {"tokenIssuedAt": user.token_issued_at, "rightsTakenAt": user.rights_taken_at}
        fields = document_of(user) | times
        return user_of(changed(self._rows, user.id, literals(fields), session))

    def note_token(self, user: User, issued_at: float, session: Transaction) -> User:
        """Keep the time of a token that changed nothing else: not a new version of the record."""
        fields = {"tokenIssuedAt": {"$max": ["$tokenIssuedAt", {"$literal": issued_at}]}}
        self._rows.update_one({"_id": ObjectId(user.id)}, [{"$set": fields}], session=session)
        return replace(user, token_issued_at=issued_at)

    def forget_tenant(self, tenant_id: str, session: Transaction) -> tuple[int, bool]:
        """Remove a tenant from the records of its people, and the records of those who belonged to nothing else.

        Returns how many records were removed, and whether that was everybody: a transaction has no time for more
        than AT_ONCE.
        """
        rows = self._rows.find({"tenantIds": tenant_id}, {"_id": 1}, session=session).limit(AT_ONCE)
        ids = [row["_id"] for row in rows]
        nothing_else = {"tenantIds": [tenant_id], "partnerId": None, "platformAdmin": False, "platformRole": None}
        forgotten = self._rows.delete_many({"_id": {"$in": ids}, **nothing_else}, session=session).deleted_count
        left = {
            "tenantIds": {"$setDifference": ["$tenantIds", [tenant_id]]},
            "roles": {"$unsetField": {"field": tenant_id, "input": "$roles"}},
            "updatedAt": "$$NOW",
        }
        self._rows.update_many({"_id": {"$in": ids}}, [{"$set": left}], session=session)
        return forgotten, len(ids) < AT_ONCE

    def delete(self, user_id: str, session: Transaction) -> None:
        self._rows.delete_one({"_id": ObjectId(user_id)}, session=session)
