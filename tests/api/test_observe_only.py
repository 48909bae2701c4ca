"""Observe-only mode, the purge quota, readiness, and the approval of more removals, over HTTP."""

from __future__ import annotations

import pytest

from shared.application.store import Repositories
from tests.api.conftest import Client
from tests.api.rights_fixture import RightsFixture, finish


@pytest.fixture
def admin(rights: RightsFixture) -> Client:
    return rights.people["admin"]


def test_observe_only_mode_starts_is_shown_and_ends(admin: Client) -> None:
    assert admin("GET", "/observe-only").json() == {"observeOnly": False}
    begun = admin("POST", "/observe-only", json={"reason": "a backup was restored"}).json()
    me = admin("GET", "/users/me").json()["_id"]
    assert (begun["observeOnly"], begun["reason"], begun["by"]) == (True, "a backup was restored", me)
    assert admin("GET", "/observe-only").json() == begun
    assert admin("DELETE", "/observe-only").json() == {"observeOnly": False}
    assert admin("DELETE", "/observe-only").json() == {"observeOnly": False}
    assert admin("POST", "/observe-only", json={}).status_code == 400


def test_readiness_shows_observe_only_mode_and_stays_ready(admin: Client) -> None:
    assert "notices" not in admin("GET", "/health/ready").json()
    admin("POST", "/observe-only", json={"reason": "secret reasons"})
    answer = admin("GET", "/health/ready")
    assert (answer.status_code, answer.json()["notices"]) == (200, ["observe_only"])
    assert "secret" not in answer.text
    admin("DELETE", "/observe-only")
    assert "notices" not in admin("GET", "/health/ready").json()


def test_observe_only_mode_is_no_integration_and_cannot_be_resumed_as_one(admin: Client) -> None:
    admin("POST", "/observe-only", json={"reason": "x"})
    assert "observe-only" not in {one["name"] for one in admin("GET", "/integrations").json()}
    assert admin("POST", "/integrations/observe-only/resume").status_code == 404
    assert admin("POST", "/integrations/all/resume").status_code == 200
    assert admin("GET", "/observe-only").json()["observeOnly"] is True


def test_in_observe_only_mode_no_orphan_is_removed(admin: Client, rights: RightsFixture) -> None:
    admin("POST", "/observe-only", json={"reason": "x"})
    answer = admin("DELETE", f"/orphans/{rights.ids['orphan']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "observe_only")


def test_the_purge_quota_is_shown_and_can_be_raised(admin: Client) -> None:
    assert admin("GET", "/purges").json() == {"perDay": 10, "begun": 0, "extra": 0, "waiting": 0}
    # in JSON that is the integer 3
    assert admin("POST", "/purges/allow", json={"count": 3.0}).json()["extra"] == 3
    assert admin("GET", "/purges").json()["extra"] == 3
    assert admin("POST", "/purges/allow", json={"count": 0}).status_code == 400
    assert admin("POST", "/purges/allow", json={}).status_code == 400


def test_waiting_purges_are_shown_in_readiness(admin: Client, store: Repositories) -> None:
    admin("DELETE", "/tenants/acme")
    store.connection.database["tenants"].update_one({"slug": "acme"}, [{"$set": {"purgeAfter": "$$NOW"}}])
    store.connection.transaction(lambda session: store.daily_quota.add_extra(1, session))
    store.connection.transaction(lambda session: store.daily_quota.mark_exhausted(session))
    assert admin("GET", "/purges").json()["waiting"] == 1
    assert admin("GET", "/health/ready").json()["notices"] == ["purges_held"]
    assert store.connection.transaction(lambda session: store.daily_quota.take(0, session))
    assert "notices" not in admin("GET", "/health/ready").json()


def test_only_a_platform_administrator_approves_more_removals_and_the_approval_is_shown(
    admin: Client, rights: RightsFixture, store: Repositories
) -> None:
    owner = rights.people["owner"]("POST", "/tenants/acme/reconcile?allow_removals=true")
    assert (owner.status_code, owner.json()["code"]) == (403, "forbidden")
    allowed = admin("POST", "/tenants/acme/reconcile?allow_removals=true")
    assert (allowed.status_code, allowed.json()["operation"]["allowRemovals"]) == (202, True)
    finish(store, allowed.json()["operation"]["id"])
    usual = admin("POST", "/tenants/acme/reconcile?allow_removals=false").json()["operation"]
    assert "allowRemovals" not in usual
    assert admin("POST", "/tenants/acme/reconcile?allow_removals=1").status_code == 400
