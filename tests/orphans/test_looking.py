"""What carries our mark and belongs to no living tenant is seen; what belongs to somebody never is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.operations.model import Mode
from shared.orphans.model import OrphanKind, OrphanQuery, Stamped
from shared.orphans.scanner import OrphanWatch
from shared.tenants.model import NewTenant
from tests.simulators import fault
from tests.yard import Yard

ALL_THREE = [
    ("group", "tenant_unknown", "quarantined"),
    ("space", "tenant_unknown", "quarantined"),
    ("mail_domain", "tenant_unknown", "quarantined"),
]


def test_what_living_tenants_have_is_no_orphan(yard: Yard) -> None:
    yard.grown("acme")
    yard.finish(yard.plane.life.suspend("acme", "unpaid", yard.admin))
    yard.grown("beta")
    seen = yard.look()
    assert yard.orphans() == []
    assert {name: (one.stamped, one.orphans, one.reason) for name, one in seen.items()} == {
        name: (2, 0, None) for name in ("authentik", "stalwart", "ocis")
    }
    assert all(one.done_at and one.due_at and one.due_at > one.done_at for one in seen.values())


def test_objects_of_a_tenant_that_is_not_on_record_are_quarantined_and_told_of_once(yard: Yard) -> None:
    tenant = yard.grown("acme")
    yard.grown("beta")
    yard.forget("acme")
    yard.look()
    assert yard.kinds() == ALL_THREE
    assert {one.tenant_id for one in yard.orphans()} == {tenant.id}
    told = yard.events("orphans.found")
    assert sorted((one["after"]["integration"], one["after"]["count"]) for one in told) == [
        ("authentik", 1),
        ("ocis", 1),
        ("stalwart", 1),
    ]
    yard.look()
    assert [status for _, _, status in yard.kinds()] == ["removable"] * 3
    assert len(yard.events("orphans.found")) == 3


def test_quarantine_lasts_as_long_as_the_setting_says_however_often_it_is_seen(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard(orphan_quarantine_hours=1)
    yard.grown("acme")
    yard.forget("acme")
    for _ in range(3):
        yard.look()
    assert yard.kinds() == ALL_THREE
    assert {one.sightings for one in yard.orphans()} == {3}


def test_what_a_purge_left_behind_is_an_orphan_of_a_purged_tenant(yard: Yard) -> None:
    tenant = yard.grown("acme")
    description = yard.clients["ocis"].find_space(tenant.remote["ocisSpaceId"]).description
    yard.finish(yard.plane.life.delete("acme", yard.admin))
    yard.finish(yard.plane.life.purge("acme", yard.admin))
    yard.look()
    assert yard.orphans() == []
    yard.clients["ocis"].create_space("Back", "project/back", description, 1)
    yard.look()
    assert yard.kinds() == [("space", "tenant_purged", "quarantined")]


def test_a_second_object_of_a_living_tenant_is_one_and_the_one_on_record_is_not(yard: Yard) -> None:
    tenant = yard.grown("acme")
    twin = yard.twin_of_space(tenant)
    yard.look()
    assert [(one.object_id, one.cause) for one in yard.orphans()] == [(twin, "other_object")]


def test_when_what_is_on_record_is_gone_the_other_may_be_taken_instead_so_it_is_none(yard: Yard) -> None:
    tenant = yard.grown("acme")
    yard.twin_of_space(tenant)
    yard.clients["ocis"].disable_space(tenant.remote["ocisSpaceId"])
    yard.clients["ocis"].purge_space(tenant.remote["ocisSpaceId"])
    yard.look()
    assert yard.orphans() == []


def test_while_an_operation_is_open_nothing_of_its_tenant_is_an_orphan(yard: Yard) -> None:
    tenant = yard.grown("acme")
    yard.twin_of_space(tenant)
    view = yard.plane.tenants.reconcile("acme", yard.admin, Mode.APPLY)
    yard.look()
    assert yard.orphans() == []
    yard.finish(view)
    yard.look()
    assert [one.name for one in yard.orphans()] == ["Twin"]


def test_tenants_that_are_made_while_looks_go_on_never_show_as_orphans(yard: Yard) -> None:
    slugs = [f"tenant{number}" for number in range(6)]
    for simulator in (yard.authentik, yard.stalwart, yard.ocis):
        fault(simulator, kind="latency", delay=0.02, probability=0.5)
    with ThreadPoolExecutor(3) as pool:
        making = [pool.submit(yard.grown, slug) for slug in slugs]
        while not all(one.done() for one in making):
            yard.look()
            assert yard.orphans() == []
        for one in making:
            one.result()
    assert yard.look()["ocis"].stamped == len(slugs)
    assert yard.orphans() == []


def test_one_integration_that_fails_stops_no_other_and_is_shown_with_what_to_do(yard: Yard) -> None:
    yard.grown("acme")
    before = yard.look()["stalwart"].done_at
    yard.forget("acme")
    fault(yard.stalwart, kind="status", status=503)
    seen = yard.look()
    assert [kind for kind, _, _ in yard.kinds()] == ["group", "space"]
    broken = seen["stalwart"]
    assert (broken.reason, broken.done_at) == ("upstream_error", before)
    assert broken.message
    assert broken.remedy
    assert broken.due_at is not None
    yard.stalwart.faults.clear()
    assert yard.look()["stalwart"].reason is None
    assert yard.kinds()[-1] == ("mail_domain", "tenant_unknown", "quarantined")


@pytest.mark.parametrize("canary", [0, 1, 2], ids=["first", "second", "third"])
def test_with_the_storage_of_ocis_down_at_any_time_of_a_look_nothing_is_said_of_spaces(yard: Yard, canary: int) -> None:
    """Its list is empty each time; which of the canary's answers gives it away differs."""
    yard.grown("acme")
    yard.forget("acme")
    yard.look()
    fault(yard.ocis, kind="storage_down", path="drives\\?")
    fault(yard.ocis, kind="storage_down", path="me/drive$", after=canary, count=1)
    assert yard.look()["ocis"].reason == "storage_down"
    assert yard.one("ocis").status == "quarantined"


def test_a_paused_integration_is_not_looked_through_and_says_so(yard: Yard) -> None:
    yard.plane.switches.pause("ocis", "upgrade", yard.admin)
    yard.ocis.journal.clear()
    seen = yard.look()
    assert (seen["ocis"].reason, seen["authentik"].reason) == ("paused", None)
    assert list(yard.ocis.journal) == []


def test_an_integration_that_is_not_configured_says_so(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard(stalwart_api_url=None, stalwart_api_token=None)
    assert {name: one.reason for name, one in yard.look().items()} == {
        "authentik": None,
        "stalwart": "not_configured",
        "ocis": None,
    }


def test_what_is_no_longer_seen_is_gone_and_comes_back_to_quarantine(yard: Yard) -> None:
    tenant = yard.grown("acme")
    files = yard.clients["ocis"]
    space = files.find_space(tenant.remote["ocisSpaceId"])
    yard.forget("acme")
    yard.look()
    yard.look()
    files.disable_space(space.id)
    assert yard.look()["ocis"].orphans == 1
    files.purge_space(space.id)
    yard.look()
    assert yard.one("ocis").status == "gone"


def test_a_mail_tenant_is_gone_though_a_mail_domain_of_its_id_is_there(yard: Yard) -> None:
    # each kind of Stalwart's has ids of its own, which are the same
    tenant = yard.grown("acme")
    watch = OrphanWatch(yard.store, yard.settings)
    domain = Stamped(OrphanKind.MAIL_DOMAIN, tenant.remote["stalwartDomainId"], "acme.test", tenant.id)
    nobodys = Stamped(OrphanKind.MAIL_TENANT, domain.id, f"Beta {'a' * 24}", "a" * 24)
    for found in ([domain, nobodys], [domain]):
        yard.plane.orphans.look(yard.admin)
        claim = watch.claim_look(["stalwart"])
        assert claim is not None
        assert watch.record_look(claim, found) is not None
    assert yard.kinds() == [("mail_tenant", "tenant_unknown", "gone")]


def test_what_belongs_to_somebody_after_all_is_kept(yard: Yard) -> None:
    yard.grown("acme")
    row = yard.rows["tenants"].find_one({"slug": "acme"})
    yard.forget("acme")
    yard.look()
    yard.rows["tenants"].insert_one(row)
    yard.look()
    assert {status for _, _, status in yard.kinds()} == {"kept"}
    yard.rows["tenants"].delete_one({"slug": "acme"})
    yard.look()
    assert yard.kinds() == ALL_THREE


def test_a_mark_that_was_made_with_another_key_is_nobodys(make_yard: Callable[..., Yard]) -> None:
    make_yard(stamp_keys="another-key" * 3).grown("acme")
    yard = make_yard()
    yard.forget("acme")
    seen = yard.look()
    assert (seen["stalwart"].stamped, seen["ocis"].stamped) == (0, 0)


def test_a_mail_tenant_counts_only_for_a_tenant_that_was_ours(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard(stalwart_tenants="require")
    yard.stalwart.set_edition("enterprise")
    yard.clients["stalwart"].create_tenant(f"Somebody {'a' * 24}", {})
    yard.grown("acme")
    yard.look()
    assert yard.orphans() == []
    yard.forget("acme")
    yard.look()
    assert [one.kind for one in yard.orphans() if one.integration == "stalwart"] == ["mail_tenant", "mail_domain"]


def test_orphans_are_listed_by_integration_and_status_page_by_page(yard: Yard) -> None:
    yard.grown("acme")
    yard.grown("beta")
    yard.forget("acme")
    yard.forget("beta")
    yard.look()
    first = yard.store.orphans.page(OrphanQuery(limit=1, integration="ocis", status="quarantined"))
    second = yard.store.orphans.page(OrphanQuery(limit=1, integration="ocis", after=first.next))
    assert {one.name for one in (*first.items, *second.items)} == {"Acme GmbH", "Beta GmbH"}
    assert second.next is None


def test_a_new_tenant_of_a_forgotten_slug_leaves_the_old_objects_orphans(yard: Yard) -> None:
    yard.grown("acme")
    yard.forget("acme")
    yard.plane.tenants.create(NewTenant("acme", "Acme", "starter"), yard.admin)
    yard.look()
    assert yard.kinds() == ALL_THREE
