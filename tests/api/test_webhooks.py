"""Webhooks over HTTP: requests and their exact responses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.webhooks.delivery_repository import AttemptResult
from tests.api.conftest import Client
from tests.api.rights_fixture import RightsFixture
from worker.composition import open_delivery_loop, open_outbox_relay

SignIn = Callable[..., Client]
URL = "https://hooks.acme.test/take"


def made(client: Client, **fields: Any) -> dict[str, Any]:
    answer = client("POST", "/webhooks", json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture
def delivered(root: Client, store: Repositories) -> dict[str, Any]:
    """A webhook with three deliveries: one delivered, one failed, one pending."""
    webhook = made(root, actions=["partner.created"])
    for slug in ("one-a", "two-b", "three-c"):
        assert root("POST", "/partners", json={"slug": slug, "name": slug}).status_code == 201
    open_outbox_relay(store, 14).relay()
    for end in (AttemptResult("delivered", 200), AttemptResult("failed", 410, "gone")):  # type: ignore[arg-type]
        claim = store.deliveries.claim(10, ())
        assert claim is not None
        store.deliveries.record(claim, end)
    return webhook


def test_a_new_webhook_is_answered_with_its_secret_this_once(root: Client) -> None:
    answer = root("POST", "/webhooks", json={"url": URL, "actions": ["tenant.*", "operation.failed", "tenant.*"]})
    body = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/webhooks/{body['_id']}"
    assert answer.headers["ETag"] == '"1"'
    assert body.pop("secret").startswith("whsec_")
    assert (body["url"], body["actions"], body["enabled"]) == (URL, ["tenant.*", "operation.failed"], True)
    assert not {"tenantId", "partnerId", "disabledReason", "failingSince", "secrets", "cursor"} & set(body)
    assert root("GET", answer.headers["Location"]).json() == body
    assert root("GET", "/webhooks").json() == [body]


def test_a_repeat_with_the_same_key_returns_the_webhook_without_its_secret(root: Client) -> None:
    key = {"Idempotency-Key": "once"}
    first = root("POST", "/webhooks", json={"url": URL}, headers=key)
    again = root("POST", "/webhooks", json={"url": URL}, headers=key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == {name: value for name, value in first.json().items() if name != "secret"}
    assert (again.status_code, again.headers["Location"]) == (201, first.headers["Location"])
    rotate = f"{first.headers['Location']}/rotate-secret"
    rotated, repeated = (root("POST", rotate, headers={"Idempotency-Key": "twice"}) for _ in range(2))
    assert rotated.json()["secret"] != first.json()["secret"]
    assert "secret" not in repeated.json()
    assert len(root("GET", "/webhooks").json()) == 1


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"url": "http://hooks.acme.test:x/"}, "/url"),
        ({"url": "http://8.8.8.8/"}, "/url"),
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"url": "https://user:password@acme.test/"}, "/url"),
        ({"url": "ftp://acme.test/"}, "/url"),
        ({"url": ""}, "/url"),
        ({"url": "https://acme.test/" + "x" * 2048}, "/url"),
        ({"actions": []}, "/actions"),
        ({"actions": ["tenant"]}, "/actions/0"),
        ({"actions": ["*", "*.created"]}, "/actions/1"),
        ({"actions": ["tenant.$ne"]}, "/actions/0"),
        ({"secret": "whsec_mine"}, "/secret"),
        ({"tenantId": "acme"}, "/tenantId"),
    ],
)
def test_each_flaw_of_a_webhook_is_reported_with_its_pointer(root: Client, fields: Any, pointer: str) -> None:
    answer = root("POST", "/webhooks", json={"url": URL, **fields})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert ("tenant.*" in error["detail"]) == pointer.startswith("/actions/"), "an action is told by example"


def test_a_webhook_is_changed_by_the_fields_sent_unless_its_version_has_changed(root: Client) -> None:
    place = f"/webhooks/{made(root)['_id']}"
    changed = root("PATCH", place, json={"enabled": False, "actions": ["user.*"]}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (changed.json()["url"], changed.json()["actions"], changed.json()["enabled"]) == (URL, ["user.*"], False)
    assert root("PATCH", place, json={"enabled": True}, headers={"If-Match": '"1"'}).status_code == 412
    assert root("PATCH", place, json={"url": "https://10.0.0.1/"}).json()["errors"][0]["pointer"] == "/url"
    assert root("PATCH", place, json={"tenantId": None}).status_code == 400
    assert root("PATCH", place, json={}).headers["ETag"] == '"2"'
    assert root("DELETE", place, headers={"If-Match": '"1"'}).status_code == 412
    assert root("DELETE", place).status_code == 204
    assert root("GET", place).status_code == 404
    log = root("GET", "/events").json()
    assert [one["action"] for one in log[:3]] == ["webhook.deleted", "webhook.changed", "webhook.created"]
    assert log[1]["before"] == {"actions": ["*"], "enabled": True}
    assert log[2]["after"]["host"] == "hooks.acme.test"
    assert URL not in root("GET", "/events").text


def test_the_old_secret_signs_for_the_requested_overlap(root: Client, store: Repositories) -> None:
    webhook = made(root)
    for grace, secrets in ((None, 2), (3600, 2), (0, 1)):
        query = "" if grace is None else f"?grace={grace}"
        answer = root("POST", f"/webhooks/{webhook['_id']}/rotate-secret{query}")
        assert answer.status_code == 200
        assert answer.json()["secret"].startswith("whsec_")
        assert len(store.webhooks.encrypted_secrets(webhook["_id"])) == secrets
    for grace in ("-1", "604801", "1.5", "long"):
        assert root("POST", f"/webhooks/{webhook['_id']}/rotate-secret?grace={grace}").status_code == 400


def test_deliveries_are_listed_newest_first_in_pages_and_by_status(root: Client, delivered: dict[str, Any]) -> None:
    place = f"/webhooks/{delivered['_id']}/deliveries"
    pending, failed, well = root("GET", place).json()
    assert [one["status"] for one in (pending, failed, well)] == ["pending", "failed", "delivered"]
    assert (failed["responseStatus"], failed["reason"]) == (410, "gone")
    assert failed["message"].endswith(".")
    assert {"responseStatus", "reason", "finishedAt"}.isdisjoint(pending)
    assert pending["attempts"] == 0
    assert "dueAt" not in well
    assert well["event"] in {event["id"] for event in root("GET", "/events").json()}
    first = root("GET", f"{place}?limit=2")
    assert first.json() == [pending, failed]
    assert root("GET", first.links["next"]["url"]).json() == [well]
    assert root("GET", f"{place}?status=failed").json() == [failed]
    assert root("GET", f"{place}?status=lost").status_code == 400


def test_a_delivery_is_replayed_by_its_id_within_its_webhook(root: Client, delivered: dict[str, Any]) -> None:
    other = made(root)
    _, failed, well = root("GET", f"/webhooks/{delivered['_id']}/deliveries").json()
    for one in (failed, well):
        place = f"/webhooks/{delivered['_id']}/deliveries/{one['id']}/replay"
        answer = root("POST", place)
        assert answer.status_code == 202
        assert (answer.json()["id"], answer.json()["status"], answer.json()["attempts"]) == (one["id"], "pending", 0)
    assert root("POST", f"/webhooks/{other['_id']}/deliveries/{well['id']}/replay").status_code == 404
    assert root("POST", f"/webhooks/{delivered['_id']}/deliveries/{'0' * 24}/replay").status_code == 404
    root("PATCH", f"/webhooks/{delivered['_id']}", json={"enabled": False})
    refused = root("POST", place)
    assert (refused.status_code, refused.json()["code"]) == (409, "action_not_possible")


def test_only_the_owners_people_see_a_tenants_webhook(root: Client, as_: SignIn) -> None:
    tenant = root("POST", "/tenants", json={"slug": "acme", "name": "Acme"}).json()
    member = as_("mia", "portal", "tenant-acme")
    webhook = made(root, tenantId=tenant["_id"])
    assert webhook["tenantId"] == tenant["_id"]
    assert member("GET", "/webhooks").json() == []
    places: list[tuple[str, str]] = [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate-secret"),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("POST", f"/deliveries/{'0' * 24}/replay"),
    ]
    for method, part in places:
        body = {"json": {}} if method == "PATCH" else {}
        assert member(method, f"/webhooks/{webhook['_id']}{part}", **body).status_code == 404
    assert member("POST", "/webhooks", json={"url": URL, "tenantId": tenant["_id"]}).status_code == 403
    user = next(one for one in root("GET", "/users").json() if one["name"] == "Mia")
    root("PATCH", f"/users/{user['_id']}", json={"role": "owner"})
    assert member("GET", f"/webhooks/{webhook['_id']}").status_code == 200
    assert made(member, tenantId=tenant["_id"])["tenantId"] == tenant["_id"]
    assert len(root("GET", "/webhooks?tenant=acme").json()) == 2
    assert root("GET", "/webhooks?tenant=nobody").status_code == 404


def test_a_deleted_tenants_own_people_know_of_its_webhooks_no_more(rights: RightsFixture) -> None:
    root, owner, place = rights.people["admin"], rights.people["owner"], f"/webhooks/{rights.ids['webhook']}"
    assert root("DELETE", "/tenants/acme").status_code == 202
    assert owner("GET", "/webhooks").json() == []
    for method, part, body in (
        ("GET", "", None),
        ("PATCH", "", {"url": "https://elsewhere.test/"}),
        ("POST", "/rotate-secret", None),
        ("POST", "/test", None),
        ("GET", "/deliveries", None),
        ("POST", f"/deliveries/{rights.ids['delivery']}/replay", None),
        ("DELETE", "", None),
    ):
        assert owner(method, f"{place}{part}", json=body).status_code == 404, (method, part)
    assert root("GET", place).json()["url"] == "https://hooks.acme.test/"


@pytest.fixture
def delivery_loop(api_settings: Settings, store: Repositories) -> Iterator[None]:
    delivery_loop = open_delivery_loop(store, api_settings)
    thread = threading.Thread(target=delivery_loop.run, args=(0.05,))
    thread.start()
    yield
    delivery_loop.stop()
    thread.join(20)


def test_a_ping_is_answered_with_its_delivery(root: Client, delivery_loop: None) -> None:
    place = f"/webhooks/{made(root, url='http://127.0.0.1:9/')['_id']}"
    answer = root("POST", f"{place}/test?wait=20")
    assert answer.status_code == 202
    body = answer.json()
    assert (body["action"], body["status"], body["reason"]) == ("webhook.ping", "failed", "unreachable")
    assert "event" not in body
    assert root("GET", f"{place}/deliveries?status=failed").json() == [body]
