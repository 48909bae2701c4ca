"""The migrations of this build. Append; never change or reorder one that was released."""

from __future__ import annotations

from pymongo import UpdateOne
from pymongo.database import Database

from shared.accounts.user_documents import document_of, user_of
from shared.db.documents import Document
from shared.db.migrations import KeepLock, Migration

BATCH = 500


def _roles_of_users(database: Database[Document], keep_lock: KeepLock) -> None:
    """Expand: a role for each tenant beside the one role for all. The mapper reads and writes both."""
    users = database["users"]
    while rows := list(users.find({"roles": {"$exists": False}}).limit(BATCH)):
        writes = [
            # a change accepted since it was read has written both forms itself
            UpdateOne({"_id": row["_id"], "roles": {"$exists": False}}, {"$set": _only_new(row)})
            for row in rows
        ]
        users.bulk_write(writes, ordered=False)
        keep_lock()


def _only_new(row: Document) -> Document:
    document = document_of(user_of(row))
    return {name: document[name] for name in ("roles", "partnerRole", "platformRole")}


MIGRATIONS = (Migration(1, "roles of users by tenant", _roles_of_users),)
