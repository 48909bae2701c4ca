"""When a subscription is to be looked at in Stripe: times on the rows of `subscriptions`, which are their own queue.

`lookAt`: due from then on; a claim moves it to the lease's end. `lookNumber`: raised whenever a look is asked for, so
that one which began before may not count for what was asked after it began. `lookAttempts`: in a row without success.
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
    """A subscription taken for one look. `attempts`: this one included."""

    subscription: Subscription
    number: int
    attempts: int
    token: str


class BillingLooks:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["subscriptions"]

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

    def ask(self, stripe_subscription_id: str) -> bool:
        """Have it looked at now. False when no record has this id."""
        with our_errors():
            done = self._rows.update_many({"stripeSubscriptionId": stripe_subscription_id}, _ASKED)
        return done.matched_count > 0

    def ask_within(self, subscription_id: str, session: Transaction) -> None:
        self._rows.update_one({"_id": ObjectId(subscription_id)}, _ASKED, session=session)

    def claim(self, lease_seconds: float) -> LookClaim | None:
        """Take the one that is longest due."""
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
        """The look is done. False when another took it, or one was asked for since: that is due already."""
        ended = [{"$unset": ["lookAt", "lookToken", "lookAttempts"]}]
        return self._rows.update_one(_held(claim), ended, session=session).matched_count == 1

    def drop(self, claim: LookClaim) -> None:
        """There is nothing to see; wait until it is asked for again."""
        with our_errors():
            self._rows.update_one(_held(claim), [{"$unset": ["lookAt", "lookToken", "lookAttempts"]}])

    def put_off(self, claim: LookClaim, seconds: float) -> None:
        """Look again after so many seconds."""
        with our_errors():
            self._rows.update_one(_held(claim), [{"$set": {"lookAt": seconds_from_now(seconds), "lookToken": None}}])


def _held(claim: LookClaim) -> Document:
    key = ObjectId(claim.subscription.id)
    return {"_id": key, "lookToken": claim.token, "lookNumber": claim.number}
