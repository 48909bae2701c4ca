"""A fixture with a caller of every kind, for tests of permissions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo.database import Database

from shared.application.parts import open_settlement
from shared.application.store import Repositories
from shared.integrations.outcomes import ok
from shared.orphans.model import Cause, MarkedObject, OrphanKind, OrphanQuery
from tests.api.conftest import Client, Issuer

ORPHAN = MarkedObject(OrphanKind.SPACE, "space-1", "Lost", "0" * 24)
STEPS = ("authentik", "stalwart", "ocis")


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


@pytest.fixture
def rights(
    root: Client, as_: Callable[..., Client], issuer: Issuer, api_url: str, store: Repositories, database_name: str
) -> RightsFixture:
    found = RightsFixture({"admin": root}, {}, store.connection.client[database_name], as_)
    found.made("partner", "/partners", slug="reseller", name="Reseller")
    for slug, more in (("acme", {"partnerId": found.ids["partner"], "domains": ["acme.test"]}), ("beta", {})):
        answer = root("POST", "/tenants", json={"slug": slug, "name": slug.title(), **more})
        found.ids[slug] = answer.json()["_id"]
        found.ids[f"{slug}_operation"] = answer.json()["operation"]["id"]
        finish(store, answer.json()["operation"]["id"])
        found.ids[f"{slug}_subscription"] = root("GET", f"/subscriptions?tenant={slug}").json()[0]["_id"]
    found.people["nobody"] = Client(api_url, None)
    for name, surface, group, given in (
        ("stranger", "portal", "tenant-beta", {"role": "owner"}),
        ("member", "portal", "tenant-acme", {}),
        ("owner", "portal", "tenant-acme", {"role": "owner"}),
        ("reseller", "partner", "", {"role": "admin", "partnerId": found.ids["partner"]}),
    ):
        client = as_(name, surface, *([group] if group else ["nothing"]))
        found.ids[name] = client("GET", "/users/me").json()["_id"]
        if given:
            assert root("PATCH", f"/users/{found.ids[name]}", json=given).status_code == 200
        found.people[name] = client
    issuer.person("misplaced", "dezky-platform-admins")
    found.people["misplaced"] = as_("misplaced", "portal", "dezky-platform-admins")
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
    return found
