"""Pauses and breakers of integrations over HTTP."""

from __future__ import annotations

import pytest

from shared.application.store import Repositories
from shared.switches.model import SWITCHES, OpenDuration, TenantRef
from tests.api.conftest import Client
from tests.api.rights_fixture import RightsFixture

NAMES = list(SWITCHES)


@pytest.fixture
def admin(rights: RightsFixture) -> Client:
    return rights.people["admin"]


def events(admin: Client, *actions: str) -> list[dict[str, object]]:
    found = admin("GET", "/events").json()
    return [one for one in reversed(found) if one["action"] in actions]


def test_every_integration_and_the_switch_of_all_are_listed_as_neither_paused_nor_failing(admin: Client) -> None:
    found = admin("GET", "/integrations").json()
    assert [one["name"] for one in found] == NAMES
    assert all(one["paused"] is False and one["breaker"] == {"state": "closed", "failures": 0} for one in found)


def test_a_pause_is_shown_with_its_reason_since_when_and_by_whom_until_it_is_resumed(
    admin: Client, rights: RightsFixture
) -> None:
    paused = admin("POST", "/integrations/ocis/pause", json={"reason": "upgrade"}).json()
    me = admin("GET", "/users/me").json()["_id"]
    assert (paused["name"], paused["paused"], paused["pause"]["reason"], paused["pause"]["by"]) == (
        "ocis",
        True,
        "upgrade",
        me,
    )
    listed = {one["name"]: one for one in admin("GET", "/integrations").json()}
    assert listed["ocis"] == paused
    assert not listed["stalwart"]["paused"]
    assert admin("POST", "/integrations/ocis/resume").json()["paused"] is False
    found = events(admin, "integration.paused", "integration.resumed")
    assert [(one["action"], one["actor"]) for one in found] == [("integration.paused", me), ("integration.resumed", me)]
    assert found[0]["after"] == {"integration": "ocis", "reason": "upgrade"}


def test_a_second_pause_replaces_the_reason_and_keeps_the_first_start(admin: Client) -> None:
    first = admin("POST", "/integrations/all/pause", json={"reason": "upgrade"}).json()["pause"]
    again = admin("POST", "/integrations/all/pause", json={"reason": "longer upgrade"}).json()["pause"]
    assert again == first | {"reason": "longer upgrade"}


def test_resuming_an_integration_that_was_not_paused_is_no_event(admin: Client) -> None:
    assert admin("POST", "/integrations/ocis/resume").json()["paused"] is False
    assert admin("POST", "/tenants/acme/unpause").json() == {"tenant": "acme", "paused": False}
    assert events(admin, "integration.resumed", "tenant.unpaused") == []


def test_an_unknown_integration_and_a_missing_reason_are_refused(admin: Client) -> None:
    answer = admin("POST", "/integrations/jitsi/pause", json={"reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert admin("POST", "/integrations/ocis/pause", json={}).status_code == 400
    assert admin("POST", "/integrations/ocis/pause", json={"reason": " "}).status_code == 400


def test_a_paused_tenant_shows_it_and_is_found_by_it_until_it_is_unpaused(admin: Client) -> None:
    assert admin("GET", "/tenants?paused=true").json() == []
    before = admin("GET", "/tenants/acme").json()
    paused = admin("POST", "/tenants/acme/pause", json={"reason": "legal hold"}).json()["pause"]
    shown = admin("GET", "/tenants/acme").json()
    assert (shown["pause"], shown["version"]) == (paused, before["version"] + 1)
    assert [one["slug"] for one in admin("GET", "/tenants?paused=true").json()] == ["acme"]
    assert admin("GET", "/tenants?paused=yes").status_code == 400
    admin("POST", "/tenants/acme/unpause")
    assert "pause" not in admin("GET", "/tenants/acme").json()
    assert admin("GET", "/tenants?paused=true").json() == []


def test_a_tenants_pause_is_an_event_of_the_tenant_and_pauses_no_integration(admin: Client) -> None:
    paused = admin("POST", "/tenants/acme/pause", json={"reason": "legal hold"}).json()
    assert (paused["tenant"], paused["pause"]["reason"]) == ("acme", "legal hold")
    assert [one["name"] for one in admin("GET", "/integrations").json()] == NAMES
    assert admin("POST", "/tenants/acme/unpause").json() == {"tenant": "acme", "paused": False}
    found = events(admin, "tenant.paused", "tenant.unpaused")
    assert [(one["action"], one["tenant"]) for one in found] == [("tenant.paused", "acme"), ("tenant.unpaused", "acme")]


def test_an_open_breaker_is_shown_with_its_cause_and_a_resume_probes_it_at_once(
    admin: Client, store: Repositories
) -> None:
    store.switches.record_failure(
        "ocis", TenantRef("0" * 24, "acme"), "timeout", "It hangs.", 1, OpenDuration(300, 3000)
    )
    breaker = {one["name"]: one["breaker"] for one in admin("GET", "/integrations").json()}["ocis"]
    assert (breaker["state"], breaker["failures"], breaker["reason"]) == ("open", 1, "timeout")
    assert breaker["message"].endswith("It hangs.")
    assert breaker["since"] < breaker["openUntil"]
    assert not store.switches.claim_probe("ocis", 5)
    admin("POST", "/integrations/ocis/resume")
    assert store.switches.claim_probe("ocis", 5)


def test_a_cause_that_only_newer_workers_know_is_shown(admin: Client, store: Repositories) -> None:
    store.switches.record_failure("ocis", TenantRef("0" * 24, "acme"), "of_tomorrow", "", 1, OpenDuration(300, 3000))
    breaker = {one["name"]: one["breaker"] for one in admin("GET", "/integrations").json()}["ocis"]
    assert (breaker["reason"], breaker["message"]) == ("of_tomorrow", "The reason is one of a newer version.")
    assert admin("GET", "/status").status_code == 200


def test_readiness_shows_breakers_and_pauses_and_stays_ready(admin: Client, store: Repositories) -> None:
    admin("POST", "/integrations/ocis/pause", json={"reason": "upgrade"})
    store.switches.record_failure("stalwart", TenantRef("0" * 24, "acme"), "timeout", "", 1, OpenDuration(300, 3000))
    answer = admin("GET", "/health/ready")
    assert answer.status_code == 200
    assert answer.json()["integrations"] == dict.fromkeys(NAMES, "ok") | {"stalwart": "failing", "ocis": "paused"}
    assert "upgrade" not in answer.text
