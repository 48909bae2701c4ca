"""The `idempotency` collection: responses kept for a day, so that a repeated request runs once.

A key's document also tells whether the request took effect. That is written by the transaction that makes the change,
so it is true also when the change was committed and its response never stored.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from pymongo import ASCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.core.errors import KeyInProgress, KeyReused
from shared.db.documents import Document, Pipeline, Transaction, literals, seconds_from_now, translate_errors

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


@dataclass(frozen=True)
class Effect:
    """The change by the request with a key: its event's action, the slug of the tenant and the id of the record."""

    action: str
    tenant: str | None = None
    id: str | None = None


class IdempotencyRepository:
    """Reads and writes idempotency keys by atomic writes."""

    def __init__(self, database: Database[Document]) -> None:
        self._keys = database["idempotency"]

    def begin(self, key: str, fingerprint: str) -> IdempotencyClaim | StoredResponse | Effect:
        """Claim a key, or return the response stored for it, or what its request changed if the response was lost.

        Raises KeyReused, KeyInProgress.
        """
        claim = IdempotencyClaim(key, secrets.token_hex(8))
        if self._insert(claim, fingerprint):
            return claim
        document = self._find(key)
        if document is None:  # it was freed at this moment
            raise KeyInProgress
        outcome = None if document["hasExpired"] else _outcome(document, fingerprint)
        if outcome is None and not self._take_over(document, claim, fingerprint):
            raise KeyInProgress
        return outcome or claim

    def record_effect(self, claim: IdempotencyClaim, effect: Effect, session: Transaction) -> None:
        """Record in the transaction of the change that the request took effect.

        Raises KeyInProgress when a repeated request has taken the key over; the change must not be committed then.
        """
        mine = {"_id": claim.key, "token": claim.token}
        if not self._keys.update_one(mine, {"$set": {"effect": vars(effect)}}, session=session).matched_count:
            raise KeyInProgress

    def keep(self, claim: IdempotencyClaim, response: StoredResponse) -> None:
        """Store the response. A claim that a repeated request has taken over stores nothing."""
        fields: Document = {"status": response.status, "headers": dict(response.headers), "body": response.body}
        fields["rights"] = list(response.rights)
        with translate_errors():
            self._keys.update_one({"_id": claim.key, "token": claim.token}, {"$set": fields})

    def release(self, claim: IdempotencyClaim) -> None:
        """Free the key at once, or end its lease when the request took effect although its response is an error."""
        mine = {"_id": claim.key, "token": claim.token}
        with translate_errors():
            # while a commit is under way this waits for its outcome
            if not self._keys.delete_one({**mine, "effect": None}).deleted_count:
                self._keys.update_one(mine, [{"$set": {"leaseUntil": "$$NOW"}}])

    def _insert(self, claim: IdempotencyClaim, fingerprint: str) -> bool:
        """Return False when the key exists. Unlike a change of its document, this waits for no transaction."""
        mine = {"_id": claim.key, "token": claim.token}
        try:
            with translate_errors():
                self._keys.update_one(mine, _claimed(claim, fingerprint), upsert=True)
        except DuplicateKeyError:
            return False
        return True

    def _find(self, key: str) -> Document | None:
        # MongoDB removes expired documents once a minute only, so one may still be there
        ends = {"hasDied": "$leaseUntil", "hasExpired": "$expiresAt"}
        computed = {name: {"$lte": [end, "$$NOW"]} for name, end in ends.items()}
        with translate_errors():
            return next(iter(self._keys.aggregate([{"$match": {"_id": key}}, {"$set": computed}])), None)

    def _take_over(self, document: Document, claim: IdempotencyClaim, fingerprint: str) -> bool:
        """Return False when the document has changed since. Waits for a transaction that changes it."""
        seen = {name: document.get(name) for name in ("_id", "token", "status", "effect")}
        with translate_errors():
            return self._keys.update_one(seen, _claimed(claim, fingerprint)).matched_count == 1


def _outcome(document: Document, fingerprint: str) -> StoredResponse | Effect | None:
    """Return the request's outcome, None when it died without one. Raises KeyReused, KeyInProgress."""
    if document["fingerprint"] != fingerprint:
        raise KeyReused
    if "status" in document:
        return StoredResponse(
            document["status"], document["headers"], bytes(document["body"]), tuple(document.get("rights", ()))
        )
    if not document["hasDied"]:
        raise KeyInProgress
    effect = document.get("effect")
    return Effect(effect["action"], effect["tenant"], effect["id"]) if effect is not None else None


def _claimed(claim: IdempotencyClaim, fingerprint: str) -> Pipeline:
    new = {"_id": claim.key, "fingerprint": fingerprint, "token": claim.token}
    times = {"leaseUntil": seconds_from_now(LEASE_SECONDS), "expiresAt": seconds_from_now(KEEP_SECONDS)}
    return [{"$replaceWith": {"$mergeObjects": [literals(new), times]}}]
