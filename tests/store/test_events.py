"""The event log: the order in which events get their numbers."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.events.model import Author, NewEvent


def append(store: Repositories, action: str) -> None:
    store.connection.transaction(
        lambda session: store.events.append(NewEvent(action, Author(None, "request-1")), session)
    )


def test_an_effect_is_listed_after_its_cause_whatever_their_ids(store: Repositories, settings: Settings) -> None:
    append(store, "tenant.created")
    rows = store.connection.client[settings.mongodb_database]["events"]
    cause: dict[str, Any] = rows.find_one_and_delete({}) or {}
    # as written by a process whose ids sort after ours
    rows.insert_one(cause | {"_id": ObjectId("f" * 24)})
    append(store, "operation.succeeded")
    store.connection.transaction(store.events.number)
    feed = store.events.following(None, 0, None, 10)
    assert [event.action for event in feed.items] == ["tenant.created", "operation.succeeded"]
