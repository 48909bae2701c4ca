"""When subscriptions are read from Stripe: times on the rows of `subscriptions`, which are their own queue.

`lookAt`: due from then on; a claim moves it to the lease's end. `lookNumber`: raised by every request for a read,
so that a read which began before the request does not answer it. `lookAttempts`: in a row without success.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.database import Database

from shared.db.documents import Document, Transaction, make_indexes, our_errors, seconds_from_now
from shared.subscriptions.model import Subscription
from shared.subscriptions.repository import subscription_of

INDEXES = [
    IndexModel([("lookAt", ASCENDING)], name="look", sparse=True),
    IndexModel([("stripeSubscriptionId", ASCENDING)], name="stripe", sparse=True),
]

_ASKED: list[Document] = [
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
class LookClaim:
    """A subscription taken for one read. `attempts`: this one included."""

    subscription: Subscription
    number: int
    attempts: int
    token: str


class BillingSyncQueue:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["subscriptions"]

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

    def ask(self, stripe_subscription_id: str) -> bool:
        """Make it due now. False when no record has this id."""
        with our_errors():
            done = self._rows.update_many({"stripeSubscriptionId": stripe_subscription_id}, _ASKED)
        return done.matched_count > 0

    def ask_within(self, subscription_id: str, session: Transaction) -> None:
        self._rows.update_one({"_id": ObjectId(subscription_id)}, _ASKED, session=session)

    def claim(self, lease_seconds: float) -> LookClaim | None:
        """Take the subscription that is due for longest."""
        token = secrets.token_hex(8)
        taken = {
            "lookAt": seconds_from_now(lease_seconds),
            "lookAttempts": {"$add": ["$lookAttempts", 1]},
            "lookToken": token,
        }
        due: Document = {"lookAt": {"$exists": True}, "$expr": {"$lte": ["$lookAt", "$$NOW"]}}
        with our_errors():
            row = self._rows.find_one_and_update(
                due, [{"$set": taken}], sort=[("lookAt", ASCENDING)], return_document=ReturnDocument.AFTER
            )
        return LookClaim(subscription_of(row), row["lookNumber"], row["lookAttempts"], token) if row else None

    def end(self, claim: LookClaim, session: Transaction) -> bool:
        """End a read. False when another process took it, or a new read was requested since."""
        ended = [{"$unset": ["lookAt", "lookToken", "lookAttempts"]}]
        return self._rows.update_one(_held(claim), ended, session=session).matched_count == 1

    def drop(self, claim: LookClaim) -> None:
        """Drop a read that finds nothing, until the next request."""
        with our_errors():
            self._rows.update_one(_held(claim), [{"$unset": ["lookAt", "lookToken", "lookAttempts"]}])

    def put_off(self, claim: LookClaim, seconds: float) -> None:
        """Make it due again after so many seconds."""
        with our_errors():
            self._rows.update_one(_held(claim), [{"$set": {"lookAt": seconds_from_now(seconds), "lookToken": None}}])


def _held(claim: LookClaim) -> Document:
    key = ObjectId(claim.subscription.id)
    return {"_id": key, "lookToken": claim.token, "lookNumber": claim.number}
