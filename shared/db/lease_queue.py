"""Claim documents of a collection one at a time, under a lease.

One field says from when on a document is due. A claim moves it to the end of the lease, so that the document of a
process that died is due again by itself. A random token on the document proves the claim when its result is recorded.
"""

from __future__ import annotations

import secrets
from contextlib import nullcontext
from dataclasses import dataclass

from pymongo import ASCENDING, ReturnDocument
from pymongo.collection import Collection

from shared.db.documents import Document, Transaction, seconds_from_now, translate_errors


@dataclass(frozen=True)
class Lease:
    """A claimed document, as it is after the claim, and the token that proves the claim."""

    document: Document
    token: str


class LeaseQueue:
    """Claims and releases by atomic writes, so any number of processes may share a collection."""

    def __init__(
        self, collection: Collection[Document], *, due_field: str = "dueAt", claim_field: str = "leaseToken"
    ) -> None:
        """`due_field` holds the due time; a document without one is not in the queue. `claim_field` holds the token."""
        self._collection = collection
        self._due = due_field
        self._token = claim_field

    def claim(
        self, lease_seconds: float, condition: Document | None = None, changes: Document | None = None
    ) -> Lease | None:
        """Claim the document that has been due longest. None when no document is due.

        `condition`: narrows the choice. `changes`: fields to set with the claim, as expressions.
        """
        token = secrets.token_hex(8)
        is_due = {self._due: {"$type": "date"}, "$expr": {"$lte": [f"${self._due}", "$$NOW"]}}
        fields = {self._due: seconds_from_now(lease_seconds), self._token: token}
        with translate_errors():
            document = self._collection.find_one_and_update(
                {**is_due, **(condition or {})},
                [{"$set": {**(changes or {}), **fields}}],
                sort=[(self._due, ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        return Lease(document, token) if document else None

    def release(self, condition: Document, token: str, fields: Document, session: Transaction | None = None) -> bool:
        """Write the result of a claim and end its lease. False when the claim no longer holds; nothing is written then.

        `condition`: identifies the document, with anything else that must still be true. `fields`: expressions to set;
        they say when the document is due again (`None` or `$$REMOVE`: not before somebody asks).
        """
        # a transaction is repeated by its caller, who must see the driver's error
        with translate_errors() if session is None else nullcontext():
            done = self._collection.update_one(
                {**condition, self._token: token}, [{"$set": {self._token: None, **fields}}], session=session
            )
        return done.matched_count == 1
