"""The queue of billing syncs: which subscriptions are due to be read from Stripe, over the collection `subscriptions`.

`lookAt`: due from then on. `lookNumber`: raised by each request for a sync, so that a sync which began before the
request does not answer it. `lookAttempts`: attempts in a row without success.
"""

from __future__ import annotations

from dataclasses import dataclass

from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.database import Database

from shared.db.documents import Document, Transaction, seconds_from_now, translate_errors
from shared.db.lease_queue import LeaseQueue
from shared.subscriptions.model import Subscription
from shared.subscriptions.repository import subscription_of

INDEXES = [
    IndexModel([("lookAt", ASCENDING)], name="look", sparse=True),
    IndexModel([("stripeSubscriptionId", ASCENDING)], name="stripe", sparse=True),
]

_REQUESTED: list[Document] = [
    {
        "$set": {
            "lookAt": "$$NOW",
            "lookNumber": {"$add": [{"$ifNull": ["$lookNumber", 0]}, 1]},
            "lookAttempts": 0,
            "lookToken": None,
        }
    }
]


@dataclass(frozen=True)
class SyncClaim:
    """A subscription claimed for one sync. `attempts`: this one included."""

    subscription: Subscription
    number: int
    attempts: int
    token: str


class BillingSyncQueue:
    """Claims due subscriptions for one sync each, under a lease."""

    def __init__(self, database: Database[Document]) -> None:
        self._subscriptions = database["subscriptions"]
        self._queue = LeaseQueue(self._subscriptions, due_field="lookAt", claim_field="lookToken")

    def request(self, stripe_subscription_id: str) -> bool:
        """Make a sync due now. False when no record has this id."""
        with translate_errors():
            done = self._subscriptions.update_many({"stripeSubscriptionId": stripe_subscription_id}, _REQUESTED)
        return done.matched_count > 0

    def request_within(self, subscription_id: str, session: Transaction) -> None:
        """Make a sync due when the transaction commits."""
        self._subscriptions.update_one({"_id": ObjectId(subscription_id)}, _REQUESTED, session=session)

    def claim(self, lease_seconds: float) -> SyncClaim | None:
        """Claim the subscription that has been due longest."""
        lease = self._queue.claim(lease_seconds, changes={"lookAttempts": {"$add": ["$lookAttempts", 1]}})
        if lease is None:
            return None
        document = lease.document
        return SyncClaim(subscription_of(document), document["lookNumber"], document["lookAttempts"], lease.token)

    def end(self, claim: SyncClaim, session: Transaction | None = None) -> bool:
        """End a sync until the next request. False when another process took over, or a sync was requested since."""
        ended = {"lookAt": "$$REMOVE", "lookToken": "$$REMOVE", "lookAttempts": "$$REMOVE"}
        return self._queue.release(_claimed_by(claim), claim.token, ended, session)

    def postpone(self, claim: SyncClaim, seconds: float) -> None:
        """Make it due again after so many seconds."""
        self._queue.release(_claimed_by(claim), claim.token, {"lookAt": seconds_from_now(seconds)})


def _claimed_by(claim: SyncClaim) -> Document:
    return {"_id": ObjectId(claim.subscription.id), "lookNumber": claim.number}
