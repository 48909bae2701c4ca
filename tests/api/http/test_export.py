"""A tenant's export: complete, whatever its size, and streamed."""

from __future__ import annotations

import itertools
from typing import Any

import requests
from bson import ObjectId

from shared.application.store import Repositories
from shared.config.settings import Settings
from tests.api.rights_fixture import RightsFixture

#: more than two pages of each kind
MANY = 450


def multiplied(rows: Any, one: dict[str, Any], **fresh: Any) -> None:
    """Copies of a row, each with its own id and numbers."""
    rows.insert_many(
        [{**one, "_id": ObjectId(), **{name: next(value) for name, value in fresh.items()}} for _ in range(MANY)]
    )


def test_an_export_contains_every_record_once_and_is_streamed(
    rights: RightsFixture, store: Repositories, settings: Settings
) -> None:
    database = store.connection.client[settings.mongodb_database]
    tenant = {"tenantId": rights.ids["acme"]}
    colleague = database["users"].find_one({"_id": ObjectId(rights.ids["colleague"])})
    operation = database["operations"].find_one(tenant)
    # a numbered one; others of the tenant are not yet
    assert rights.people["admin"]("GET", "/events").status_code == 200
    event = database["events"].find_one(tenant)
    assert colleague is not None
    assert operation is not None
    assert event is not None
    multiplied(database["users"], colleague, authentikSubjectId=(f"copy{n}" for n in itertools.count()))
    multiplied(database["operations"], operation, generation=itertools.count(1000))
    multiplied(database["events"], event, number=itertools.count(10**6))
    assert rights.people["admin"]("PATCH", "/tenants/acme", json={"billingInfo": {"company": "A"}}).status_code == 200
    owner: requests.Response = rights.people["owner"]("GET", "/tenants/acme/export", stream=True)
    assert "Content-Length" not in owner.headers
    found = owner.json()
    assert found["tenant"]["slug"] == "acme"
    for name, collection, condition in (
        ("users", "users", {"tenantIds": rights.ids["acme"]}),
        ("operations", "operations", tenant),
        ("events", "events", tenant),
        ("subscriptions", "subscriptions", tenant),
    ):
        ids = [one.get("_id") or one["id"] for one in found[name]]
        assert len(ids) == len(set(ids)) == database[collection].count_documents(condition), name
    assert all(one["tenantIds"] == [rights.ids["acme"]] for one in found["users"])
