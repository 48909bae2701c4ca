"""The `users` collection: one record per user, unique by the subject of their tokens."""

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
    find_by_id,
    insert_record,
    literals,
    make_indexes,
    newest_page,
    our_errors,
    update_record,
)
from shared.db.paging import Page

INDEXES = [
    IndexModel([("authentikSubjectId", ASCENDING)], name="subject", unique=True),
    IndexModel([("tenantIds", ASCENDING), ("_id", DESCENDING)], name="tenant"),
    IndexModel([("partnerId", ASCENDING), ("_id", DESCENDING)], name="partner"),
    IndexModel([("email", ASCENDING)], name="email"),
]

#: records that one transaction changes at most
MAX_USERS_PER_TRANSACTION = 2000

_WITH_TIME: Document = {**dict.fromkeys(FIELDS, 1), "now": "$$NOW"}


class UserRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["users"]

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

    def insert(self, new: NewUser, session: Transaction, token_issued_at: float | None = None) -> User:
        """Insert a user. Raises SubjectTaken. `token_issued_at`: see User."""
        document = {"_id": ObjectId(), "authentikSubjectId": new.subject, "version": 1}
        document |= document_of(new) | {"tokenIssuedAt": token_issued_at}
        try:
            row = insert_record(self._rows, document, session)
        except DuplicateKeyError:
            raise SubjectTaken from None
        return user_of(row)

    def find(self, user_id: str, session: Transaction | None = None) -> User | None:
        row = find_by_id(self._rows, user_id, session)
        return user_of(row) if row else None

    def find_by_subject(self, subject: str, session: Transaction | None = None) -> User | None:
        with our_errors():
            row = self._rows.find_one({"authentikSubjectId": subject}, session=session)
        return user_of(row) if row else None

    def find_by_email(self, email: str) -> list[User]:
        """Return all users with this e-mail address, compared in lower case."""
        with our_errors():
            return list(map(user_of, self._rows.find({"email": email.lower()})))

    def find_with_time(self, subject: str) -> tuple[User, datetime] | None:
        """Return the user and the time of the read by the database's clock."""
        with our_errors():
            row = self._rows.find_one({"authentikSubjectId": subject}, _WITH_TIME)
        return (user_of(row), row["now"]) if row else None

    def any_of_partner(self, partner_id: str, session: Transaction) -> bool:
        return self._rows.find_one({"partnerId": partner_id}, {"_id": 1}, session=session) is not None

    def page(self, scope: tuple[str, tuple[str, ...]] | None, query: UserQuery) -> Page[User]:
        """Return a page of users, newest first.

        `scope`: (user id, tenant ids) limits it to that user and the users of these tenants; None means all users.
        """
        conditions: list[Document] = [
            {"tenantIds": query.tenant_id} if query.tenant_id else {},
            {"partnerId": query.partner_id} if query.partner_id else {},
            {"email": {"$regex": f"^{re.escape(query.prefix)}"}} if query.prefix else {},
        ]
        if scope is not None:
            user_id, tenant_ids = scope
            conditions.append({"$or": [{"_id": ObjectId(user_id)}, {"tenantIds": {"$in": list(tenant_ids)}}]})
        rows, following = newest_page(self._rows, conditions, query.limit, query.after)
        return Page(tuple(map(user_of, rows)), following)

    def save(self, user: User, session: Transaction) -> User:
        """Write a changed record."""
        times = {"tokenIssuedAt": user.token_issued_at, "rightsTakenAt": user.rights_revoked_at}
        fields = document_of(user) | times
        return user_of(update_record(self._rows, user.id, literals(fields), session))

    def record_token_time(self, user: User, issued_at: float, session: Transaction) -> User:
        """Store the time of a token that changed nothing else; the record's version stays the same."""
        fields = {"tokenIssuedAt": {"$max": ["$tokenIssuedAt", {"$literal": issued_at}]}}
        self._rows.update_one({"_id": ObjectId(user.id)}, [{"$set": fields}], session=session)
        return replace(user, token_issued_at=issued_at)

    def remove_tenant(self, tenant_id: str, session: Transaction) -> tuple[int, bool]:
        """Remove a tenant from its users, and delete the records of users without any other membership.

        Returns the number of deleted records, and whether all users of the tenant were processed: one call processes at
        most MAX_USERS_PER_TRANSACTION, because a transaction has a time limit.
        """
        rows = self._rows.find({"tenantIds": tenant_id}, {"_id": 1}, session=session).limit(MAX_USERS_PER_TRANSACTION)
        ids = [row["_id"] for row in rows]
        only_member = {"tenantIds": [tenant_id], "partnerId": None, "platformAdmin": False, "platformRole": None}
        deleted = self._rows.delete_many({"_id": {"$in": ids}, **only_member}, session=session).deleted_count
        without_tenant = {
            "tenantIds": {"$setDifference": ["$tenantIds", [tenant_id]]},
            "roles": {"$unsetField": {"field": tenant_id, "input": "$roles"}},
            "updatedAt": "$$NOW",
        }
        self._rows.update_many({"_id": {"$in": ids}}, [{"$set": without_tenant}], session=session)
        return deleted, len(ids) < MAX_USERS_PER_TRANSACTION

    def delete(self, user_id: str, session: Transaction) -> None:
        self._rows.delete_one({"_id": ObjectId(user_id)}, session=session)
