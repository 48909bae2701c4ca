"""A fixture with a caller of every kind, for tests of permissions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pymongo
import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from shared.application.parts import open_settlement
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.integrations.outcomes import ok
from shared.orphans.model import Cause, MarkedObject, OrphanKind, OrphanQuery
from tests.api.conftest import Client, Issuer
from tests.database_contents import empty, fill

ORPHAN = MarkedObject(OrphanKind.SPACE, "space-1", "Lost", "0" * 24)
STEPS = ("authentik", "stalwart", "ocis")
#: surface and group of each caller beside the administrator
CALLERS = {
    "stranger": ("portal", "tenant-beta"),
    "member": ("portal", "tenant-acme"),
    "owner": ("portal", "tenant-acme"),
    "reseller": ("partner", "nothing"),
    "misplaced": ("portal", "dezky-platform-admins"),
}


def finish(store: Repositories, operation_id: str, *steps: str) -> None:
    """End the operation as workers would."""
    for step in steps or STEPS:
        claim = store.operations.claim(operation_id, step, 99, 60)
        assert claim is not None
        store.operations.record(claim, ok())
    open_settlement(store).settle(operation_id)


@dataclass(frozen=True)
class RightsFixture:
    """Tenant acme belongs to the partner reseller, beta to no partner. `people`: kind of caller to their client."""

    people: dict[str, Client]
    ids: dict[str, str]
    rows: Database[dict[str, Any]]
    sign_in: Callable[..., Client]

    def made(self, known_as: str, path: str, **body: Any) -> str:
        answer = self.people["admin"]("POST", path, json=body)
        assert answer.status_code == 201, answer.text
        self.ids[known_as] = answer.json()["_id"]
        return self.ids[known_as]


@dataclass(frozen=True)
class RightsRecords:
    """The records of the fixture, by collection, and their ids as in RightsFixture.

    `issued_at`: when the callers' tokens were issued. A newer token could restrict their rights.
    """

    settings: Settings
    issued_at: int
    documents: dict[str, list[RawBSONDocument]]
    ids: dict[str, str]


@pytest.fixture(scope="session")
def rights_records() -> list[RightsRecords]:
    """Hold the records of the first test, with which later tests of this process start: making them takes a second."""
    return []


@pytest.fixture
def rights(
    as_: Callable[..., Client],
    issuer: Issuer,
    api_url: str,
    api_settings: Settings,
    store: Repositories,
    rights_records: list[RightsRecords],
    cleaner: pymongo.MongoClient[dict[str, Any]],
) -> RightsFixture:
    rows = store.connection.client[api_settings.mongodb_database]
    records = next((one for one in rights_records if one.settings == api_settings), None)
    issued_at = records.issued_at if records else int(time.time())
    people = {"admin": Client(api_url, issuer.token("admin", iat=issued_at)), "nobody": Client(api_url, None)}
    for name, (surface, group) in CALLERS.items():
        issuer.person(name, group)
        people[name] = Client(api_url, issuer.token(name, surface, iat=issued_at))
    found = RightsFixture(people, {}, rows, as_)
    if records is not None:
        empty(cleaner[rows.name])
        fill(cleaner[rows.name], records.documents)
        found.ids.update(records.ids)
        return found
    _make(found, store)
    raw = rows.with_options(codec_options=CodecOptions(document_class=RawBSONDocument))
    documents = {name: list(raw[name].find()) for name in rows.list_collection_names()}
    filled = {name: kept for name, kept in documents.items() if kept}
    rights_records.append(RightsRecords(api_settings, issued_at, filled, dict(found.ids)))
    return found


def _make(found: RightsFixture, store: Repositories) -> None:
    root = found.people["admin"]
    assert root("GET", "/users/me").status_code == 200
    found.made("partner", "/partners", slug="reseller", name="Reseller")
    for slug, more in (("acme", {"partnerId": found.ids["partner"], "domains": ["acme.test"]}), ("beta", {})):
        answer = root("POST", "/tenants", json={"slug": slug, "name": slug.title(), **more})
        found.ids[slug] = answer.json()["_id"]
        found.ids[f"{slug}_operation"] = answer.json()["operation"]["id"]
        finish(store, answer.json()["operation"]["id"])
        found.ids[f"{slug}_subscription"] = root("GET", f"/subscriptions?tenant={slug}").json()[0]["_id"]
    changes: dict[str, dict[str, str]] = {
        "stranger": {"role": "owner"},
        "owner": {"role": "owner"},
        "reseller": {"role": "admin", "partnerId": found.ids["partner"]},
    }
    for name in CALLERS:
        answer = found.people[name]("GET", "/users/me")
        assert answer.status_code == 200, answer.text
        found.ids[name] = answer.json()["_id"]
        if name in changes:
            assert root("PATCH", f"/users/{found.ids[name]}", json=changes[name]).status_code == 200
    found.made(
        "colleague", "/users", authentikSubjectId="c1", email="c1@acme.test", name="C", tenantIds=[found.ids["acme"]]
    )
    found.made("webhook", "/webhooks", url="https://hooks.acme.test/", tenantId=found.ids["acme"])
    found.ids["delivery"] = store.deliveries.insert_ping(found.ids["webhook"], "request-1").id
    dry_run = root("POST", "/bulk-operations", json={"action": "cancel", "selector": {"tenants": ["missing"]}})
    found.ids["bulk"] = dry_run.json()["id"]
    found.ids["run"] = store.diagnostics.insert(None).id
    store.orphans.record_found("ocis", ORPHAN, Cause.TENANT_UNKNOWN, 3600, store.connection.now())
    found.ids["orphan"] = store.orphans.page(OrphanQuery()).items[0].id
