"""Conventions of all routes: idempotency keys, ETags, pages, problems, request ids, plans, cancel and retry."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from api.app import create_app
from shared.application.parts import open_settlement, open_starter
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.events.model import Author
from shared.integrations.outcomes import PermanentError, failed, ok
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Mode
from shared.workflows.model import Action
from tests.api.conftest import Client, Issuer, Serve
from tests.api.rights_fixture import STEPS, RightsFixture, finish

ACME = {"slug": "acme", "name": "Acme"}


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


@pytest.mark.usefixtures("store")
def test_a_query_that_is_not_utf_8_is_a_400(api_settings: Settings, issuer: Issuer) -> None:
    answer = (
        create_app(api_settings)
        .test_client()
        .get(
            "/tenants",
            headers={"Authorization": f"Bearer {issuer.token('admin')}"},
            environ_overrides={"QUERY_STRING": "q=\xff"},
        )
    )
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_input")
    assert "is not UTF-8" in answer.get_json()["errors"][0]["detail"]


# -- Idempotency-Key


def test_a_repeated_post_with_the_same_key_and_body_gets_the_first_response(root: Client) -> None:
    headers = key()
    first = root("POST", "/tenants", json=ACME, headers=headers)
    again = root("POST", "/tenants", json=ACME, headers=headers)
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert {again.headers[name] == first.headers[name] for name in ("Location", "Operation-Location", "ETag")} == {True}
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert len(root("GET", "/tenants").json()) == 1


def test_the_same_key_with_another_body_or_route_is_refused(root: Client) -> None:
    headers = key()
    root("POST", "/tenants", json=ACME, headers=headers)
    for path, body in (("/tenants", ACME | {"name": "Other"}), ("/partners", {"slug": "other", "name": "P"})):
        answer = root("POST", path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_two_callers_may_use_the_same_key_without_seeing_each_others_responses(rights: RightsFixture) -> None:
    headers = key()
    body = {"slug": "gamma", "name": "G"}
    assert rights.people["admin"]("POST", "/tenants", json=body, headers=headers).status_code == 201
    other = rights.people["reseller"]("POST", "/tenants", json=body, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "slug_taken")


def test_ten_concurrent_posts_with_one_key_run_once_and_return_the_same(root: Client) -> None:
    headers = key()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: root("POST", "/tenants", json=ACME, headers=headers), range(10)))
    done = [answer for answer in answers if answer.status_code == 201]
    waiting = [answer for answer in answers if answer.status_code != 201]
    assert len({answer.content for answer in done}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in done) == 1
    assert {answer.json()["code"] for answer in waiting} <= {"idempotency_key_in_progress"}
    assert all(answer.status_code == 409 and answer.json()["retryable"] for answer in waiting)


def test_a_refusal_is_computed_again_with_the_same_key(rights: RightsFixture, store: Repositories) -> None:
    root, headers = rights.people["admin"], key()
    running = root("POST", "/tenants/acme/reconcile").json()["operation"]["id"]
    assert root("POST", "/tenants/acme/reconcile?mode=plan", headers=headers).status_code == 409
    finish(store, running)
    dry_run = root("POST", "/tenants/acme/reconcile?mode=plan", headers=headers)
    assert dry_run.status_code == 202
    finish(store, dry_run.json()["operation"]["id"])
    refused, body = key(), {"slug": "north", "name": "North", "domains": ["acme.test"]}
    assert root("POST", "/tenants", json=body, headers=refused).status_code == 409
    assert root("PATCH", "/tenants/acme", json={"domains": ["other.test"]}).status_code == 202
    again = root("POST", "/tenants", json=body, headers=refused)
    assert (again.status_code, "Idempotency-Replayed" in again.headers) == (201, False)
    assert root("POST", "/tenants", json=body, headers=refused).headers["Idempotency-Replayed"] == "true"


def test_a_caller_may_repeat_a_request_with_its_key_once_their_record_exists(api_url: str, issuer: Issuer) -> None:
    client, headers, body = Client(api_url, issuer.token("admin")), key(), {"slug": "north", "name": "North"}
    unknown = client("POST", "/partners", json=body, headers=headers)
    assert (unknown.status_code, unknown.json()["code"]) == (403, "unknown_user")
    assert client("GET", "/users/me").status_code == 200
    assert client("POST", "/partners", json=body, headers=headers).status_code == 201


@pytest.mark.parametrize("changed", [False, True])
def test_after_the_process_of_the_first_request_died_a_repeated_one_runs_unless_that_one_took_effect(
    root: Client, store: Repositories, settings: Settings, *, changed: bool
) -> None:
    headers = key()
    root("POST", "/tenants", json=ACME, headers=headers)
    rows = store.connection.client[settings.mongodb_database]
    row = rows["idempotency"].find_one({})
    assert row is not None
    unset = dict.fromkeys(("status", "body", "headers", *([] if changed else ["effect"])), "")
    rows["idempotency"].update_one({}, {"$unset": unset, "$set": {"leaseUntil": row["expiresAt"]}})
    if not changed:
        for name in ("tenants", "operations", "subscriptions"):
            rows[name].delete_many({})
    assert root("POST", "/tenants", json=ACME, headers=headers).json()["code"] == "idempotency_key_in_progress"
    rows["idempotency"].update_one({}, [{"$set": {"leaseUntil": "$$NOW"}}])
    again = root("POST", "/tenants", json=ACME, headers=headers)
    assert (again.status_code, again.json().get("record")) == ((409, "/tenants/acme") if changed else (201, None))


@pytest.mark.parametrize("value", ["", "x" * 256, "sp ace"])
def test_a_malformed_key_is_refused(root: Client, value: str) -> None:
    answer = root("POST", "/tenants", json=ACME, headers={"Idempotency-Key": value})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")


# -- ETag and If-Match


def test_a_change_with_a_stale_etag_is_refused(rights: RightsFixture) -> None:
    root = rights.people["admin"]
    for address, body in (
        ("/tenants/acme", {"billingInfo": {"company": "New"}}),
        (f"/users/{rights.ids['colleague']}", {"name": "New"}),
        (f"/partners/{rights.ids['partner']}", {"name": "New"}),
        (f"/subscriptions/{rights.ids['acme_subscription']}", {"status": "past_due"}),
    ):
        seen = root("GET", address).headers["ETag"]
        first = root("PATCH", address, json=body, headers={"If-Match": seen})
        assert (first.status_code, first.headers["ETag"] != seen) == (200, True), address
        late = root("PATCH", address, json=body, headers={"If-Match": seen})
        assert (late.status_code, late.json()["code"]) == (412, "stale_version")
        for header in ("*", f'"1", {first.headers["ETag"]}'):
            assert root("PATCH", address, json=body, headers={"If-Match": header}).status_code == 200
        never_given = f'"0{first.headers["ETag"][1:]}', f'"{"9" * 5000}"'
        for header in ('"none"', '""', f"W/{first.headers['ETag']}", *never_given):
            assert root("PATCH", address, json=body, headers={"If-Match": header}).status_code == 412
    for address in (f"/users/{rights.ids['colleague']}", "/tenants/acme"):
        stale = root("DELETE", address, headers={"If-Match": '"1"'})
        assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert root("GET", "/tenants/acme").json()["status"] != "deleted"
    seen = root("GET", "/tenants/acme").headers["ETag"]
    assert root("DELETE", "/tenants/acme", headers={"If-Match": seen}).status_code == 202


def test_of_six_simultaneous_changes_to_one_version_one_succeeds(rights: RightsFixture) -> None:
    root = rights.people["admin"]
    seen = {"If-Match": root("GET", "/tenants/acme").headers["ETag"]}

    def change(company: str) -> int:
        body = {"billingInfo": {"company": company}}
        return root("PATCH", "/tenants/acme", json=body, headers=seen).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(change, "abcdef")) == [200, 412, 412, 412, 412, 412]


# -- lists


def followed(client: Client, path: str, relation: str = "next") -> list[Any]:
    found: list[Any] = []
    address: str | None = path
    while address:
        answer = client("GET", address)
        assert answer.status_code == 200, answer.text
        found += answer.json()
        links = requests.utils.parse_header_links(answer.headers.get("Link", ""))
        address = next((link["url"] for link in links if link.get("rel") == relation), None)
    return found


@pytest.mark.parametrize("path", ["/partners", "/users", "/tenants", "/subscriptions", "/events"])
def test_pages_neither_skip_nor_repeat_while_records_are_added(rights: RightsFixture, path: str) -> None:
    root = rights.people["admin"]
    for number in range(4):
        root("POST", "/partners", json={"slug": f"more{number}", "name": "M"})
    before = [one.get("_id") or one["id"] for one in followed(root, f"{path}?limit=200")]
    seen: list[str] = []
    address: str | None = f"{path}?limit=1"
    while address:
        answer = root("GET", address)
        seen += [one.get("_id") or one["id"] for one in answer.json()]
        number += 1
        root("POST", "/partners", json={"slug": f"more{number}", "name": "M"})
        found = re.search(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
        address = found.group(1) if found else None
    assert seen == before


def test_a_filter_applies_to_all_pages(rights: RightsFixture) -> None:
    found = followed(rights.people["admin"], "/tenants?status=active&limit=1")
    assert [tenant["slug"] for tenant in found] == ["beta", "acme"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "limit=1&limit=2", "cursor=1", "nonsense=1", "q="]
)
def test_a_malformed_query_parameter_is_named(root: Client, query: str) -> None:
    answer = root("GET", f"/tenants?{query}")
    name = query.partition("=")[0]
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (400, [f"?{name}"])


# -- problems


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/nothing", {}, 404, "not_found"),
        ("GET", "/users/not-an-id", {}, 404, "not_found"),
        ("GET", "/health//live", {}, 404, "not_found"),
        ("PUT", "/tenants", {}, 405, "method_not_allowed"),
        ("PATCH", "/users/me", {}, 405, "method_not_allowed"),
        ("POST", "/partners", {"data": "x", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
        (
            "POST",
            "/partners",
            {"data": b"x" * 70_000, "headers": {"Content-Type": "application/json"}},
            413,
            "body_too_large",
        ),
        ("POST", "/tenants/acme/reconcile", {"json": {"mode": "plan"}}, 400, "unexpected_body"),
        ("PATCH", "/tenants/acme", {"json": {}, "headers": {"If-Match": ""}}, 400, "bad_if_match"),
    ],
)
def test_every_refusal_is_a_problem_document(
    root: Client, method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    answer = root(method, path, **options)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert set(answer.json()) >= {"type", "title", "status", "detail", "instance", "code", "retryable", "requestId"}
    assert answer.json()["requestId"] == answer.headers["X-Request-Id"]


# -- plans, cancel, retry


def claim_all(store: Repositories, operation_id: str, **outcomes: Any) -> None:
    for step in STEPS:
        claim = store.operations.claim(operation_id, step, 99, 60)
        assert claim is not None
        store.operations.record(claim, outcomes.get(step, ok()))
    open_settlement(store).settle(operation_id)


def test_a_dry_run_changes_nothing_on_the_tenant_and_a_second_request_returns_the_running_one(
    rights: RightsFixture, store: Repositories
) -> None:
    root = rights.people["admin"]
    before = root("GET", "/tenants/acme").json()
    asked = root("POST", "/tenants/acme/reconcile?mode=plan")
    dry_run = asked.json()["operation"]
    assert (asked.status_code, dry_run["mode"], dry_run["status"]) == (202, "plan", "running")
    assert asked.headers["Operation-Location"] == f"/operations/{dry_run['id']}"
    assert root("POST", "/tenants/acme/reconcile?mode=plan").json()["operation"]["id"] == dry_run["id"]
    blocked = root("POST", "/tenants/acme/reconcile")
    assert (blocked.status_code, blocked.json()["operation"]) == (409, dry_run["id"])
    claim_all(store, dry_run["id"], ocis=failed(PermanentError("taken")))
    assert root("GET", f"/operations/{dry_run['id']}").json()["status"] == "failed"
    assert root("GET", "/tenants/acme").json() == before


def test_a_scheduled_dry_run_is_cancelled_by_a_requested_reconcile(
    rights: RightsFixture, store: Repositories, settings: Settings
) -> None:
    root = rights.people["admin"]
    tenant = store.tenants.find("acme")
    assert tenant is not None
    starter = open_starter(store, Dispatcher(settings.broker), settings)
    dry_run = starter.start(Action.RECONCILE, Mode.DRY_RUN, tenant, Author(None, "drift")).operation
    assert dry_run is not None
    requested = root("POST", "/tenants/acme/reconcile")
    assert (requested.status_code, requested.json()["operation"]["mode"]) == (202, "apply")
    assert root("GET", f"/operations/{dry_run.id}").json()["status"] == "cancelled"


def test_a_cancelled_operation_stops_and_lets_the_next_one_start(rights: RightsFixture, store: Repositories) -> None:
    root = rights.people["admin"]
    operation = root("POST", "/tenants/acme/reconcile").json()["operation"]["id"]
    claim = store.operations.claim(operation, "ocis", 1, 60)
    assert claim is not None
    cancelled = root("POST", f"/operations/{operation}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert {(step["status"], step["reason"]) for step in cancelled.json()["steps"]} == {("error", "cancelled")}
    assert root("POST", f"/operations/{operation}/cancel").json()["status"] == "cancelled"
    assert store.operations.claim(operation, "stalwart", 99, 60) is None
    # the running attempt ends and changes nothing
    late = store.operations.record(claim, ok())
    assert late is not None
    assert late.step("ocis").status == "error"
    tenant = root("GET", "/tenants/acme").json()
    assert (tenant["status"], tenant["health"]) == ("active", "degraded")
    assert root("POST", "/tenants/acme/reconcile").status_code == 202
    ended = root("POST", f"/operations/{rights.ids['acme_operation']}/cancel")
    assert (ended.status_code, ended.json()["code"]) == (409, "action_not_possible")


def test_a_retry_runs_the_failed_step_again_and_leaves_the_others(rights: RightsFixture, store: Repositories) -> None:
    root = rights.people["admin"]
    operation = root("POST", "/tenants/acme/reconcile").json()["operation"]["id"]
    claim_all(store, operation, ocis=failed(PermanentError("taken")))
    address = f"/operations/{operation}/steps"
    assert root("POST", f"{address}/stalwart/retry").json()["code"] == "action_not_possible"
    assert root("POST", f"{address}/nothing/retry").status_code == 404
    again = root("POST", f"{address}/ocis/retry")
    assert (again.status_code, again.json()["status"], again.headers["Retry-After"]) == (202, "running", "1")
    steps = {step["name"]: (step["status"], step["attempts"]) for step in again.json()["steps"]}
    assert steps == {"authentik": ("ok", 1), "stalwart": ("ok", 1), "ocis": ("pending", 0)}
    claim = store.operations.claim(operation, "ocis", 2, 60)
    assert claim is not None
    store.operations.record(claim, ok())
    open_settlement(store).settle(operation)
    assert root("GET", f"/operations/{operation}").json()["status"] == "succeeded"


def test_of_six_simultaneous_retries_of_a_step_the_accepted_one_has_an_event(
    rights: RightsFixture, store: Repositories
) -> None:
    root = rights.people["admin"]
    operation = root("POST", "/tenants/acme/reconcile").json()["operation"]["id"]
    claim_all(store, operation, ocis=failed(PermanentError("taken")))

    def retry(_: int) -> int:
        return root("POST", f"/operations/{operation}/steps/ocis/retry").status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(retry, range(6))) == [202, 409, 409, 409, 409, 409]
    assert rights.rows["events"].count_documents({"action": "operation.retry"}) == 1


def test_a_step_of_a_superseded_operation_cannot_be_retried(rights: RightsFixture, store: Repositories) -> None:
    root = rights.people["admin"]
    older = root("POST", "/tenants/acme/reconcile").json()["operation"]["id"]
    claim_all(store, older, ocis=failed(PermanentError("taken")))
    newer = root("POST", "/tenants/acme/reconcile").json()["operation"]["id"]
    refused = root("POST", f"/operations/{older}/steps/ocis/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "action_not_possible")
    claim_all(store, newer)
    assert root("POST", f"/operations/{older}/steps/ocis/retry").status_code == 409


# -- the service's description


def test_the_docs_page_names_no_other_host_and_has_no_script_of_its_own(anonymous: Client) -> None:
    page = anonymous("GET", "/docs")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert not re.search(r"(src|href)=[\"']?(https?:)?//|<script>|@import|url\(", page.text)
    assert anonymous("GET", "/openapi.json").json()["openapi"].startswith("3.1")


def test_the_openapi_description_names_the_configured_plans(
    make_settings: Callable[..., Settings], issuer: Issuer, serve: Serve
) -> None:
    url = serve(make_settings(plans={"solo": {}, "team": {}}))
    body = Client(url, None)("GET", "/openapi.json").json()["components"]["schemas"]["CreateTenantRequest"]
    assert body["properties"]["plan"]["anyOf"][0]["enum"] == ["solo", "team"]
