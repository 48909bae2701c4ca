"""Subjects whose record was deleted: their tokens from before must not create it again.

The collection `deleted_subjects` stores only a hash of each subject, as long as a token may live.
"""

from __future__ import annotations

import hashlib

from pymongo import ASCENDING, IndexModel
from pymongo.database import Database

from shared.accounts.user import revocation_time
from shared.db.documents import Document, Transaction, make_indexes, seconds_from_now

#: longer than any access token lives
KEPT_SECONDS = 30 * 24 * 3600.0

INDEXES = [IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0)]


class DeletedSubjectRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["deleted_subjects"]

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

    def record(self, subject: str, session: Transaction) -> None:
        """Record that the subject's user record is deleted now."""
        fields = {"deletedAt": "$$NOW", "expiresAt": seconds_from_now(KEPT_SECONDS)}
        self._rows.update_one({"_id": _hash(subject)}, [{"$set": fields}], upsert=True, session=session)

    def deleted_at(self, subject: str, session: Transaction) -> float:
        """Return the time, in seconds, before which the subject's tokens create no record; 0 for any other subject."""
        row = self._rows.find_one({"_id": _hash(subject)}, session=session)
        return revocation_time(row["deletedAt"]) if row else 0.0


def _hash(subject: str) -> str:
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()
