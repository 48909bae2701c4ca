"""The `users` collection: one record a person, keyed by the subject of their tokens."""

from __future__ import annotations

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.domain.access import Caller
from shared.domain.user import Role, User
from shared.store.mongo import Document, our_errors, present

INDEXES = [
    IndexModel([("authentikSubjectId", ASCENDING)], name="subject", unique=True),
    IndexModel([("tenantIds", ASCENDING)], name="tenant"),
    IndexModel([("partnerId", ASCENDING)], name="partner"),
]


class Users:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["users"]

    def make_indexes(self) -> None:
        with our_errors():
            self._rows.create_indexes(INDEXES)

    def find_by_subject(self, subject: str) -> User | None:
        with our_errors():
            row = self._rows.find_one({"authentikSubjectId": subject})
        return _user(row) if row else None

    def record_caller(self, caller: Caller, tenant_ids: tuple[str, ...], platform_admin: bool) -> User:
        """Bring the caller's record in line with their token; a newcomer starts as a member."""
        says: Document = {
            "email": caller.email,
            "name": caller.name,
            "tenantIds": sorted(tenant_ids),
            "platformAdmin": platform_admin,
        }
        with our_errors():
            row = self._rows.find_one({"authentikSubjectId": caller.subject})
            if row is None or any(row[field] != value for field, value in says.items()):
                row = self._upsert(caller.subject, says)
        return _user(row)

    def _upsert(self, subject: str, says: Document) -> Document:
        newcomer = {
            "_id": {"$ifNull": ["$_id", ObjectId()]},
            "role": {"$ifNull": ["$role", Role.MEMBER]},
            "partnerId": {"$ifNull": ["$partnerId", None]},
            "createdAt": {"$ifNull": ["$createdAt", "$$NOW"]},
            "updatedAt": "$$NOW",
        }
        pipeline = [{"$set": {**{field: {"$literal": value} for field, value in says.items()}, **newcomer}}]
        key = {"authentikSubjectId": subject}
        try:
            row = self._rows.find_one_and_update(key, pipeline, upsert=True, return_document=ReturnDocument.AFTER)
        except DuplicateKeyError:  # two first calls at once: the other one made the record
            row = self._rows.find_one_and_update(key, pipeline, return_document=ReturnDocument.AFTER)
        return present(row)


def _user(row: Document) -> User:
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
    )
