"""The `webhooks` collection. Secrets are stored encrypted and are in no returned record."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.database import Database

from shared.accounts.scope import Scope
from shared.db.documents import (
    Document,
    Page,
    Transaction,
    find_by_id,
    insert_record,
    literals,
    newest_page,
    required,
    seconds_from_now,
    translate_errors,
    update_value,
    versioned_update,
)
from shared.db.mapping import mapper
from shared.webhooks.model import NewWebhook, Owner, Webhook, WebhookChanges

#: webhooks whose attempts fail, or were disabled because of that
FAILING: Document = {"failingSince": {"$type": "date"}}

INDEXES = [
    IndexModel([("tenantId", ASCENDING), ("_id", DESCENDING)], name="tenant"),
    IndexModel([("partnerId", ASCENDING), ("_id", DESCENDING)], name="partner"),
    IndexModel([("cursor", ASCENDING)], name="behind", partialFilterExpression={"enabled": True}),
    IndexModel([("removeAt", ASCENDING)], name="ending", sparse=True),
    IndexModel([("failingSince", ASCENDING)], name="failing", partialFilterExpression=FAILING),
]

#: how long webhooks of a purged tenant are kept to deliver its last events, in seconds
REMOVAL_DELAY = 86400.0
_NO_FAILURES: Document = {"failures": 0, "failingSince": None}
_NO_SECRETS = {"secrets": 0}


class WebhookRepository:
    """Reads and writes webhooks."""

    def __init__(self, database: Database[Document]) -> None:
        self._webhooks = database["webhooks"]

    def insert(
        self, new: NewWebhook, owner: Owner, tenant_slug: str | None, encrypted: str, cursor: int, session: Transaction
    ) -> Webhook:
        document = {
            "_id": ObjectId(),
            "tenantId": owner.tenant_id,
            "partnerId": owner.partner_id,
            "tenantSlug": tenant_slug,
            "url": new.url,
            "actions": list(new.actions),
            "enabled": new.enabled,
            "disabledReason": None,
            "disabledAt": None,
            "cursor": cursor,
            "secrets": [{"sealed": encrypted, "until": None}],
            "version": 1,
            **_NO_FAILURES,
        }
        return _webhook(insert_record(self._webhooks, document, session))

    def find(self, webhook_id: str, session: Transaction | None = None) -> Webhook | None:
        return find_by_id(self._webhooks, webhook_id, _webhook, session, projection=_NO_SECRETS)

    def page(self, scope: Scope, tenant_id: str | None, limit: int, after: str | None) -> Page[Webhook]:
        """Return a page of webhooks, newest first."""
        conditions = [scope_filter(scope), {"tenantId": tenant_id} if tenant_id else {}]
        return newest_page(self._webhooks, conditions, limit, after, _webhook)

    def count(self, owner: Owner, session: Transaction) -> int:
        return self._webhooks.count_documents(
            {"tenantId": owner.tenant_id, "partnerId": owner.partner_id}, session=session
        )

    def any_of_partner(self, partner_id: str, session: Transaction) -> bool:
        return self._webhooks.find_one({"partnerId": partner_id}, {"_id": 1}, session=session) is not None

    def change(self, webhook: Webhook, changes: WebhookChanges, session: Transaction) -> Webhook:
        """Change a webhook. A new URL, or enabling it, resets its failures."""
        fields: dict[str, Any] = dict(changes)
        if "url" in changes or changes.get("enabled"):
            fields |= _NO_FAILURES
        if changes.get("enabled"):
            fields |= {"disabledReason": None, "disabledAt": None}
        if "actions" in changes:
            fields["actions"] = list(changes["actions"])
        return self._written(webhook, literals(fields), session)

    def rotate(self, webhook: Webhook, encrypted: str, grace_seconds: float, session: Transaction) -> Webhook:
        """Store a new secret; the newest of the old ones stays valid for `grace_seconds`."""
        old = {"$mergeObjects": [{"$first": "$secrets"}, {"until": seconds_from_now(grace_seconds)}]}
        secrets: list[Any] = [{"sealed": {"$literal": encrypted}, "until": None}]
        return self._written(webhook, {"secrets": [*secrets, old] if grace_seconds else secrets}, session)

    def delete(self, webhook_id: str, session: Transaction) -> bool:
        """Delete a webhook. False when it did not exist."""
        return self._webhooks.delete_one({"_id": ObjectId(webhook_id)}, session=session).deleted_count == 1

    def schedule_removal(self, tenant_id: str, session: Transaction) -> None:
        """Schedule the removal of a purged tenant's webhooks, after they had time to deliver its last events."""
        self._webhooks.update_many(
            {"tenantId": tenant_id}, [{"$set": {"removeAt": seconds_from_now(REMOVAL_DELAY)}}], session=session
        )

    def due_for_removal(self, limit: int) -> list[Webhook]:
        """Return webhooks whose removal is due."""
        condition = {"removeAt": {"$exists": True}, "$expr": {"$lte": ["$removeAt", "$$NOW"]}}
        with translate_errors():
            return list(
                map(_webhook, self._webhooks.find(condition, _NO_SECRETS).sort("removeAt", ASCENDING).limit(limit))
            )

    # -- deliveries

    def encrypted_secrets(self, webhook_id: str) -> tuple[str, ...]:
        """Return the valid secrets, encrypted, newest first."""
        is_valid = {"$or": [{"$eq": ["$$one.until", None]}, {"$gt": ["$$one.until", "$$NOW"]}]}
        shown = {"secrets": {"$filter": {"input": "$secrets", "as": "one", "cond": is_valid}}}
        with translate_errors():
            document = self._webhooks.find_one({"_id": ObjectId(webhook_id)}, shown)
        return tuple(one["sealed"] for one in document["secrets"]) if document else ()

    def behind(self, number: int, limit: int) -> list[Webhook]:
        """Return enabled webhooks whose cursor is before this event's number, the oldest cursor first."""
        condition = {"enabled": True, "cursor": {"$lt": number}}
        with translate_errors():
            return list(
                map(_webhook, self._webhooks.find(condition, _NO_SECRETS).sort("cursor", ASCENDING).limit(limit))
            )

    def advance(self, webhook: Webhook, number: int, session: Transaction | None = None) -> bool:
        """Advance the cursor. False when another process did, or the webhook was disabled or changed."""
        condition = {
            "_id": ObjectId(webhook.id),
            "cursor": webhook.cursor,
            "enabled": True,
            "version": webhook.version,
        }
        # a transaction is repeated by its caller, who must see the driver's error
        with translate_errors() if session is None else nullcontext():
            moved = self._webhooks.update_one(condition, {"$set": {"cursor": number}}, session=session)
        return moved.matched_count == 1

    def succeeded(self, webhook: Webhook) -> None:
        with translate_errors():
            self._webhooks.update_one({"_id": ObjectId(webhook.id), "failures": {"$gt": 0}}, {"$set": _NO_FAILURES})

    def failed(self, webhook: Webhook) -> int:
        """Count a failed attempt; return how many failed in a row, 0 when the webhook has changed since."""
        counted = {
            "failures": {"$add": ["$failures", 1]},
            "failingSince": {"$ifNull": ["$failingSince", "$$NOW"]},
        }
        with translate_errors():
            document = self._webhooks.find_one_and_update(
                {"_id": ObjectId(webhook.id), "version": webhook.version},
                [{"$set": counted}],
                {"failures": 1},
                return_document=ReturnDocument.AFTER,
            )
        return int(document["failures"]) if document else 0

    def disable(
        self, webhook: Webhook, reason: str, session: Transaction, failing_seconds: float | None = None
    ) -> Webhook | None:
        """Disable a webhook. None when it is disabled, has changed, or has been failing for less than
        `failing_seconds`.
        """
        condition: Document = {"_id": ObjectId(webhook.id), "enabled": True, "version": webhook.version}
        if failing_seconds is not None:
            condition["failingSince"] = {"$ne": None}
            condition["$expr"] = {"$lte": ["$failingSince", seconds_from_now(-failing_seconds)]}
        disabled = versioned_update({"enabled": False, "disabledReason": reason, "disabledAt": "$$NOW"})
        return update_value(self._webhooks, condition, disabled, _webhook, session, projection=_NO_SECRETS)

    def _written(self, webhook: Webhook, fields: Document, session: Transaction) -> Webhook:
        key, update = {"_id": ObjectId(webhook.id)}, versioned_update(fields)
        return required(update_value(self._webhooks, key, update, _webhook, session, projection=_NO_SECRETS))


def scope_filter(scope: Scope) -> Document:
    """Return the condition for webhooks within a scope."""
    if scope.everything:
        return {}
    choices: list[Document] = [{"partnerId": None, "tenantId": {"$in": list(scope.tenant_ids)}}]
    if scope.partner_id is not None:
        choices.append({"partnerId": scope.partner_id})
    return {"$or": choices}


_webhook = mapper(Webhook, owner=mapper(Owner))
