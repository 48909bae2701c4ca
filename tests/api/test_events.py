"""The event log over HTTP: complete, ordered, scoped, kept after its objects are deleted, and without secrets."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.application.store import Repositories
from shared.core.errors import SlugTaken
from shared.db.documents import Transaction
from shared.events.model import Author, NewEvent
from tests.api.conftest import Client
from tests.api.rights_fixture import RightsFixture, finish


def link(answer_link: str, relation: str) -> str | None:
    found = re.search(rf'<([^>]+)>; rel="{relation}"', answer_link)
    return found.group(1) if found else None


def test_each_accepted_change_is_an_event_with_actor_action_before_and_after(
    rights: RightsFixture, store: Repositories
) -> None:
    root = rights.people["admin"]
    headers = {"X-Request-Id": "the-change"}
    root("PATCH", "/tenants/acme", json={"name": "Acme AG", "billingInfo": {"company": "C"}}, headers=headers)
    newest = root("GET", "/events?tenant=acme&limit=1").json()[0]
    operation = root("GET", "/tenants/acme").json()["operation"]["id"]
    assert newest == {
        "id": newest["id"],
        "time": newest["time"],
        "actor": root("GET", "/users/me").json()["_id"],
        "tenant": "acme",
        "action": "tenant.changed",
        "before": {"name": "Acme"},
        "after": {
            "name": "Acme AG",
            "billingInfo": {
                "company": "C",
                "vatId": "",
                "email": "",
                "address": newest["after"]["billingInfo"]["address"],
            },
            "operation": operation,
        },
        "requestId": "the-change",
    }
    finish(store, operation)
    outcome = root("GET", "/events?tenant=acme&limit=1").json()[0]
    assert (outcome["action"], outcome["requestId"]) == ("operation.succeeded", "the-change")
    assert outcome["after"]["operation"] == operation


def test_the_wildcard_action_finds_every_event(rights: RightsFixture) -> None:
    root = rights.people["admin"]
    every = root("GET", "/events").json()
    assert len(every) > 1
    assert root("GET", "/events", params={"action": "*"}).json() == every


def test_every_kind_of_change_leaves_its_event_and_a_refused_one_none(
    rights: RightsFixture, store: Repositories
) -> None:
    root = rights.people["admin"]
    user, partner = f"/users/{rights.ids['colleague']}", f"/partners/{rights.ids['partner']}"
    subscription = f"/subscriptions/{rights.ids['acme_subscription']}"
    start = link(root("GET", "/events?limit=200").headers["Link"], "prev")
    assert start is not None
    root("PATCH", user, json={"name": "N"})
    root("PATCH", user, json={"name": "N"})  # changes nothing
    root("PATCH", partner, json={"name": "N"})
    root("DELETE", partner)  # is in use
    root("PATCH", subscription, json={"status": "canceled"})
    root("POST", "/partners", json={"slug": "second", "name": "S"})
    root("POST", "/partners", json={"slug": "second", "name": "S"})  # is taken
    operation = root("POST", "/tenants/acme/reconcile").json()["operation"]["id"]
    root("POST", f"/operations/{operation}/cancel")
    root("POST", f"/operations/{operation}/steps/ocis/retry")
    root("DELETE", subscription)
    root("DELETE", user)
    assert [event["action"] for event in root("GET", start).json()] == [
        "user.changed",
        "partner.changed",
        "subscription.changed",
        "partner.created",
        "tenant.reconcile",
        "operation.cancel",
        "operation.cancelled",
        "operation.retry",
        "subscription.deleted",
        "user.deleted",
    ]


def test_a_change_that_fails_half_way_leaves_neither_change_nor_event(store: Repositories) -> None:
    def work(session: Transaction) -> None:
        store.partners.insert("acme", "A", session)
        store.events.append(NewEvent("partner.created", Author(None, "r")), session)
        raise SlugTaken("acme")

    with pytest.raises(SlugTaken):
        store.connection.transaction(work)
    assert store.connection.transaction(lambda session: store.partners.insert("acme", "A", session)).slug == "acme"
    assert not store.events.has_unnumbered()


def test_the_event_log_contains_only_events_that_the_caller_may_see(rights: RightsFixture) -> None:
    def tenants(caller: str) -> set[str | None]:
        return {event.get("tenant") for event in rights.people[caller]("GET", "/events?limit=200").json()}

    assert tenants("admin") == {"acme", "beta", None}
    assert tenants("owner") == tenants("member") == tenants("reseller") == {"acme"}
    assert tenants("stranger") == {"beta"}
    assert tenants("misplaced") == set()
    assert rights.people["owner"]("GET", "/events?tenant=beta").status_code == 404


def test_a_follower_misses_nothing_and_sees_nothing_twice_while_many_write(root: Client) -> None:
    followed: list[str] = []
    address = link(root("GET", "/events?limit=200").headers["Link"], "prev")

    def read_feed() -> None:
        nonlocal address
        assert address is not None
        answer = root("GET", address)
        followed.extend(event["after"]["slug"] for event in answer.json())
        address = link(answer.headers["Link"], "next")

    with ThreadPoolExecutor(6) as pool:
        made = [pool.submit(root, "POST", "/partners", json={"slug": f"p{n}x", "name": "P"}) for n in range(40)]
        while not all(one.done() for one in made):
            read_feed()
    read_feed()
    assert sorted(followed) == sorted(f"p{n}x" for n in range(40))


def test_going_back_reaches_the_first_event_in_order(rights: RightsFixture) -> None:
    root = rights.people["admin"]
    seen: list[str] = []
    address: str | None = "/events?limit=3"
    while address:
        answer = root("GET", address)
        seen += [event["id"] for event in answer.json()]
        address = link(answer.headers["Link"], "next")
    forward = root("GET", f"/events?after={'0' * 24}&limit=200").json()
    assert seen == [event["id"] for event in reversed(forward)]
    assert len(set(seen)) == len(seen)


def test_events_are_filtered_by_action_actor_and_time(rights: RightsFixture) -> None:
    admin, me = rights.people["admin"], rights.people["admin"]("GET", "/users/me").json()["_id"]
    rights.people["owner"]("PATCH", "/tenants/acme", json={"billingInfo": {"company": "A"}})
    actions = {one["action"] for one in admin("GET", "/events?action=tenant.*&limit=200").json()}
    assert "tenant.changed" in actions
    assert all(action.startswith("tenant.") for action in actions)
    changed = admin("GET", "/events?action=tenant.changed").json()
    assert [one["actor"] for one in changed] == [rights.ids["owner"]]
    assert {one["actor"] for one in admin("GET", f"/events?actor={me}&limit=200").json()} == {me}
    at = changed[0]["time"]
    assert changed[0] in admin("GET", f"/events?since={at}").json()
    assert changed[0] not in admin("GET", f"/events?until={at}&limit=200").json()
    assert admin("GET", "/events?action=*nonsense").status_code == 400
