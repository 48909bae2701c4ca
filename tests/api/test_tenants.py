"""Tenants over HTTP: requests and their exact responses."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.services import Mongod, Valkey
from shared.application.parts import open_settlement
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings
from shared.integrations.outcomes import ok
from tests.api.conftest import Client, Issuer, Serve

SignIn = Callable[..., Client]
STEPS = ("authentik", "stalwart", "ocis")


def close(store: Repositories, operation_id: str) -> None:
    """End every step without settling the operation, as a worker that dies after the last step."""
    for step in STEPS:
        claim = store.operations.claim(operation_id, step, 99, 60)
        assert claim is not None
        store.operations.record(claim, ok())


def finish(store: Repositories, operation_id: str) -> None:
    """End the operation as workers would."""
    close(store, operation_id)
    open_settlement(store).settle(operation_id)


def _its_operation(tenant: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = tenant["operation"]
    return found


def new(slug: str = "acme", **fields: Any) -> dict[str, Any]:
    return {"slug": slug, "name": "Acme GmbH", **fields}


def test_a_new_tenant_is_answered_with_its_operation_and_where_to_find_both(root: Client) -> None:
    billing = {
        "company": "Acme GmbH",
        "vatId": "DE123",
        "email": "pay@acme.com",
        "address": {"line1": "Street 1", "city": "Berlin", "postalCode": "10115", "country": "DE"},
    }
    answer = root("POST", "/tenants", json=new(plan="business", domains=["Acme.Test"], billingInfo=billing))
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/tenants/acme"
    assert answer.headers["Operation-Location"] == f"/operations/{body['operation']['id']}"
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["ETag"] == '"1"'
    assert body["billingInfo"] == billing
    assert (body["status"], body["plan"], body["domains"], body["health"]) == (
        "pending",
        "business",
        ["acme.test"],
        "ok",
    )
    assert body["provisioningStatus"] == dict.fromkeys(STEPS, "pending")
    assert [step["name"] for step in body["operation"]["steps"]] == list(STEPS)
    assert body["createdAt"].endswith("Z")
    assert root("GET", "/tenants/acme").json() == body
    assert root("GET", answer.headers["Operation-Location"]).json() == body["operation"]


def test_all_faults_of_a_body_are_reported_at_once_with_pointers(root: Client) -> None:
    body = {
        "slug": "WWW",
        "name": "",
        "plan": 7,
        "domains": ["ok.test", "not a domain"],
        "billingInfo": {"email": "nobody", "address": {"country": "ZZ"}},
        "$where": "1",
        "a/b~c": 1,
    }
    answer = root("POST", "/tenants", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/slug",
        "/name",
        "/plan",
        "/domains/1",
        "/billingInfo/email",
        "/billingInfo/address/country",
        "/$where",
        "/a~1b~0c",
    }


def test_a_fault_is_said_of_its_field_and_not_of_a_string(root: Client) -> None:
    body = {"slug": "acme", "name": "", "plan": "x" * 65, "domains": "acme.test", "owner": "Olga"}
    found = {error["pointer"]: error["detail"] for error in root("POST", "/tenants", json=body).json()["errors"]}
    assert found["/name"] == "must not be empty"
    assert found["/domains"].startswith("must be a valid ")
    assert found["/owner"] == "must be an object"
    [fault] = root("POST", "/bulk-operations", json={"action": "retry", "selector": {"tenants": []}}).json()["errors"]
    assert fault["detail"] == "must not be empty"
    many = [f"acme{number}.test" for number in range(101)]
    [fault] = root("POST", "/tenants", json={"slug": "acme", "name": "Acme", "domains": many}).json()["errors"]
    assert fault["detail"] == "must have at most 100 items"
    [fault] = root("GET", "/tenants?status=gone").json()["errors"]
    assert fault["detail"].startswith("must be 'pending', ")


def test_an_id_that_is_none_is_answered_with_what_an_id_looks_like(root: Client) -> None:
    form = "24 characters of 0-9 and a-f, as `_id` or `id` of a record shows it"
    assert form in root("GET", "/operations/4711").json()["detail"]
    wrong = root("POST", "/bulk-operations", json={"start": "4711"}).json()["errors"]
    assert wrong == [{"pointer": "/start", "detail": f"must be an id: {form}"}]
    wrong = root("GET", "/tenants?id=4711,4712&partner=A!&cursor=2").json()["errors"]
    details = {error["pointer"]: error["detail"] for error in wrong}
    assert form in details["?id"]
    assert "must be a slug" in details["?partner"]
    assert "Link header" in details["?cursor"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"[" * 60_000,
        b'{"slug":"acme","slug":"beta","name":"x"}',
        b'{"slug":"acme","name":NaN}',
        b'{"slug":"acme","name":"a\\u0000b"}',
        b'{"slug":"acme","name":"\\ud800"}',
        b"\xff\xfe",
        b'{"slug":"acme","name":' + b"9" * 5000 + b"}",
        b'{"x":' * 30 + b"1" + b"}" * 30,
        b"[]",
        b"null",
        b'"text"',
    ],
)
def test_a_body_that_is_no_json_object_is_a_400_never_a_500(root: Client, body: bytes) -> None:
    answer = root("POST", "/tenants", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_body_over_64_kib_is_a_413_and_another_media_type_a_415(root: Client) -> None:
    large = json.dumps(new(name="x" * 70_000))
    assert root("POST", "/tenants", data=large, headers={"Content-Type": "application/json"}).status_code == 413
    assert root("POST", "/tenants", data="slug=acme").status_code == 415
    assert root("POST", "/tenants", data="{}", headers={"Content-Type": "text/plain"}).status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/tenants", 405, "method_not_allowed"),
        ("GET", "/tenants/none", 404, "not_found"),
        ("GET", "/operations/none", 404, "not_found"),
        ("GET", "/operations/" + "0" * 24, 404, "not_found"),
        ("GET", "/tenants?limit=0", 400, "invalid_input"),
        ("GET", "/tenants?limit=ten", 400, "invalid_input"),
        ("GET", "/tenants?cursor=x", 400, "invalid_input"),
        ("GET", "/tenants?stauts=active", 400, "invalid_input"),
        ("GET", "/tenants/none/operations?limit=0", 400, "invalid_input"),
    ],
)
def test_every_error_is_a_problem_with_a_stable_code(
    root: Client, method: str, path: str, status: int, code: str
) -> None:
    answer = root(method, path, headers={"X-Request-Id": "trace-1"})
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["requestId"] == answer.headers["X-Request-Id"] == "trace-1"
    assert {"type", "title", "detail", "instance", "retryable"} <= set(problem)


def test_a_slug_and_a_domain_can_be_used_once(root: Client) -> None:
    assert root("POST", "/tenants", json=new(domains=["acme.test"])).status_code == 201
    again = root("POST", "/tenants", json=new())
    assert (again.status_code, again.json()["code"]) == (409, "slug_taken")
    other = root("POST", "/tenants", json=new("beta", domains=["ACME.test"]))
    assert (other.status_code, other.json()["code"]) == (409, "domain_taken")


def test_two_creates_of_one_slug_at_once_make_one_tenant(root: Client, api_url: str, issuer: Issuer) -> None:
    token = issuer.token("admin")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Client(api_url, token)("POST", "/tenants", json=new()).status_code, range(8)))
    assert sorted(answers) == [201] + [409] * 7


def test_an_unknown_plan_is_refused_with_the_catalogue(root: Client) -> None:
    answer = root("POST", "/tenants", json=new(plan="gold"))
    assert answer.json()["errors"][0]["pointer"] == "/plan"
    assert "starter" in answer.json()["errors"][0]["detail"]


def test_waiting_answers_when_the_operation_has_ended(root: Client, store: Repositories) -> None:
    operation = root("POST", "/tenants", json=new()).json()["operation"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(root, "GET", f"/operations/{operation['id']}?wait=20")
        finish(store, operation["id"])
        answer = waiting.result(25)
    assert answer.json()["status"] == "succeeded"
    assert "Retry-After" not in answer.headers
    assert root("GET", "/tenants/acme").json()["status"] == "active"


def test_an_operation_ends_only_after_its_tenant_shows_the_result(root: Client, store: Repositories) -> None:
    operation = root("POST", "/tenants", json=new()).json()["operation"]
    close(store, operation["id"])
    for path, shown in ((f"/operations/{operation['id']}", lambda body: body), ("/tenants/acme", _its_operation)):
        body = shown(root("GET", path).json())
        assert (body["status"], "finishedAt" in body) == ("running", False)
    assert root("GET", f"/operations/{operation['id']}").headers["Retry-After"] == "1"
    open_settlement(store).settle(operation["id"])
    answer = root("GET", f"/operations/{operation['id']}")
    assert (answer.json()["status"], "finishedAt" in answer.json()) == ("succeeded", True)
    assert "Retry-After" not in answer.headers
    assert root("GET", "/tenants/acme").json()["status"] == "active"


def test_a_wait_that_expires_answers_with_the_current_state(root: Client) -> None:
    started = time.monotonic()
    answer = root("POST", "/tenants?wait=0.5", json=new())
    assert 0.4 < time.monotonic() - started < 10
    assert (answer.status_code, answer.json()["operation"]["status"]) == (201, "running")


def test_a_reconcile_conflicts_with_another_operation_and_a_repeat_returns_the_running_one(
    root: Client, store: Repositories
) -> None:
    first = root("POST", "/tenants", json=new()).json()["operation"]["id"]
    refused = root("POST", "/tenants/acme/reconcile")
    assert (refused.status_code, refused.json()["code"]) == (409, "operation_in_progress")
    assert refused.json()["operation"] == first
    finish(store, first)
    once, twice = root("POST", "/tenants/acme/reconcile"), root("POST", "/tenants/acme/reconcile")
    assert once.status_code == twice.status_code == 202
    assert once.json()["operation"]["id"] == twice.json()["operation"]["id"] != first
    assert once.json()["operation"]["action"] == "reconcile"
    history = root("GET", "/tenants/acme/operations").json()
    assert [operation["action"] for operation in history] == ["reconcile", "provision"]


def test_lists_come_in_pages_newest_first_with_a_link_to_follow(root: Client) -> None:
    for number in range(5):
        root("POST", "/tenants", json=new(f"acme{number}"))
    seen, path = [], "/tenants?limit=2"
    while path:
        answer = root("GET", path)
        seen += [tenant["slug"] for tenant in answer.json()]
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == [f"acme{number}" for number in reversed(range(5))]


@pytest.mark.parametrize(
    ("order", "expected"), [("newest", "bca"), ("oldest", "acb"), ("slug", "abc")], ids=["newest", "oldest", "slug"]
)
def test_a_list_of_tenants_is_sorted_as_requested_page_by_page(root: Client, order: str, expected: str) -> None:
    for letter in "acb":
        root("POST", "/tenants", json=new(f"{letter}-one"))
    seen, path = "", f"/tenants?limit=1&sort={order}"
    while path:
        answer = root("GET", path)
        seen += "".join(tenant["slug"][0] for tenant in answer.json())
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == expected


def test_filters_narrow_a_list(root: Client) -> None:
    root("POST", "/tenants", json=new("acme"))
    root("POST", "/tenants", json=new("beta", plan="business", name="Beta"))
    for query, expected in [
        ("plan=business", ["beta"]),
        ("q=ac", ["acme"]),
        ("status=pending&plan=starter", ["acme"]),
        ("status=active", []),
        ("step.ocis=error", []),
    ]:
        assert [tenant["slug"] for tenant in root("GET", f"/tenants?{query}").json()] == expected, query
    refused = root("GET", "/tenants?q=&status=gone&staus=active")
    assert {error["pointer"] for error in refused.json()["errors"]} == {"?q", "?status", "?staus"}


def test_records_are_read_by_their_ids_in_one_request_within_the_callers_scope(root: Client, as_: SignIn) -> None:
    ids = [root("POST", "/tenants", json=new(slug)).json()["_id"] for slug in ("acme", "beta", "gamma")]
    chosen = f"{ids[0]},{ids[2]},{'0' * 24}"
    assert [one["slug"] for one in root("GET", f"/tenants?id={chosen}").json()] == ["gamma", "acme"]
    me = root("GET", "/users/me").json()["_id"]
    assert [one["_id"] for one in root("GET", f"/users?id={me}").json()] == [me]
    assert root("GET", "/tenants?id=acme").status_code == 400
    member = as_("member", "portal", "tenant-acme")
    assert [one["slug"] for one in member("GET", f"/tenants?id={chosen}").json()] == ["acme"]


def test_an_owner_sees_their_tenant_and_no_other(root: Client, as_: SignIn) -> None:
    root("POST", "/tenants", json=new("acme"))
    root("POST", "/tenants", json=new("beta"))
    member = as_("member", "portal", "tenant-acme")
    assert [tenant["slug"] for tenant in member("GET", "/tenants").json()] == ["acme"]
    assert member("GET", "/tenants/acme").status_code == 200
    hidden, absent = member("GET", "/tenants/beta"), member("GET", "/tenants/none")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json()["detail"].replace("beta", "none") == absent.json()["detail"]
    assert member("POST", "/tenants/acme/reconcile").status_code == 403
    operation = root("GET", "/tenants/beta").json()["operation"]["id"]
    assert member("GET", f"/operations/{operation}").status_code == 404


def test_with_the_broker_down_a_tenant_is_recorded_and_answered_within_seconds(
    make_settings: Callable[..., Settings],
    api_settings: Settings,
    serve: Serve,
    issuer: Issuer,
    own_valkey: Valkey,
    store: Repositories,
) -> None:
    changed = {"redis_url": own_valkey.url, "oidc_issuers": dict(api_settings.oidc_issuers)}
    url = serve(make_settings(oidc_audiences=api_settings.oidc_audiences, **changed))
    client = Client(url, issuer.token("admin"))
    client("GET", "/users/me")
    own_valkey.kill()
    started = time.monotonic()
    assert client("POST", "/tenants", json=new()).status_code == 201
    assert time.monotonic() - started < 3
    ready = client("GET", "/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["checks"] == {"mongodb": "up", "broker": "down"}
    assert client("GET", "/tenants/acme").status_code == 200


def test_with_the_broker_hung_a_tenant_is_recorded_and_answered_within_seconds(
    make_settings: Callable[..., Settings],
    api_settings: Settings,
    serve: Serve,
    issuer: Issuer,
    own_valkey: Valkey,
    store: Repositories,
) -> None:
    changed = {"redis_url": own_valkey.url, "oidc_issuers": dict(api_settings.oidc_issuers)}
    url = serve(make_settings(oidc_audiences=api_settings.oidc_audiences, **changed))
    client = Client(url, issuer.token("admin"))
    client("GET", "/users/me")
    assert own_valkey.process is not None
    own_valkey.process.send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert client("POST", "/tenants", json=new()).status_code == 201
        assert time.monotonic() - started < 3
    finally:
        own_valkey.process.send_signal(signal.SIGCONT)


def test_with_the_database_down_the_answer_is_a_retryable_problem(
    make_settings: Callable[..., Settings], api_settings: Settings, serve: Serve, issuer: Issuer
) -> None:
    away = "mongodb://127.0.0.1:9/?replicaSet=rs0&timeoutMS=400"
    changed = {"mongodb_uri": away, "oidc_issuers": dict(api_settings.oidc_issuers)}
    url = serve(make_settings(oidc_audiences=api_settings.oidc_audiences, **changed))
    answer = Client(url, issuer.token("admin"))("GET", "/tenants")
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (503, "store_unavailable", True)
    ready = requests.get(f"{url}/health/ready", timeout=10)
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert requests.get(f"{url}/health/live", timeout=10).status_code == 200


def test_an_api_that_no_issuer_is_configured_for_is_not_ready(
    make_settings: Callable[..., Settings], serve: Serve, store: Repositories, capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve(make_settings())
    ready = requests.get(f"{url}/health/ready", timeout=10)
    assert (ready.status_code, ready.json()["checks"]["issuers"]) == (503, "down")
    assert "tokens.none_accepted" in capsys.readouterr().err


def test_a_database_that_is_lost_while_a_request_waits_leaves_the_recorded_answer(
    make_settings: Callable[..., Settings], api_settings: Settings, serve: Serve, issuer: Issuer, tmp_path: Path
) -> None:
    mongod = Mongod(tmp_path)
    mongod.start()
    changed = {"mongodb_uri": f"{mongod.uri}&timeoutMS=2000", "oidc_issuers": dict(api_settings.oidc_issuers)}
    settings = make_settings(oidc_audiences=api_settings.oidc_audiences, **changed)
    store, client = open_repositories(settings), Client(serve(settings), issuer.token("admin"))
    try:
        store.make_indexes()
        client("GET", "/users/me")
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(client, "POST", "/tenants?wait=3", json=new())
            while store.tenants.find("acme") is None:
                time.sleep(0.02)
            mongod.kill()
            answer = asked.result()
    finally:
        mongod.kill()
        store.close()
    assert (answer.status_code, answer.headers["Location"]) == (201, "/tenants/acme")
    assert (answer.json()["operation"]["status"], answer.headers["Retry-After"]) == ("running", "1")


def test_health_names_the_service_without_authentication(anonymous: Client) -> None:
    body = anonymous("GET", "/health").json()
    assert (body["status"], body["service"]) == ("ok", "dezky-platform-api")
    ready = anonymous("GET", "/health/ready").json()
    assert (ready["status"], ready["checks"]) == ("ok", {"mongodb": "up", "broker": "up"})
    assert set(ready["integrations"].values()) == {"ok"}


@pytest.mark.parametrize("sent", ["bad id\t", "x" * 200, "ümlaut", ""])
def test_a_request_id_that_could_harm_headers_or_logs_is_replaced(anonymous: Client, sent: str) -> None:
    made = anonymous("GET", "/health", headers={"X-Request-Id": sent.encode()}).headers["X-Request-Id"]
    assert made != sent
    assert len(made) == 32


def test_a_requests_id_is_on_its_operation(root: Client) -> None:
    answer = root("POST", "/tenants", json=new(), headers={"X-Request-Id": "order-7"})
    assert answer.json()["operation"]["requestId"] == "order-7"
