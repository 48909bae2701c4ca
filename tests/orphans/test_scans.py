"""Objects with our marker that belong to no living tenant are found; objects of a living tenant never are."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.application.parts import open_orphan_scanner
from shared.operations.model import Mode
from shared.orphans.model import MarkedObject, OrphanKind, OrphanQuery
from shared.tenants.model import NewTenant
from tests.platform_fixture import PlatformFixture
from tests.simulators import fault

ALL_THREE = [
    ("group", "tenant_unknown", "quarantined"),
    ("space", "tenant_unknown", "quarantined"),
    ("mail_domain", "tenant_unknown", "quarantined"),
]


def test_objects_of_existing_tenants_are_no_orphans(platform: PlatformFixture) -> None:
    platform.grown("acme")
    platform.finish(platform.services.lifecycle.suspend("acme", "unpaid", platform.admin))
    platform.grown("beta")
    seen = platform.scan()
    assert platform.orphans() == []
    assert {name: (one.marked, one.orphans, one.reason) for name, one in seen.items()} == {
        name: (2, 0, None) for name in ("authentik", "stalwart", "ocis")
    }
    assert all(one.done_at and one.due_at and one.due_at > one.done_at for one in seen.values())


def test_objects_of_an_unknown_tenant_are_quarantined_with_one_event(platform: PlatformFixture) -> None:
    tenant = platform.grown("acme")
    platform.grown("beta")
    platform.forget("acme")
    platform.scan()
    assert platform.kinds() == ALL_THREE
    assert {one.tenant_id for one in platform.orphans()} == {tenant.id}
    events = platform.events("orphans.found")
    assert sorted((one["after"]["integration"], one["after"]["count"]) for one in events) == [
        ("authentik", 1),
        ("ocis", 1),
        ("stalwart", 1),
    ]
    platform.scan()
    assert [status for _, _, status in platform.kinds()] == ["removable"] * 3
    assert len(platform.events("orphans.found")) == 3


def test_quarantine_lasts_the_configured_time_however_often_an_orphan_is_found(
    make_platform: Callable[..., PlatformFixture],
) -> None:
    platform = make_platform(orphan_quarantine_hours=1)
    platform.grown("acme")
    platform.forget("acme")
    for _ in range(3):
        platform.scan()
    assert platform.kinds() == ALL_THREE
    assert {one.sightings for one in platform.orphans()} == {3}


def test_objects_that_a_purge_left_are_orphans_of_a_purged_tenant(platform: PlatformFixture) -> None:
    tenant = platform.grown("acme")
    description = platform.clients["ocis"].find_space(tenant.remote["ocisSpaceId"]).description
    platform.finish(platform.services.lifecycle.delete("acme", platform.admin))
    platform.finish(platform.services.lifecycle.purge("acme", platform.admin))
    platform.scan()
    assert platform.orphans() == []
    platform.clients["ocis"].create_space("Back", "project/back", description, 1)
    platform.scan()
    assert platform.kinds() == [("space", "tenant_purged", "quarantined")]


def test_a_second_object_of_a_living_tenant_is_an_orphan_and_the_recorded_one_is_not(platform: PlatformFixture) -> None:
    tenant = platform.grown("acme")
    twin = platform.twin_of_space(tenant)
    platform.scan()
    assert [(one.object_id, one.cause) for one in platform.orphans()] == [(twin, "other_object")]


def test_a_second_object_is_no_orphan_while_the_one_on_record_is_missing(platform: PlatformFixture) -> None:
    tenant = platform.grown("acme")
    platform.twin_of_space(tenant)
    platform.clients["ocis"].disable_space(tenant.remote["ocisSpaceId"])
    platform.clients["ocis"].purge_space(tenant.remote["ocisSpaceId"])
    platform.scan()
    assert platform.orphans() == []


def test_while_an_operation_is_open_nothing_of_its_tenant_is_an_orphan(platform: PlatformFixture) -> None:
    tenant = platform.grown("acme")
    platform.twin_of_space(tenant)
    view = platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY)
    platform.scan()
    assert platform.orphans() == []
    platform.finish(view)
    platform.scan()
    assert [one.name for one in platform.orphans()] == ["Twin"]


def test_tenants_that_are_created_during_scans_never_appear_as_orphans(platform: PlatformFixture) -> None:
    slugs = [f"tenant{number}" for number in range(6)]
    for simulator in (platform.authentik, platform.stalwart, platform.ocis):
        fault(simulator, kind="latency", delay=0.02, probability=0.5)
    with ThreadPoolExecutor(3) as pool:
        making = [pool.submit(platform.grown, slug) for slug in slugs]
        while not all(one.done() for one in making):
            platform.scan()
            assert platform.orphans() == []
        for one in making:
            one.result()
    assert platform.scan()["ocis"].marked == len(slugs)
    assert platform.orphans() == []


def test_a_failing_integrations_scan_is_shown_with_its_remedy_and_stops_no_other(platform: PlatformFixture) -> None:
    platform.grown("acme")
    before = platform.scan()["stalwart"].done_at
    platform.forget("acme")
    fault(platform.stalwart, kind="status", status=503)
    seen = platform.scan()
    assert [kind for kind, _, _ in platform.kinds()] == ["group", "space"]
    broken = seen["stalwart"]
    assert (broken.reason, broken.done_at) == ("upstream_error", before)
    assert broken.message
    assert broken.remedy
    assert broken.due_at is not None
    platform.stalwart.faults.clear()
    assert platform.scan()["stalwart"].reason is None
    assert platform.kinds()[-1] == ("mail_domain", "tenant_unknown", "quarantined")


@pytest.mark.parametrize("drive_read", [0, 1, 2], ids=["first", "second", "third"])
def test_a_scan_with_the_storage_of_ocis_down_reports_no_space(platform: PlatformFixture, drive_read: int) -> None:
    """The list of spaces is empty in each case; a different read of our own drive shows the outage."""
    platform.grown("acme")
    platform.forget("acme")
    platform.scan()
    fault(platform.ocis, kind="storage_down", path="drives\\?")
    fault(platform.ocis, kind="storage_down", path="me/drive$", after=drive_read, count=1)
    assert platform.scan()["ocis"].reason == "storage_down"
    assert platform.one("ocis").status == "quarantined"


def test_a_paused_integration_is_not_scanned_and_shown_as_paused(platform: PlatformFixture) -> None:
    platform.services.switches.pause("ocis", "upgrade", platform.admin)
    platform.ocis.journal.clear()
    seen = platform.scan()
    assert (seen["ocis"].reason, seen["authentik"].reason) == ("paused", None)
    assert list(platform.ocis.journal) == []


def test_an_integration_that_is_not_configured_is_shown_as_such(make_platform: Callable[..., PlatformFixture]) -> None:
    platform = make_platform(stalwart_api_url=None, stalwart_api_token=None)
    assert {name: one.reason for name, one in platform.scan().items()} == {
        "authentik": None,
        "stalwart": "not_configured",
        "ocis": None,
    }


def test_an_orphan_that_disappears_is_gone_and_returns_to_quarantine(platform: PlatformFixture) -> None:
    tenant = platform.grown("acme")
    files = platform.clients["ocis"]
    space = files.find_space(tenant.remote["ocisSpaceId"])
    platform.forget("acme")
    platform.scan()
    platform.scan()
    files.disable_space(space.id)
    assert platform.scan()["ocis"].orphans == 1
    files.purge_space(space.id)
    platform.scan()
    assert platform.one("ocis").status == "gone"


def test_a_mail_tenant_is_gone_although_a_mail_domain_with_its_id_exists(platform: PlatformFixture) -> None:
    # Stalwart numbers each kind by itself, so ids of two kinds can be equal
    tenant = platform.grown("acme")
    watch = open_orphan_scanner(platform.store, platform.settings)
    domain = MarkedObject(OrphanKind.MAIL_DOMAIN, tenant.remote["stalwartDomainId"], "acme.test", tenant.id)
    nobodys = MarkedObject(OrphanKind.MAIL_TENANT, domain.id, f"Beta {'a' * 24}", "a" * 24)
    for found in ([domain, nobodys], [domain]):
        platform.services.orphans.request_scan(platform.admin)
        claim = watch.claim_scan(["stalwart"])
        assert claim is not None
        assert watch.record_scan(claim, found) is not None
    assert platform.kinds() == [("mail_tenant", "tenant_unknown", "gone")]


def test_an_object_that_belongs_to_a_tenant_again_is_kept(platform: PlatformFixture) -> None:
    platform.grown("acme")
    row = platform.rows["tenants"].find_one({"slug": "acme"})
    platform.forget("acme")
    platform.scan()
    platform.rows["tenants"].insert_one(row)
    platform.scan()
    assert {status for _, _, status in platform.kinds()} == {"kept"}
    platform.rows["tenants"].delete_one({"slug": "acme"})
    platform.scan()
    assert platform.kinds() == ALL_THREE


def test_a_marker_of_another_key_belongs_to_no_tenant(make_platform: Callable[..., PlatformFixture]) -> None:
    make_platform(stamp_keys="another-key" * 3).grown("acme")
    platform = make_platform()
    platform.forget("acme")
    seen = platform.scan()
    assert (seen["stalwart"].marked, seen["ocis"].marked) == (0, 0)


def test_a_mail_tenant_counts_only_for_a_tenant_that_was_ours(make_platform: Callable[..., PlatformFixture]) -> None:
    platform = make_platform(stalwart_tenants="require")
    platform.stalwart.set_edition("enterprise")
    platform.clients["stalwart"].create_tenant(f"Somebody {'a' * 24}", {})
    platform.grown("acme")
    platform.scan()
    assert platform.orphans() == []
    platform.forget("acme")
    platform.scan()
    assert [one.kind for one in platform.orphans() if one.integration == "stalwart"] == ["mail_tenant", "mail_domain"]


def test_orphans_are_listed_by_integration_and_status_page_by_page(platform: PlatformFixture) -> None:
    platform.grown("acme")
    platform.grown("beta")
    platform.forget("acme")
    platform.forget("beta")
    platform.scan()
    first = platform.store.orphans.page(OrphanQuery(limit=1, integration="ocis", status="quarantined"))
    second = platform.store.orphans.page(OrphanQuery(limit=1, integration="ocis", after=first.next))
    assert {one.name for one in (*first.items, *second.items)} == {"Acme GmbH", "Beta GmbH"}
    assert second.next is None


def test_a_new_tenant_of_a_forgotten_slug_leaves_the_old_objects_orphans(platform: PlatformFixture) -> None:
    platform.grown("acme")
    platform.forget("acme")
    platform.services.tenants.create(NewTenant("acme", "Acme", "starter"), platform.admin)
    platform.scan()
    assert platform.kinds() == ALL_THREE
