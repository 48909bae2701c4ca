"""Repeated requests with one Idempotency-Key after the change was committed and the response lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from api.app import create_app
from api.http.route_spec import spec_of
from shared.application.parts import open_settlement
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.integrations.outcomes import PermanentError, failed, ok
from tests.api.conftest import Client
from tests.api.rights_fixture import RightsFixture
from tests.mongo_proxy import Loss, MongoProxy


@pytest.fixture
def api_settings(api_settings: Settings, mongo_proxy: MongoProxy) -> Settings:
    """Let the API reach its database through the proxy."""
    return api_settings.model_copy(update={"mongodb_uri": SecretStr(mongo_proxy.uri)})


def key(name: str = "key-1") -> dict[str, str]:
    return {"Idempotency-Key": name}


def outcome(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


# -- every route


@dataclass(frozen=True)
class Case:
    """A POST. `before`: what must happen first; `record`: where the problem sends the caller."""

    path: str
    record: str
    body: dict[str, Any] = field(default_factory=dict)
    before: Callable[[RightsFixture, Repositories], None] = lambda *_: None


def run(rights: RightsFixture, store: Repositories, method: str, path: str, failing: str = "", **body: Any) -> str:
    """Start an operation of acme and end it, `failing` with an error; return its id."""
    answer = rights.people["admin"](method, path, **({"json": body} if body else {}))
    assert answer.ok, answer.text
    operation = answer.json()["operation"]
    for step in operation["steps"]:
        claim = store.operations.claim(operation["id"], step["name"], 99, 60)
        assert claim is not None
        store.operations.record(claim, failed(PermanentError("taken")) if step["name"] == failing else ok())
    open_settlement(store).settle(operation["id"])
    found: str = operation["id"]
    return found


def suspended(rights: RightsFixture, store: Repositories) -> None:
    run(rights, store, "POST", "/tenants/acme/suspend")


def deleted(rights: RightsFixture, store: Repositories) -> None:
    run(rights, store, "DELETE", "/tenants/acme")


def running(rights: RightsFixture, _: Repositories) -> None:
    rights.ids["operation"] = rights.people["admin"]("POST", "/tenants/acme/reconcile").json()["operation"]["id"]


def broken(rights: RightsFixture, store: Repositories) -> None:
    rights.ids["operation"] = run(rights, store, "POST", "/tenants/acme/reconcile", "ocis")


def owned(rights: RightsFixture, store: Repositories) -> None:
    owner = {"email": "olga@people.test", "name": "Olga"}
    run(rights, store, "POST", "/tenants", slug="owned", name="Owned", owner=owner)


def unsubscribed(rights: RightsFixture, _: Repositories) -> None:
    assert rights.people["admin"]("DELETE", f"/subscriptions/{rights.ids['acme_subscription']}").status_code == 204


def planned(rights: RightsFixture, _: Repositories) -> None:
    dry_run = {"action": "reconcile", "selector": {"tenants": ["acme"]}}
    rights.ids["bulk"] = rights.people["admin"]("POST", "/bulk-operations", json=dry_run).json()["id"]


def paused(rights: RightsFixture, _: Repositories) -> None:
    for path in ("/integrations/ocis/pause", "/tenants/acme/pause"):
        assert rights.people["admin"]("POST", path, json={"reason": "works"}).status_code == 200


def numbered(rights: RightsFixture, _: Repositories) -> None:
    """Number all events, so that the route's only transaction is its change."""
    assert rights.people["admin"]("GET", "/events").status_code == 200


NEW_USER = {"authentikSubjectId": "s9", "email": "s9@acme.test", "name": "S"}

#: route to its case; names in braces are ids of the fixture, and {new} is that of the new record
CASES = {
    "/tenants": Case("/tenants", "/tenants/gamma", {"slug": "gamma", "name": "Gamma"}),
    "/tenants/<slug>/reconcile": Case("/tenants/acme/reconcile", "/tenants/acme"),
    "/tenants/<slug>/suspend": Case("/tenants/acme/suspend", "/tenants/acme", {"reason": "unpaid"}),
    "/tenants/<slug>/resume": Case("/tenants/acme/resume", "/tenants/acme", before=suspended),
    "/tenants/<slug>/restore": Case("/tenants/acme/restore", "/tenants/acme", before=deleted),
    "/tenants/<slug>/purge": Case("/tenants/acme/purge", "/tenants/acme", before=deleted),
    "/tenants/<slug>/pause": Case("/tenants/acme/pause", "/tenants/acme", {"reason": "works"}),
    "/tenants/<slug>/unpause": Case("/tenants/acme/unpause", "/tenants/acme", before=paused),
    "/tenants/<slug>/owner/invitation": Case("/tenants/owned/owner/invitation", "/tenants/owned", before=owned),
    "/tenants/<slug>/domains/<domain>/verify": Case("/tenants/acme/domains/acme.test/verify", "/tenants/acme/domains"),
    "/operations/<id:operation_id>/cancel": Case(
        "/operations/{operation}/cancel", "/operations/{operation}", before=running
    ),
    "/operations/<id:operation_id>/steps/<step>/retry": Case(
        "/operations/{operation}/steps/ocis/retry", "/operations/{operation}", before=broken
    ),
    "/bulk-operations": Case("/bulk-operations", "/bulk-operations/{bulk}", {"start": "{bulk}"}, planned),
    "/bulk-operations/<id:bulk_id>/stop": Case(
        "/bulk-operations/{bulk}/stop", "/bulk-operations/{bulk}", before=planned
    ),
    "/users": Case("/users", "/users/{new}", NEW_USER),
    "/partners": Case("/partners", "/partners/{new}", {"slug": "second", "name": "Second"}),
    "/subscriptions": Case(
        "/subscriptions", "/subscriptions/{new}", {"tenantId": "{acme}", "plan": "starter"}, unsubscribed
    ),
    "/webhooks": Case(
        "/webhooks", "/webhooks/{new}", {"url": "https://hooks.acme.test/", "tenantId": "{acme}"}, numbered
    ),
    "/webhooks/<id:webhook_id>/rotate-secret": Case("/webhooks/{webhook}/rotate-secret", "/webhooks/{webhook}"),
    "/integrations/<integration>/pause": Case("/integrations/ocis/pause", "/integrations", {"reason": "works"}),
    "/integrations/<integration>/resume": Case("/integrations/ocis/resume", "/integrations", before=paused),
    "/observe-only": Case("/observe-only", "/observe-only", {"reason": "drill"}),
    "/orphans/look": Case("/orphans/look", "/orphans/looks"),
    "/purges/allow": Case("/purges/allow", "/purges", {"count": 3}),
}
#: routes that change no record: a repeated request runs them again
WITHOUT_CHANGE = {
    "/diagnostics",
    "/webhooks/<id:webhook_id>/test",
    "/webhooks/<id:webhook_id>/deliveries/<id:delivery_id>/replay",
}


def test_every_route_that_takes_the_header_has_a_case(settings: Settings) -> None:
    app = create_app(settings)
    rules = [rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    taking = {rule.rule for rule in rules if (spec := spec_of(app, rule.endpoint)) and not spec.is_public}
    assert taking == CASES.keys() | WITHOUT_CHANGE


@pytest.mark.parametrize("route", CASES)
def test_a_change_whose_response_was_lost_is_made_once_and_the_repeated_request_learns_where_it_is(
    rights: RightsFixture, store: Repositories, mongo_proxy: MongoProxy, route: str
) -> None:
    root, case = rights.people["admin"], CASES[route]
    case.before(rights, store)
    sent = {name: value.format(**rights.ids) if isinstance(value, str) else value for name, value in case.body.items()}
    path, options = case.path.format(**rights.ids), {"json": sent} if sent else {}
    mongo_proxy.loss = Loss.UNCLEAR
    first = root("POST", path, headers=key(), **options)
    assert (outcome(first), mongo_proxy.lost) == ((503, "store_unavailable"), 1)
    mongo_proxy.mend()
    again = [root("POST", path, headers=key(), **options) for _ in range(2)]
    requests_ = [answer.headers["X-Request-Id"] for answer in (first, *again)]
    (event,) = rights.rows["events"].find({"requestId": {"$in": requests_}})
    record = case.record.format(**rights.ids, new=(event["after"] or {}).get("_id"))
    for answer in again:
        assert outcome(answer) == (409, "already_done")
        assert (answer.json()["record"], answer.json()["retryable"]) == (record, False)
        assert event["action"] in answer.json()["detail"]
    assert event["requestId"] == requests_[0]
    assert root("GET", record).status_code == 200
    other = root("POST", path, headers=key(), json={"other": 1})
    assert outcome(other) == (422, "idempotency_key_reused")


def test_a_change_that_only_a_newer_release_knows_sends_the_caller_to_the_events(rights: RightsFixture) -> None:
    root, body = rights.people["admin"], {"count": 3}
    assert root("POST", "/purges/allow", json=body, headers=key()).status_code == 200
    newer = {"effect.action": "teapots.made", "leaseUntil": datetime(2000, 1, 1, tzinfo=UTC)}
    rights.rows["idempotency"].update_one({}, {"$set": newer, "$unset": {"status": ""}})
    again = root("POST", "/purges/allow", json=body, headers=key())
    assert (*outcome(again), again.json().get("record")) == (409, "already_done", None)
    assert "Read /events for what changed" in again.json()["detail"]


# -- nothing is doubled


def test_a_dry_run_whose_response_was_lost_is_joined(rights: RightsFixture, mongo_proxy: MongoProxy) -> None:
    root, path = rights.people["admin"], "/tenants/acme/reconcile?mode=plan"
    mongo_proxy.loss = Loss.UNCLEAR
    assert outcome(root("POST", path, headers=key())) == (503, "store_unavailable")
    mongo_proxy.mend()
    assert root("POST", path, headers=key()).status_code == 202
    assert rights.rows["operations"].count_documents({"mode": "plan"}) == 1


def test_the_database_is_lost_with_its_reply_to_a_commit(rights: RightsFixture, mongo_proxy: MongoProxy) -> None:
    root, body = rights.people["admin"], {"count": 3}
    mongo_proxy.loss = Loss.CUT
    assert outcome(root("POST", "/purges/allow", json=body, headers=key())) == (503, "store_unavailable")
    mongo_proxy.mend()
    # the key could not be freed, so for its lease the first request counts as running
    deadline = time.monotonic() + 20
    while (answer := root("POST", "/purges/allow", json=body, headers=key())).status_code == 503:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert outcome(answer) == (409, "idempotency_key_in_progress")
    rights.rows["idempotency"].update_many({}, [{"$set": {"leaseUntil": "$$NOW"}}])
    assert outcome(root("POST", "/purges/allow", json=body, headers=key())) == (409, "already_done")
    assert root("GET", "/purges").json()["extra"] == 3


def test_a_lost_response_to_a_transaction_before_the_change_is_not_taken_for_the_change(
    rights: RightsFixture, mongo_proxy: MongoProxy
) -> None:
    root, body = rights.people["admin"], {"url": "https://hooks.acme.test/", "tenantId": rights.ids["acme"]}
    before = rights.rows["webhooks"].count_documents({})
    assert rights.rows["events"].count_documents({"unnumbered": True})  # which the route numbers first
    mongo_proxy.loss = Loss.UNCLEAR
    assert outcome(root("POST", "/webhooks", json=body, headers=key())) == (503, "store_unavailable")
    assert rights.rows["webhooks"].count_documents({}) == before
    mongo_proxy.mend()
    assert root("POST", "/webhooks", json=body, headers=key()).status_code == 201
    assert rights.rows["webhooks"].count_documents({}) == before + 1


def test_ten_repeated_requests_at_once_double_nothing(
    rights: RightsFixture, store: Repositories, mongo_proxy: MongoProxy
) -> None:
    root, body = rights.people["admin"], {"url": "https://hooks.acme.test/", "tenantId": rights.ids["acme"]}
    numbered(rights, store)
    before = rights.rows["webhooks"].count_documents({})
    mongo_proxy.loss = Loss.UNCLEAR
    assert outcome(root("POST", "/webhooks", json=body, headers=key())) == (503, "store_unavailable")
    mongo_proxy.mend()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: root("POST", "/webhooks", json=body, headers=key()), range(10)))
    assert {outcome(answer) for answer in answers} == {(409, "already_done")}
    assert rights.rows["webhooks"].count_documents({}) == before + 1


def test_the_first_request_still_counts_as_running_while_its_commit_is_not_answered(
    rights: RightsFixture, mongo_proxy: MongoProxy
) -> None:
    root, body = rights.people["admin"], {"count": 3}
    mongo_proxy.loss = Loss.SILENCE
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(root, "POST", "/purges/allow", json=body, headers=key())
        deadline = time.monotonic() + 20
        while not mongo_proxy.lost:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        again = Client(root.url, None)
        again._session.headers = root._session.headers
        assert outcome(again("POST", "/purges/allow", json=body, headers=key())) == (409, "idempotency_key_in_progress")
        mongo_proxy.loss = None
        assert outcome(first.result(30)) == (503, "store_unavailable")
    assert outcome(root("POST", "/purges/allow", json=body, headers=key())) == (409, "already_done")
    assert root("GET", "/purges").json()["extra"] == 3
