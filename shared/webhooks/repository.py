"""The `webhooks` collection: who is told of which events. Secrets come and go encrypted, and in no record."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.database import Database

from shared.accounts.scope import Scope
from shared.db.documents import (
    Document,
    Transaction,
    literals,
    made,
    make_indexes,
    newest_first,
    object_id,
    our_errors,
    present,
    seconds_from_now,
    written,
)
from shared.db.paging import Page
from shared.webhooks.model import NewWebhook, Owner, Webhook, WebhookChanges

#: attempts of theirs fail, or did until they were switched off for it
FAILING: Document = {"failingSince": {"$type": "date"}}

INDEXES = [
    IndexModel([("tenantId", ASCENDING), ("_id", DESCENDING)], name="tenant"),
    IndexModel([("partnerId", ASCENDING), ("_id", DESCENDING)], name="partner"),
    IndexModel([("cursor", ASCENDING)], name="behind", partialFilterExpression={"enabled": True}),
    IndexModel([("removeAt", ASCENDING)], name="ending", sparse=True),
    IndexModel([("failingSince", ASCENDING)], name="failing", partialFilterExpression=FAILING),
]

#: how long the webhooks of a removed tenant still tell of its end, in seconds
LAST_WORDS = 86400.0
#: what being well again, or beginning anew, looks like
_WELL: Document = {"failures": 0, "failingSince": None}
_NO_SECRETS = {"secrets": 0}


class WebhookRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["webhooks"]

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

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
            **_WELL,
        }
        return _webhook(made(self._rows, document, session))

    def find(self, webhook_id: str, session: Transaction | None = None) -> Webhook | None:
        key = object_id(webhook_id)
        with our_errors():
            row = self._rows.find_one({"_id": key}, _NO_SECRETS, session=session) if key else None
        return _webhook(row) if row else None

    def page(self, scope: Scope, tenant_id: str | None, limit: int, after: str | None) -> Page[Webhook]:
        """Newest first."""
        conditions = [scope_filter(scope), {"tenantId": tenant_id} if tenant_id else {}]
        rows, following = newest_first(self._rows, conditions, limit, after)
        return Page(tuple(map(_webhook, rows)), following)

    def count(self, owner: Owner, session: Transaction) -> int:
        return self._rows.count_documents({"tenantId": owner.tenant_id, "partnerId": owner.partner_id}, session=session)

    def any_of_partner(self, partner_id: str, session: Transaction) -> bool:
        return self._rows.find_one({"partnerId": partner_id}, {"_id": 1}, session=session) is not None

    def change(self, webhook: Webhook, changes: WebhookChanges, session: Transaction) -> Webhook:
        """With another URL, or switched on again, it begins anew: what was held against it is forgotten."""
        fields: dict[str, Any] = dict(changes)
        if "url" in changes or changes.get("enabled"):
            fields |= _WELL
        if changes.get("enabled"):
            fields |= {"disabledReason": None, "disabledAt": None}
        if "actions" in changes:
            fields["actions"] = list(changes["actions"])
        return self._written(webhook, literals(fields), session)

    def rotate(self, webhook: Webhook, encrypted: str, grace_seconds: float, session: Transaction) -> Webhook:
        """A new secret; the newest of the old ones signs beside it for `grace_seconds`."""
        old = {"$mergeObjects": [{"$first": "$secrets"}, {"until": seconds_from_now(grace_seconds)}]}
        secrets: list[Any] = [{"sealed": {"$literal": encrypted}, "until": None}]
        return self._written(webhook, {"secrets": [*secrets, old] if grace_seconds else secrets}, session)

    def delete(self, webhook_id: str, session: Transaction) -> bool:
        """False when it was gone already."""
        return self._rows.delete_one({"_id": ObjectId(webhook_id)}, session=session).deleted_count == 1

    def end(self, tenant_id: str, session: Transaction) -> None:
        """The tenant is gone: its webhooks go, too, when they had a day to tell of it."""
        self._rows.update_many(
            {"tenantId": tenant_id}, [{"$set": {"removeAt": seconds_from_now(LAST_WORDS)}}], session=session
        )

    def ended(self, limit: int) -> list[Webhook]:
        """Those whose time to go has come."""
        condition = {"removeAt": {"$exists": True}, "$expr": {"$lte": ["$removeAt", "$$NOW"]}}
        with our_errors():
            return list(map(_webhook, self._rows.find(condition, _NO_SECRETS).sort("removeAt", ASCENDING).limit(limit)))

    # -- what the delivery needs

    def encrypted_secrets(self, webhook_id: str) -> tuple[str, ...]:
        """Those in force, newest first."""
        in_force = {"$or": [{"$eq": ["$$one.until", None]}, {"$gt": ["$$one.until", "$$NOW"]}]}
        shown = {"secrets": {"$filter": {"input": "$secrets", "as": "one", "cond": in_force}}}
        with our_errors():
            row = self._rows.find_one({"_id": ObjectId(webhook_id)}, shown)
        return tuple(one["sealed"] for one in row["secrets"]) if row else ()

    def behind(self, number: int, limit: int) -> list[Webhook]:
        """Enabled ones that have not been told of all events up to this one, those furthest behind first."""
        condition = {"enabled": True, "cursor": {"$lt": number}}
        with our_errors():
            return list(map(_webhook, self._rows.find(condition, _NO_SECRETS).sort("cursor", ASCENDING).limit(limit)))

    def advance(self, webhook: Webhook, number: int, session: Transaction | None = None) -> bool:
        """Move the cursor on. False when somebody else did, or the webhook was switched off or changed."""
        condition = {
            "_id": ObjectId(webhook.id),
            "cursor": webhook.cursor,
            "enabled": True,
            "version": webhook.version,
        }
        # in a transaction a conflict must reach whoever runs it, to be tried again
        with our_errors() if session is None else nullcontext():
            moved = self._rows.update_one(condition, {"$set": {"cursor": number}}, session=session)
        return moved.matched_count == 1

    def succeeded(self, webhook: Webhook) -> None:
        with our_errors():
            self._rows.update_one({"_id": ObjectId(webhook.id), "failures": {"$gt": 0}}, {"$set": _WELL})

    def failed(self, webhook: Webhook) -> int:
        """Count an attempt that did not get through; how many there were in a row. 0 when the webhook has changed."""
        counted = {
            "failures": {"$add": ["$failures", 1]},
            "failingSince": {"$ifNull": ["$failingSince", "$$NOW"]},
        }
        with our_errors():
            row = self._rows.find_one_and_update(
                {"_id": ObjectId(webhook.id), "version": webhook.version},
                [{"$set": counted}],
                {"failures": 1},
                return_document=ReturnDocument.AFTER,
            )
        return int(row["failures"]) if row else 0

    def disable(
        self, webhook: Webhook, reason: str, session: Transaction, failing_seconds: float | None = None
    ) -> Webhook | None:
        """Switch it off. None when it is off, has changed, or has not been failing for so long."""
        condition: Document = {"_id": ObjectId(webhook.id), "enabled": True, "version": webhook.version}
        if failing_seconds is not None:
            condition["failingSince"] = {"$ne": None}
            condition["$expr"] = {"$lte": ["$failingSince", seconds_from_now(-failing_seconds)]}
        row = self._rows.find_one_and_update(
            condition,
            written({"enabled": False, "disabledReason": reason, "disabledAt": "$$NOW"}),
            _NO_SECRETS,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return _webhook(row) if row else None

    def _written(self, webhook: Webhook, fields: Document, session: Transaction) -> Webhook:
        row = self._rows.find_one_and_update(
            {"_id": ObjectId(webhook.id)},
            written(fields),
            _NO_SECRETS,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return _webhook(present(row))


def scope_filter(scope: Scope) -> Document:
    """A condition: the webhooks that a scope lets see."""
    if scope.everything:
        return {}
    choices: list[Document] = [{"partnerId": None, "tenantId": {"$in": list(scope.tenant_ids)}}]
    if scope.partner_id is not None:
        choices.append({"partnerId": scope.partner_id})
    return {"$or": choices}


def _webhook(row: Document) -> Webhook:
    return Webhook(
        id=str(row["_id"]),
        owner=Owner(row["tenantId"], row["partnerId"]),
        tenant_slug=row["tenantSlug"],
        url=row["url"],
        actions=tuple(row["actions"]),
        enabled=row["enabled"],
        disabled_reason=row["disabledReason"],
        disabled_at=row["disabledAt"],
        failures=row["failures"],
        failing_since=row["failingSince"],
        cursor=row["cursor"],
        version=row["version"],
        created_at=row["createdAt"],
        updated_at=row["updatedAt"],
    )
