"""Subjects whose record was deleted: their tokens from before grant nothing to a later record.

The collection `deleted_subjects` stores only a hash of each subject, as long as a token may live.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.database import Database

from shared.accounts.user import change_time
from shared.db.documents import Document, Transaction, seconds_from_now

#: longer than any access token lives
KEPT_SECONDS = 30 * 24 * 3600.0

INDEXES = [IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0)]


class DeletedSubjectRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._subjects = database["deleted_subjects"]

    def record(self, subjects: Iterable[str], session: Transaction) -> None:
        """Record that the user records of these subjects are deleted now."""
        fields = {"deletedAt": "$$NOW", "expiresAt": seconds_from_now(KEPT_SECONDS)}
        writes = [UpdateOne({"_id": _hash(subject)}, [{"$set": fields}], upsert=True) for subject in subjects]
        if writes:
            self._subjects.bulk_write(writes, ordered=False, session=session)

    def revoked_at(self, subject: str, session: Transaction) -> float | None:
        """Return `rights_revoked_at` of the subject's next record; None if no record of theirs was deleted."""
        document = self._subjects.find_one({"_id": _hash(subject)}, session=session)
        return change_time(document["deletedAt"]) if document else None


def _hash(subject: str) -> str:
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()
