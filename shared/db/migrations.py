"""Numbered migrations of stored documents, run at start under a lock in the database.

Old and new processes run together during a deployment, so a change of stored data takes two releases. The first one
*expands*: code reads both forms and writes both, and a migration writes the new form beside the old one. The next one
*contracts*: code knows the new form only, and a migration removes the old one. A migration may be interrupted at any
point and run again, and must change nothing the second time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from pymongo import ReturnDocument
from pymongo.database import Database

from shared.db.documents import Document, required, seconds_from_now, translate_errors

log = structlog.get_logger(__name__)

_LOCK = "lock"
#: the lock of a process that died ends after so many seconds
LOCK_SECONDS = 60.0

#: a migration calls it between batches, to keep the lock
KeepLock = Callable[[], None]


@dataclass(frozen=True)
class Migration:
    """`number`: its place in the order, never used twice. `apply`: changes documents, in batches that keep the lock."""

    number: int
    name: str
    apply: Callable[[Database[Document], KeepLock], None]


class LockLost(Exception):
    """Another process has the lock now and continues the migrations."""


class Migrator:
    """Applies missing migrations in order. The collection `migrations` has a document for each applied one."""

    def __init__(self, database: Database[Document], migrations: Sequence[Migration]) -> None:
        numbers = [one.number for one in migrations]
        if numbers != sorted(set(numbers)):
            raise ValueError("migrations must have rising numbers")
        self._database = database
        self._applied = database["migrations"]
        self._migrations = migrations

    def applied(self) -> list[int]:
        """Return the numbers of migrations that were applied, in order."""
        with translate_errors():
            return sorted(document["_id"] for document in self._applied.find({"_id": {"$type": "int"}}))

    def run(self) -> list[int]:
        """Apply missing migrations and return their numbers; none while another process holds the lock.

        Migrations of a newer build stay as they are. Raises StoreUnavailable.
        """
        if not self.missing():
            return []
        token = secrets.token_hex(8)
        if not self._lock(token):
            log.info("migrations.run_elsewhere")
            return []
        done = []
        try:
            # read again: another process may have applied some in the meantime
            for migration in self.missing():
                self._apply(migration, token)
                done.append(migration.number)
        except LockLost:
            log.warning("migrations.lock_lost")
        finally:
            self._unlock(token)
        return done

    def missing(self) -> list[Migration]:
        """Return the migrations that were not applied yet, in order."""
        known = set(self.applied())
        return [one for one in self._migrations if one.number not in known]

    def _apply(self, migration: Migration, token: str) -> None:
        log.info("migration.started", number=migration.number, name=migration.name)
        with translate_errors():
            migration.apply(self._database, lambda: self._keep(token))
            self._keep(token)
            self._applied.update_one(
                {"_id": migration.number}, [{"$set": {"name": migration.name, "appliedAt": "$$NOW"}}], upsert=True
            )
        log.info("migration.applied", number=migration.number, name=migration.name)

    def _lock(self, token: str) -> bool:
        is_free = {"$lte": [{"$ifNull": ["$until", "$$NOW"]}, "$$NOW"]}
        taken = {"token": token, "until": seconds_from_now(LOCK_SECONDS)}
        kept = {name: {"$cond": [is_free, value, f"${name}"]} for name, value in taken.items()}
        with translate_errors():
            document = self._applied.find_one_and_update(
                {"_id": _LOCK}, [{"$set": kept}], upsert=True, return_document=ReturnDocument.AFTER
            )
        return bool(required(document)["token"] == token)

    def _keep(self, token: str) -> None:
        renewed = [{"$set": {"until": seconds_from_now(LOCK_SECONDS)}}]
        with translate_errors():
            if self._applied.update_one({"_id": _LOCK, "token": token}, renewed).matched_count == 0:
                raise LockLost

    def _unlock(self, token: str) -> None:
        with translate_errors():
            self._applied.delete_one({"_id": _LOCK, "token": token})
