"""An orphan goes on an operator's word alone, proven anew right before; what stops that is told and tried again."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.core.errors import Forbidden, NotFound, NotRemovable
from shared.orphans.model import Orphan
from shared.provisioning.policy import Actor
from tests.simulators import fault, writes
from tests.yard import Yard


def forgotten(yard: Yard, slug: str = "acme", looks: int = 2) -> None:
    """Objects of a tenant that is not on record, seen so often."""
    yard.grown(slug)
    yard.forget(slug)
    for _ in range(looks):
        yard.look()


def removed(yard: Yard, integration: str) -> Orphan:
    """The orphan, after an operator's word and a sweep."""
    yard.plane.orphans.remove(yard.one(integration).id, yard.admin)
    yard.sweep()
    return yard.one(integration)


def make_due(yard: Yard) -> None:
    yard.rows["orphans"].update_many({"dueAt": {"$exists": True}}, [{"$set": {"dueAt": "$$NOW"}}])


def test_nothing_is_removed_without_a_word_however_old_it_is(yard: Yard) -> None:
    forgotten(yard, looks=1)
    for simulator in (yard.authentik, yard.stalwart, yard.ocis):
        simulator.journal.clear()
    for _ in range(3):
        yard.look()
    # queries of JMAP are posted too
    changing = [one for one in yard.stalwart.journal if "/set" in str(one)]
    assert (writes(yard.authentik), changing, writes(yard.ocis)) == ([], [], [])


def test_each_kind_is_removed_with_what_is_in_it_and_its_absence_seen(yard: Yard) -> None:
    yard.grown("beta")
    forgotten(yard)
    for integration, last in (
        ("ocis", "remove the space Acme GmbH with its data"),
        ("stalwart", "remove the mail domain acme.test"),
        ("authentik", "remove the group tenant-acme"),
    ):
        orphan = removed(yard, integration)
        assert (orphan.status, orphan.removal.changes[-1] if orphan.removal else "") == ("removed", last)
        assert orphan.removal is not None
        assert orphan.removal.verified
        assert orphan.removal.ended_at
    assert [one["name"] for one in yard.stalwart.snapshot()["Domain"]] == ["beta.test"]
    assert [one["name"] for one in yard.authentik.snapshot()["groups"] if "tenant-" in one["name"]] == ["tenant-beta"]
    assert len(yard.spaces()) == 1
    assert yard.look()["ocis"].orphans == 0
    assert {status for _, _, status in yard.kinds()} == {"removed"}


def test_the_word_and_the_removal_are_events_with_who_and_what(yard: Yard) -> None:
    forgotten(yard)
    orphan = removed(yard, "ocis")
    asked, done = yard.events("orphan.remove", "orphan.removed")
    assert str(asked["actor"]) == str(done["actor"]) == yard.admin.user.id
    assert asked["after"]["objectId"] == done["after"]["objectId"] == orphan.object_id
    assert done["after"]["removed"][-1] == "remove the space Acme GmbH with its data"


def test_in_quarantine_it_is_refused_with_until_when(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard(orphan_quarantine_hours=1)
    forgotten(yard)
    with pytest.raises(NotRemovable, match="quarantine until 20"):
        yard.plane.orphans.remove(yard.one("ocis").id, yard.admin)
    assert yard.one("ocis").status == "quarantined"
    assert yard.events("orphan.remove") == []


def test_what_is_gone_or_removed_is_refused_and_what_is_being_removed_is_answered_as_it_is(yard: Yard) -> None:
    forgotten(yard)
    orphan = yard.one("ocis")
    first = yard.plane.orphans.remove(orphan.id, yard.admin)
    assert yard.plane.orphans.remove(orphan.id, yard.admin) == first
    assert len(yard.events("orphan.remove")) == 1
    yard.sweep()
    with pytest.raises(NotRemovable, match="removed"):
        yard.plane.orphans.remove(orphan.id, yard.admin)
    with pytest.raises(NotFound):
        yard.plane.orphans.remove("0" * 24, yard.admin)


def test_only_a_platform_administrator_may(yard: Yard) -> None:
    forgotten(yard)
    outside = Actor(yard.admin.user, frozenset({"portal"}))
    with pytest.raises(Forbidden):
        yard.plane.orphans.remove(yard.one("ocis").id, outside)


def test_what_belongs_to_somebody_again_by_then_is_kept(yard: Yard) -> None:
    yard.grown("acme")
    row = yard.rows["tenants"].find_one({"slug": "acme"})
    yard.forget("acme")
    yard.look()
    yard.look()
    yard.plane.orphans.remove(yard.one("ocis").id, yard.admin)
    yard.rows["tenants"].insert_one(row)
    yard.ocis.journal.clear()
    yard.sweep()
    assert (yard.one("ocis").status, writes(yard.ocis)) == ("kept", [])
    assert len(yard.spaces()) == 1


def test_what_lost_its_mark_by_then_is_left_alone(yard: Yard) -> None:
    forgotten(yard)
    orphan = yard.one("ocis")
    yard.clients["ocis"].update_space(orphan.object_id, {"description": "somebody's now"})
    assert removed(yard, "ocis").status == "gone"
    assert orphan.object_id in yard.spaces()


def test_of_two_spaces_the_one_on_record_stays(yard: Yard) -> None:
    tenant = yard.grown("acme")
    twin = yard.twin_of_space(tenant)
    yard.look()
    yard.look()
    assert removed(yard, "ocis").status == "removed"
    assert yard.spaces() == {tenant.remote["ocisSpaceId"]}
    assert twin not in yard.spaces()


def test_the_other_space_stays_when_the_one_on_record_went_away_meanwhile(yard: Yard) -> None:
    tenant = yard.grown("acme")
    twin = yard.twin_of_space(tenant)
    yard.look()
    yard.look()
    yard.plane.orphans.remove(yard.one("ocis").id, yard.admin)
    known = tenant.remote["ocisSpaceId"]
    yard.clients["ocis"].disable_space(known)
    yard.clients["ocis"].purge_space(known)
    yard.sweep()
    assert (yard.one("ocis").status, yard.spaces()) == ("kept", {twin})


def test_a_group_that_alone_guards_an_application_stays_and_says_why(yard: Yard) -> None:
    forgotten(yard)
    group = yard.one("authentik").object_id
    application = yard.authentik.directory.groups[group]
    _guard(yard, application.pk)
    orphan = removed(yard, "authentik")
    assert orphan.status == "removing"
    assert orphan.removal is not None
    assert (orphan.removal.reason, orphan.removal.attempts) == ("guards_alone", 1)
    assert orphan.removal.remedy
    assert orphan.removal.due_at is not None
    assert group in yard.authentik.directory.groups


def _guard(yard: Yard, group: str) -> None:
    api = yard.clients["authentik"]._api
    made = api.call("POST", "/api/v3/core/applications/", json={"name": "App", "slug": "app"}).json()
    body = {"target": made["pk"], "group": group, "order": 0}
    assert api.call("POST", "/api/v3/policies/bindings/", json=body).status == 201


def test_an_upstream_fault_in_the_middle_is_told_and_the_next_attempt_comes_through(yard: Yard) -> None:
    forgotten(yard)
    fault(yard.ocis, kind="status", status=503, method="DELETE", after=1)
    orphan = removed(yard, "ocis")
    assert orphan.removal is not None
    assert (orphan.status, orphan.removal.reason) == ("removing", "upstream_error")
    assert orphan.removal.changes == ("disable the space Acme GmbH",)
    yard.ocis.faults.clear()
    yard.sweep()
    assert yard.one("ocis").status == "removing"
    make_due(yard)
    yard.sweep()
    done = yard.one("ocis")
    assert done.removal is not None
    assert (done.status, done.removal.attempts, done.removal.reason) == ("removed", 2, None)
    assert done.removal.changes == ("disable the space Acme GmbH", "remove the space Acme GmbH with its data")


def test_a_removal_whose_process_died_is_taken_up_when_its_lease_is_over(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard(lease_seconds=0.4, attempt_seconds=0.3)
    forgotten(yard)
    yard.plane.orphans.remove(yard.one("ocis").id, yard.admin)
    lost = yard.store.orphans.claim_removal(["ocis"], 0.4)
    assert lost is not None
    yard.sweep()
    assert yard.one("ocis").status == "removing"
    give_up = time.monotonic() + 20
    while yard.one("ocis").status == "removing":
        assert time.monotonic() < give_up
        yard.sweep()
        time.sleep(0.05)
    assert yard.one("ocis").status == "removed"
    # the one that was thought dead comes back late, and counts for nothing
    assert (
        yard.store.transaction(
            lambda session: yard.store.orphans.end_removal(lost, "kept", lost.orphan.removal, session)  # type: ignore[arg-type]
        )
        is False
    )


def test_one_that_died_after_the_removal_is_ended_by_the_next(yard: Yard) -> None:
    forgotten(yard)
    orphan = yard.one("ocis")
    yard.plane.orphans.remove(orphan.id, yard.admin)
    yard.store.orphans.claim_removal(["ocis"], 30)
    yard.clients["ocis"].disable_space(orphan.object_id)
    yard.clients["ocis"].purge_space(orphan.object_id)
    make_due(yard)
    yard.sweep()
    assert yard.one("ocis").status == "removed"


def test_several_sweeps_at_once_remove_it_once(yard: Yard) -> None:
    forgotten(yard)
    yard.plane.orphans.remove(yard.one("ocis").id, yard.admin)
    yard.ocis.journal.clear()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: yard.sweep(), range(4)))
    assert len(writes(yard.ocis)) == 2
    assert len(yard.events("orphan.removed")) == 1


def test_a_pause_holds_a_removal_back_and_it_goes_on_afterwards(yard: Yard) -> None:
    forgotten(yard)
    yard.plane.switches.pause("ocis", "upgrade", yard.admin)
    orphan = removed(yard, "ocis")
    assert orphan.removal is not None
    assert (orphan.status, orphan.removal.reason) == ("removing", "paused")
    yard.plane.switches.resume("ocis", yard.admin)
    make_due(yard)
    yard.sweep()
    assert yard.one("ocis").status == "removed"
