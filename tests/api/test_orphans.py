"""Orphans over HTTP: listed, shown, scanned for, removed."""

from __future__ import annotations

import pytest

from shared.application.store import Repositories
from shared.orphans.model import Cause, OrphanStatus
from tests.api.conftest import Client
from tests.api.rights_fixture import ORPHAN, RightsFixture


@pytest.fixture
def admin(rights: RightsFixture) -> Client:
    return rights.people["admin"]


def test_an_orphan_is_shown_with_its_cause_and_when_it_can_be_removed(admin: Client, rights: RightsFixture) -> None:
    (listed,) = admin("GET", "/orphans").json()
    assert listed == admin("GET", f"/orphans/{rights.ids['orphan']}").json()
    assert (listed["integration"], listed["kind"], listed["objectId"], listed["name"]) == (
        "ocis",
        "space",
        "space-1",
        "Lost",
    )
    assert (listed["cause"], listed["status"]) == ("tenant_unknown", "quarantined")
    assert listed["message"].endswith(".")
    assert listed["firstSeenAt"] == listed["lastSeenAt"] < listed["removableAt"]
    assert "removal" not in listed


def test_the_list_is_filtered_and_an_unknown_filter_is_refused(admin: Client) -> None:
    assert len(admin("GET", "/orphans?integration=ocis&status=quarantined").json()) == 1
    assert admin("GET", "/orphans?integration=stalwart").json() == []
    assert admin("GET", "/orphans?status=removable").json() == []
    assert admin("GET", "/orphans?integration=billing").status_code == 400
    assert admin("GET", "/orphans?status=lost").status_code == 400


def test_the_removal_of_an_orphan_in_quarantine_is_a_conflict(admin: Client, rights: RightsFixture) -> None:
    answer = admin("DELETE", f"/orphans/{rights.ids['orphan']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_removable")
    assert admin("DELETE", f"/orphans/{'0' * 24}").status_code == 404


def test_a_removable_orphan_is_removed_later_and_records_who_requested_it(
    admin: Client, rights: RightsFixture, store: Repositories
) -> None:
    # its quarantine has already ended at the second scan
    store.orphans.record_found("ocis", ORPHAN, Cause.TENANT_PURGED, 0, store.connection.now())
    store.orphans.record_found("ocis", ORPHAN, Cause.TENANT_PURGED, 0, store.connection.now())
    found = store.orphans.find(rights.ids["orphan"])
    assert found is not None
    assert found.status is OrphanStatus.REMOVABLE
    answer = admin("DELETE", f"/orphans/{rights.ids['orphan']}")
    assert answer.status_code == 202
    shown = answer.json()
    assert (shown["status"], shown["removal"]["attempts"]) == ("removing", 0)
    assert shown["removal"]["askedBy"] == admin("GET", "/users/me").json()["_id"]
    assert admin("DELETE", f"/orphans/{rights.ids['orphan']}").json() == shown


def test_a_scan_is_requested_and_the_latest_scan_of_each_integration_is_shown(admin: Client) -> None:
    assert [set(one) for one in admin("GET", "/orphans/looks").json()] == [{"integration", "stamped", "orphans"}] * 3
    answer = admin("POST", "/orphans/look")
    assert answer.status_code == 202
    assert [one["integration"] for one in answer.json()] == ["authentik", "stalwart", "ocis"]
    assert all(one["nextLookAt"] for one in answer.json())
    assert admin("GET", "/orphans/looks").json() == answer.json()
    assert admin("GET", "/events").json()[0]["action"] == "orphans.look"
