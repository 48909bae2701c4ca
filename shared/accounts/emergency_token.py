"""Emergency tokens: how an administrator gets in while the identity provider is down, for minutes and on record.

The collection `emergency_tokens` holds only a hash of each token. A token stands for one platform administrator and has
the rights that their record gives at each request, so taking those away works at once.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from pymongo import ASCENDING, IndexModel
from pymongo.database import Database

from shared.db.documents import Document, Transaction, make_indexes, our_errors, seconds_from_now

PREFIX = "dezky_emergency_"
LONGEST_MINUTES = 60

INDEXES = [IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0)]


@dataclass(frozen=True)
class EmergencyGrant:
    """Whom a token stands for. `expires_at`: on the database's clock."""

    subject: str
    email: str
    name: str
    expires_at: datetime


class EmergencyTokenRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["emergency_tokens"]

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

    def issue(self, subject: str, email: str, name: str, minutes: float, session: Transaction) -> str:
        """Make a token for this person and return it; it cannot be read again."""
        token = f"{PREFIX}{secrets.token_urlsafe(32)}"
        fields = {
            "subject": {"$literal": subject},
            "email": {"$literal": email},
            "name": {"$literal": name},
            "createdAt": "$$NOW",
            "expiresAt": seconds_from_now(minutes * 60),
        }
        self._rows.update_one({"_id": _hash(token)}, [{"$set": fields}], upsert=True, session=session)
        return token

    def find(self, token: str) -> EmergencyGrant | None:
        """Return whom the token stands for; None for an unknown or expired one."""
        condition: Document = {"_id": _hash(token), "$expr": {"$gt": ["$expiresAt", "$$NOW"]}}
        with our_errors():
            row = self._rows.find_one(condition)
        return EmergencyGrant(row["subject"], row["email"], row["name"], row["expiresAt"]) if row else None


def _hash(token: str) -> str:
    # a token of 256 random bits needs no salt and no slow hash
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
