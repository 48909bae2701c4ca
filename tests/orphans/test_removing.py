"""An orphan is removed only on an operator's request, after it was verified again; faults are reported and retried."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from shared.application.parts import open_orphan_scanner
from shared.core.errors import Forbidden, NotFound, NotRemovable
from shared.orphans.model import Orphan
from shared.rights.policy import Actor
from tests.platform_fixture import PlatformFixture
from tests.simulators import fault, writes


def forgotten(platform: PlatformFixture, slug: str = "acme", scans: int = 2) -> None:
    """Scan the objects of a tenant that is not on record, so many times."""
    platform.grown(slug)
    platform.forget(slug)
    for _ in range(scans):
        platform.scan()


def removed(platform: PlatformFixture, integration: str) -> Orphan:
    """Request and run the orphan's removal; return the orphan."""
    platform.services.orphans.remove(platform.one(integration).id, platform.admin)
    platform.run_orphan_jobs()
    return platform.one(integration)


def make_due(platform: PlatformFixture) -> None:
    platform.rows["orphans"].update_many({"dueAt": {"$exists": True}}, [{"$set": {"dueAt": "$$NOW"}}])


def test_no_orphan_is_removed_without_a_request_however_old_it_is(platform: PlatformFixture) -> None:
    forgotten(platform, scans=1)
    for simulator in (platform.authentik, platform.stalwart, platform.ocis):
        simulator.journal.clear()
    for _ in range(3):
        platform.scan()
    # queries of JMAP are posted too
    changing = [one for one in platform.stalwart.journal if "/set" in str(one)]
    assert (writes(platform.authentik), changing, writes(platform.ocis)) == ([], [], [])


def test_each_kind_is_removed_with_its_content_and_its_absence_is_verified(platform: PlatformFixture) -> None:
    platform.grown("beta")
    forgotten(platform)
    for integration, last in (
        ("ocis", "remove the space Acme GmbH with its data"),
        ("stalwart", "remove the mail domain acme.test"),
        ("authentik", "remove the group tenant-acme"),
    ):
        orphan = removed(platform, integration)
        assert (orphan.status, orphan.removal.changes[-1] if orphan.removal else "") == ("removed", last)
        assert orphan.removal is not None
        assert orphan.removal.verified
        assert orphan.removal.ended_at
    assert [one["name"] for one in platform.stalwart.snapshot()["Domain"]] == ["beta.test"]
    assert [one["name"] for one in platform.authentik.snapshot()["groups"] if "tenant-" in one["name"]] == [
        "tenant-beta"
    ]
    assert len(platform.spaces()) == 1
    assert platform.scan()["ocis"].orphans == 0
    assert {status for _, _, status in platform.kinds()} == {"removed"}


def test_the_request_and_the_removal_are_events_with_actor_and_object(platform: PlatformFixture) -> None:
    forgotten(platform)
    orphan = removed(platform, "ocis")
    asked, done = platform.events("orphan.remove", "orphan.removed")
    assert str(asked["actor"]) == str(done["actor"]) == platform.admin.user.id
    assert asked["after"]["objectId"] == done["after"]["objectId"] == orphan.object_id
    assert done["after"]["removed"][-1] == "remove the space Acme GmbH with its data"


def test_a_removal_in_quarantine_is_refused_with_the_end_of_the_quarantine(
    make_platform: Callable[..., PlatformFixture],
) -> None:
    platform = make_platform(orphan_quarantine_hours=1)
    forgotten(platform)
    with pytest.raises(NotRemovable, match="quarantine until 20"):
        platform.services.orphans.remove(platform.one("ocis").id, platform.admin)
    assert platform.one("ocis").status == "quarantined"
    assert platform.events("orphan.remove") == []


def test_a_second_request_is_refused_after_the_removal_and_answered_during_it(
    platform: PlatformFixture,
) -> None:
    forgotten(platform)
    orphan = platform.one("ocis")
    first = platform.services.orphans.remove(orphan.id, platform.admin)
    assert platform.services.orphans.remove(orphan.id, platform.admin) == first
    assert len(platform.events("orphan.remove")) == 1
    platform.run_orphan_jobs()
    with pytest.raises(NotRemovable, match="removed"):
        platform.services.orphans.remove(orphan.id, platform.admin)
    with pytest.raises(NotFound):
        platform.services.orphans.remove("0" * 24, platform.admin)


def test_only_a_platform_administrator_may_remove_an_orphan(platform: PlatformFixture) -> None:
    forgotten(platform)
    outside = Actor(platform.admin.user, frozenset({"portal"}))
    with pytest.raises(Forbidden):
        platform.services.orphans.remove(platform.one("ocis").id, outside)


def test_an_object_that_belongs_to_a_tenant_again_is_kept(platform: PlatformFixture) -> None:
    platform.grown("acme")
    row = platform.rows["tenants"].find_one({"slug": "acme"})
    platform.forget("acme")
    platform.scan()
    platform.scan()
    platform.services.orphans.remove(platform.one("ocis").id, platform.admin)
    platform.rows["tenants"].insert_one(row)
    platform.ocis.journal.clear()
    platform.run_orphan_jobs()
    assert (platform.one("ocis").status, writes(platform.ocis)) == ("kept", [])
    assert len(platform.spaces()) == 1


def test_an_object_that_lost_its_marker_is_not_removed(platform: PlatformFixture) -> None:
    forgotten(platform)
    orphan = platform.one("ocis")
    platform.clients["ocis"].update_space(orphan.object_id, {"description": "somebody's now"})
    assert removed(platform, "ocis").status == "gone"
    assert orphan.object_id in platform.spaces()


def test_the_one_of_two_spaces_that_is_on_record_is_kept(platform: PlatformFixture) -> None:
    tenant = platform.grown("acme")
    twin = platform.twin_of_space(tenant)
    platform.scan()
    platform.scan()
    assert removed(platform, "ocis").status == "removed"
    assert platform.spaces() == {tenant.remote["ocisSpaceId"]}
    assert twin not in platform.spaces()


@pytest.mark.parametrize("is_living", [True, False])
def test_a_duplicate_that_a_person_made_is_never_an_orphan(platform: PlatformFixture, is_living: bool) -> None:
    """The duplicate has the tenant's marker, the person as its only member, and files in its trash bin."""
    tenant = platform.grown("acme")
    storage = platform.ocis.storage
    own = storage.spaces[tenant.remote["ocisSpaceId"]]
    platform.ocis.people.person("anna", "User")
    copy = storage.spaces[platform.ocis.add_space("Acme copy", own.description, manager="anna")]
    storage.put_file(copy, "plan.txt", 17)
    storage.delete_file(copy, "plan.txt")
    if not is_living:
        platform.forget("acme")
    with capture_logs() as logs:
        for _ in range(2):
            platform.scan()
    listed = [one.object_id for one in platform.orphans() if one.integration == "ocis"]
    assert listed == ([] if is_living else [own.id])
    assert [one["count"] for one in logs if one["event"] == "orphans.spaces_left_out"] == [1, 1]


def test_a_duplicate_whose_removal_was_approved_before_is_kept(platform: PlatformFixture) -> None:
    tenant = platform.grown("acme")
    twin = platform.ocis.storage.spaces[platform.twin_of_space(tenant)]
    for _ in range(2):
        platform.scan()
    twin.grants = {"u:anna": "manager"}
    assert removed(platform, "ocis").status == "gone"
    assert twin.id in platform.spaces()


def test_the_other_space_is_kept_when_the_one_on_record_disappears(platform: PlatformFixture) -> None:
    tenant = platform.grown("acme")
    twin = platform.twin_of_space(tenant)
    platform.scan()
    platform.scan()
    platform.services.orphans.remove(platform.one("ocis").id, platform.admin)
    known = tenant.remote["ocisSpaceId"]
    platform.clients["ocis"].disable_space(known)
    platform.clients["ocis"].purge_space(known)
    platform.run_orphan_jobs()
    assert (platform.one("ocis").status, platform.spaces()) == ("kept", {twin})


def test_a_group_that_is_an_applications_only_guard_is_kept_with_its_reason(platform: PlatformFixture) -> None:
    forgotten(platform)
    group = platform.one("authentik").object_id
    application = platform.authentik.directory.groups[group]
    _guard(platform, application.pk)
    orphan = removed(platform, "authentik")
    assert orphan.status == "removing"
    assert orphan.removal is not None
    assert (orphan.removal.reason, orphan.removal.attempts) == ("guards_alone", 1)
    assert orphan.removal.remedy
    assert orphan.removal.due_at is not None
    assert group in platform.authentik.directory.groups


def _guard(platform: PlatformFixture, group: str) -> None:
    api = platform.clients["authentik"]._api
    made = api.call("POST", "/api/v3/core/applications/", json={"name": "App", "slug": "app"}).json()
    body = {"target": made["pk"], "group": group, "order": 0}
    assert api.call("POST", "/api/v3/policies/bindings/", json=body).status == 201


def test_a_products_fault_in_a_removal_is_reported_and_the_next_attempt_succeeds(platform: PlatformFixture) -> None:
    forgotten(platform)
    fault(platform.ocis, kind="status", status=503, method="DELETE", after=1)
    orphan = removed(platform, "ocis")
    assert orphan.removal is not None
    assert (orphan.status, orphan.removal.reason) == ("removing", "upstream_error")
    assert orphan.removal.changes == ("disable the space Acme GmbH",)
    platform.ocis.faults.clear()
    platform.run_orphan_jobs()
    assert platform.one("ocis").status == "removing"
    make_due(platform)
    platform.run_orphan_jobs()
    done = platform.one("ocis")
    assert done.removal is not None
    assert (done.status, done.removal.attempts, done.removal.reason) == ("removed", 2, None)
    assert done.removal.changes == ("disable the space Acme GmbH", "remove the space Acme GmbH with its data")


def test_a_removal_of_a_dead_process_continues_when_its_lease_expires(platform: PlatformFixture) -> None:
    forgotten(platform)
    platform.services.orphans.remove(platform.one("ocis").id, platform.admin)
    lost = platform.store.orphans.claim_removal(["ocis"], 600)
    assert lost is not None
    platform.run_orphan_jobs()
    assert platform.one("ocis").status == "removing"
    make_due(platform)
    deadline = time.monotonic() + 20
    while platform.one("ocis").status == "removing":
        assert time.monotonic() < deadline
        platform.run_orphan_jobs()
        time.sleep(0.05)
    assert platform.one("ocis").status == "removed"
    # the late result of the process with the expired lease is ignored
    assert (
        platform.store.connection.transaction(
            lambda session: platform.store.orphans.end_removal(lost, "kept", lost.orphan.removal, session)  # type: ignore[arg-type]
        )
        is False
    )


def test_a_removal_whose_process_died_after_it_is_recorded_by_the_next(platform: PlatformFixture) -> None:
    forgotten(platform)
    orphan = platform.one("ocis")
    platform.services.orphans.remove(orphan.id, platform.admin)
    platform.store.orphans.claim_removal(["ocis"], 30)
    platform.clients["ocis"].disable_space(orphan.object_id)
    platform.clients["ocis"].purge_space(orphan.object_id)
    make_due(platform)
    platform.run_orphan_jobs()
    assert platform.one("ocis").status == "removed"


def test_a_scan_that_began_before_a_removal_ended_does_not_report_the_object_again(platform: PlatformFixture) -> None:
    forgotten(platform)
    job, scanner = platform.make_orphan_job(), open_orphan_scanner(platform.store, platform.settings)
    platform.services.orphans.request_scan(platform.admin)
    claim = scanner.claim_scan(["ocis"])
    assert claim is not None
    found = [one.marked for one in job._found("ocis")]
    ended = removed(platform, "ocis")
    assert ended.status == "removed"
    scanner.record_scan(claim, found)
    assert platform.one("ocis") == ended
    job.close()


def test_several_schedulers_at_once_remove_an_orphan_once(platform: PlatformFixture) -> None:
    forgotten(platform)
    platform.services.orphans.remove(platform.one("ocis").id, platform.admin)
    platform.ocis.journal.clear()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: platform.run_orphan_jobs(), range(4)))
    assert len(writes(platform.ocis)) == 2
    assert len(platform.events("orphan.removed")) == 1


def test_a_pause_defers_a_removal_which_continues_afterwards(platform: PlatformFixture) -> None:
    forgotten(platform)
    platform.services.switches.pause("ocis", "upgrade", platform.admin)
    orphan = removed(platform, "ocis")
    assert orphan.removal is not None
    assert (orphan.status, orphan.removal.reason) == ("removing", "paused")
    platform.services.switches.resume("ocis", platform.admin)
    make_due(platform)
    platform.run_orphan_jobs()
    assert platform.one("ocis").status == "removed"


def test_an_orphan_of_a_kind_that_only_a_newer_release_knows_is_left_to_it(platform: PlatformFixture) -> None:
    forgotten(platform)
    orphans = platform.rows["orphans"]
    orphans.update_one({"integration": "ocis"}, {"$set": {"kind": "app"}})
    left = orphans.find_one({"kind": "app"})
    platform.scan()
    assert orphans.find_one({"kind": "app"}) == left, "a scan does not find it, which does not mean that it is gone"
    for orphan in platform.orphans():
        if orphan.status == "removable":
            platform.services.orphans.remove(orphan.id, platform.admin)
    platform.run_orphan_jobs()
    assert {(kind, status) for kind, _, status in platform.kinds()} >= {("app", "removing"), ("group", "removed")}
