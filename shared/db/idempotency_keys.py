"""The `idempotency` collection: responses kept for a day, so that a repeated request runs once."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.core.errors import KeyInProgress, KeyReused
from shared.db.documents import Document, literals, required, seconds_from_now, translate_errors

KEEP_SECONDS = 24 * 3600
#: a first request without a response for so long counts as dead with its process
LEASE_SECONDS = 60

INDEXES = [IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0)]


@dataclass(frozen=True)
class StoredResponse:
    """The response to the first request. `rights`: the caller's rights at that time."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    rights: tuple[str, ...] = ()


@dataclass(frozen=True)
class IdempotencyClaim:
    """Permission to run the request. End it with `keep` or `release`."""

    key: str
    token: str


class IdempotencyRepository:
    """Reads and writes idempotency keys by atomic writes."""

    def __init__(self, database: Database[Document]) -> None:
        self._keys = database["idempotency"]

    def begin(self, key: str, fingerprint: str) -> IdempotencyClaim | StoredResponse:
        """Claim a new key, or return the response stored for it. Raises KeyReused, KeyInProgress."""
        token = secrets.token_hex(8)
        document = self._taken(key, fingerprint, token)
        if document["fingerprint"] != fingerprint:
            raise KeyReused
        if document["token"] == token:
            return IdempotencyClaim(key, token)
        if "status" not in document:
            raise KeyInProgress
        return StoredResponse(
            document["status"], document["headers"], bytes(document["body"]), tuple(document.get("rights", ()))
        )

    def keep(self, claim: IdempotencyClaim, response: StoredResponse) -> None:
        """Store the response. A claim whose lease has ended stores nothing."""
        fields: Document = {"status": response.status, "headers": dict(response.headers), "body": response.body}
        fields["rights"] = list(response.rights)
        with translate_errors():
            self._keys.update_one({"_id": claim.key, "token": claim.token}, {"$set": fields})

    def release(self, claim: IdempotencyClaim) -> None:
        """Free the key at once, because the request changed nothing."""
        with translate_errors():
            self._keys.delete_one({"_id": claim.key, "token": claim.token})

    def _taken(self, key: str, fingerprint: str, token: str) -> Document:
        new = {"_id": key, "fingerprint": fingerprint, "token": token}
        times = {"leaseUntil": seconds_from_now(LEASE_SECONDS), "expiresAt": seconds_from_now(KEEP_SECONDS)}
        is_new = {"$eq": [{"$type": "$fingerprint"}, "missing"]}
        # MongoDB removes expired documents once a minute only, so one may still be there
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
        with translate_errors():
            for _ in range(2):
                try:
                    document = self._keys.find_one_and_update(
                        {"_id": key}, pipeline, upsert=True, return_document=ReturnDocument.AFTER
                    )
                except DuplicateKeyError:  # another first request inserted the document at the same time
                    continue
                return required(document)
        raise KeyInProgress
