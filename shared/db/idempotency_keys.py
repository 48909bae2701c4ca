"""The `idempotency` collection: first answers, kept for a day, so that a request sent twice is carried out once."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.core.errors import KeyInProgress, KeyReused
from shared.db.documents import Document, literals, make_indexes, our_errors, present, seconds_from_now

KEEP_SECONDS = 24 * 3600
#: a first request that has not been answered for so long is taken to have died with its process
LEASE_SECONDS = 60

INDEXES = [IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0)]


@dataclass(frozen=True)
class KeptAnswer:
    """An answer as it was first given. `rights`: those that its caller had then."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    rights: tuple[str, ...] = ()


@dataclass(frozen=True)
class IdempotencyClaim:
    """Leave to carry the request out; hand it back with `keep` or `release`."""

    key: str
    token: str


class IdempotencyRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["idempotency"]

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

    def begin(self, key: str, fingerprint: str) -> IdempotencyClaim | KeptAnswer:
        """A turn for the first to come, the kept answer for those after. Raises KeyReused, KeyInProgress."""
        token = secrets.token_hex(8)
        row = self._taken(key, fingerprint, token)
        if row["fingerprint"] != fingerprint:
            raise KeyReused
        if row["token"] == token:
            return IdempotencyClaim(key, token)
        if "status" not in row:
            raise KeyInProgress
        return KeptAnswer(row["status"], row["headers"], bytes(row["body"]), tuple(row.get("rights", ())))

    def keep(self, turn: IdempotencyClaim, answer: KeptAnswer) -> None:
        """Keep the first answer. A turn whose time ran out keeps nothing."""
        fields: Document = {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}
        fields["rights"] = list(answer.rights)
        with our_errors():
            self._rows.update_one({"_id": turn.key, "token": turn.token}, {"$set": fields})

    def release(self, turn: IdempotencyClaim) -> None:
        """Nothing was carried out: the same key may be tried again at once."""
        with our_errors():
            self._rows.delete_one({"_id": turn.key, "token": turn.token})

    def _taken(self, key: str, fingerprint: str, token: str) -> Document:
        new = {"_id": key, "fingerprint": fingerprint, "token": token}
        times = {"leaseUntil": seconds_from_now(LEASE_SECONDS), "expiresAt": seconds_from_now(KEEP_SECONDS)}
        is_new = {"$eq": [{"$type": "$fingerprint"}, "missing"]}
        # the TTL monitor comes by once a minute only, so an expired row may still be there
        has_expired = {"$lte": ["$expiresAt", "$$NOW"]}
        has_died = {
            "$and": [
                {"$eq": [{"$type": "$status"}, "missing"]},
                {"$lte": ["$leaseUntil", "$$NOW"]},
                {"$eq": ["$fingerprint", fingerprint]},
            ]
        }
        fresh = {"$mergeObjects": [literals(new), times]}
        pipeline = [{"$replaceWith": {"$cond": [{"$or": [is_new, has_expired, has_died]}, fresh, "$$ROOT"]}}]
        with our_errors():
            for _ in range(2):
                try:
                    row = self._rows.find_one_and_update(
                        {"_id": key}, pipeline, upsert=True, return_document=ReturnDocument.AFTER
                    )
                except DuplicateKeyError:  # two firsts at once: the other one made the row
                    continue
                return present(row)
        raise KeyInProgress
