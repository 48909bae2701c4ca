"""The list of migrations. Append new ones; never change or reorder a released one."""

from __future__ import annotations

from pymongo import UpdateOne
from pymongo.database import Database

from shared.accounts.user_repository import document_of, user_of
from shared.db.documents import Document
from shared.db.migrations import KeepLock, Migration

BATCH = 500


def _roles_of_users(database: Database[Document], keep_lock: KeepLock) -> None:
    """Add a role per tenant beside the single role for all tenants. The mapper reads and writes both forms."""
    users = database["users"]
    while documents := list(users.find({"roles": {"$exists": False}}).limit(BATCH)):
        writes = [
            # a change made after the read has already written both forms
            UpdateOne({"_id": document["_id"], "roles": {"$exists": False}}, {"$set": _new_fields(document)})
            for document in documents
        ]
        users.bulk_write(writes, ordered=False)
        keep_lock()


def _new_fields(stored: Document) -> Document:
    document = document_of(user_of(stored))
    return {name: document[name] for name in ("roles", "partnerRole", "platformRole")}


def _refused_names(database: Database[Document], keep_lock: KeepLock) -> None:
    """Copy the names in `stalwartOpening` to `stalwartRefused`. The mapper reads and writes both fields."""
    found = {"stalwartOpening.0": {"$exists": True}, "stalwartRefused": {"$exists": False}}
    database["tenants"].update_many(found, [{"$set": {"stalwartRefused": "$stalwartOpening"}}])


def _owners_access(database: Database[Document], keep_lock: KeepLock) -> None:
    """Count the requested invitations of owners as carried out, unless their tenant was never active.

    The latest "invite again" of an active tenant does not count while its steps in Authentik are open or have failed.
    A closed tenant's steps are those of the action that closed it, so they say nothing about an invitation.
    """
    was_active = [{"status": "active"}, {"status": {"$ne": "pending"}, "ownerSubject": {"$exists": True}}]
    found = {"$or": was_active, "owner": {"$type": "object"}, "ownerGranted": {"$exists": False}}
    requested = {"$ifNull": ["$owner.invitations", 1]}
    is_unfinished = {
        "$and": [
            {"$eq": ["$status", "active"]},
            {"$gt": [requested, 1]},
            {"$in": ["$provisioningStatus.authentik", ["pending", "error"]]},
        ]
    }
    granted = {"$subtract": [requested, {"$cond": [is_unfinished, 1, 0]}]}
    database["tenants"].update_many(found, [{"$set": {"ownerGranted": granted}}])


MIGRATIONS = (
    Migration(1, "roles of users by tenant", _roles_of_users),
    Migration(2, "names of refused mail domains", _refused_names),
    Migration(3, "owners' access that was given", _owners_access),
)
