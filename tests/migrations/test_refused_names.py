"""The names of refused mail domains, which old and new workers keep in fields of different names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pymongo.database import Database

from shared.application.migrations import MIGRATIONS
from shared.application.store import Repositories
from shared.db.documents import Document
from shared.tenants.views import TenantView


@pytest.fixture
def database(store: Repositories) -> Database[Document]:
    found: Database[Document] = store.connection.database
    return found


@pytest.fixture
def view(create: Callable[..., TenantView]) -> TenantView:
    return create("acme", "acme.test")


def test_names_of_an_older_worker_are_copied_and_stay_for_it(database: Database[Document], view: TenantView) -> None:
    database["tenants"].update_one({"slug": "acme"}, {"$set": {"stalwartOpening": ["acme.test"]}})
    for _ in range(2):
        MIGRATIONS[1].apply(database, lambda: None)
    row = database["tenants"].find_one({"slug": "acme"}) or {}
    assert (row["stalwartRefused"], row["stalwartOpening"]) == (["acme.test"], ["acme.test"])


def test_names_are_read_from_both_fields_and_written_to_both(
    store: Repositories, database: Database[Document], view: TenantView
) -> None:
    tenant = view.tenant
    fields = {"stalwartOpening": ["acme.test"], "stalwartRefused": ["old.test"]}
    database["tenants"].update_one({"slug": "acme"}, {"$set": fields})
    found = store.tenants.find("acme")
    assert found is not None
    assert found.remote["stalwartRefused"] == ["acme.test", "old.test"]
    assert store.tenants.save_remote(tenant.id, tenant.generation, {"stalwartRefused": ["acme.test"]})
    row = database["tenants"].find_one({"slug": "acme"}) or {}
    assert (row["stalwartRefused"], row["stalwartOpening"]) == (["acme.test"], ["acme.test"])
