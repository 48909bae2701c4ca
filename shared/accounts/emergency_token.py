"""Emergency tokens: short-lived access for an administrator while the identity provider is down.

The collection `emergency_tokens` stores only a hash of each token. A token belongs to one platform administrator; the
rights are read from their record at each request, so revoked rights end at once.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from pymongo import ASCENDING, IndexModel
from pymongo.database import Database

from shared.db.documents import Document, Transaction, seconds_from_now, translate_errors

PREFIX = "dezky_emergency_"
MAX_MINUTES = 60

INDEXES = [IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0)]


@dataclass(frozen=True)
class EmergencyGrant:
    """The holder of a token. `expires_at`: by the database's clock."""

    subject: str
    email: str
    name: str
    expires_at: datetime


class EmergencyTokenRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._tokens = database["emergency_tokens"]

    def issue(self, subject: str, email: str, name: str, minutes: float, session: Transaction) -> str:
        """Create a token for this person and return it; only its hash is stored."""
        token = f"{PREFIX}{secrets.token_urlsafe(32)}"
        fields = {
            "subject": {"$literal": subject},
            "email": {"$literal": email},
            "name": {"$literal": name},
            "createdAt": "$$NOW",
            "expiresAt": seconds_from_now(minutes * 60),
        }
        self._tokens.update_one({"_id": _hash(token)}, [{"$set": fields}], upsert=True, session=session)
        return token

    def find(self, token: str) -> EmergencyGrant | None:
        """Return the holder of the token; None if it is unknown or expired."""
        condition: Document = {"_id": _hash(token), "$expr": {"$gt": ["$expiresAt", "$$NOW"]}}
        with translate_errors():
            document = self._tokens.find_one(condition)
        return (
            EmergencyGrant(document["subject"], document["email"], document["name"], document["expiresAt"])
            if document
            else None
        )


def _hash(token: str) -> str:
    # a token of 256 random bits needs no salt and no slow hash
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
