"""Scans run on schedule and on request, once for any number of schedulers, and again after a process died."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.application.parts import open_orphan_scanner
from shared.orphans.model import MarkedObject, OrphanKind
from tests.platform_fixture import PlatformFixture


def test_two_schedulers_scan_each_integration_once(platform: PlatformFixture) -> None:
    platform.grown("acme")
    platform.services.orphans.request_scan(platform.admin)
    platform.ocis.journal.clear()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: platform.run_orphan_jobs(), range(4)))
    lists = [one for one in platform.ocis.journal if one["path"].startswith("/graph/v1.0/drives")]
    assert len(lists) == 1


def test_a_scan_whose_process_died_is_repeated_when_its_lease_runs_out(
    make_platform: Callable[..., PlatformFixture],
) -> None:
    platform = make_platform(lease_seconds=0.3, attempt_seconds=0.2)
    platform.services.orphans.request_scan(platform.admin)
    claims = [platform.store.orphan_scans.claim([name], 0.3) for name in ("authentik", "stalwart", "ocis")]
    assert all(claims)
    platform.run_orphan_jobs()
    assert all(one.done_at is None for one in platform.store.orphan_scans.all())
    _until_scanned(platform)
    # the late result of the process with the expired lease is ignored
    assert claims[0] is not None
    assert open_orphan_scanner(platform.store, platform.settings).record_scan(claims[0], []) is None


def _until_scanned(platform: PlatformFixture) -> None:
    for _ in range(100):
        platform.run_orphan_jobs()
        if all(one.done_at for one in platform.store.orphan_scans.all()):
            return
        time.sleep(0.05)
    pytest.fail("a scan ran")


def test_without_a_schedule_scans_run_only_on_request(make_platform: Callable[..., PlatformFixture]) -> None:
    platform = make_platform(orphan_scan_hours=0)
    platform.run_orphan_jobs()
    assert all(one.done_at is None for one in platform.store.orphan_scans.all())
    assert all(one.done_at and one.due_at is None for one in platform.scan().values())


def test_the_first_scan_runs_automatically_and_the_next_when_it_is_due(platform: PlatformFixture) -> None:
    platform.run_orphan_jobs()
    first = platform.store.orphan_scans.all()
    platform.run_orphan_jobs()
    assert platform.store.orphan_scans.all() == first
    assert all(one.done_at for one in first)


def test_an_orphan_found_by_a_discarded_scan_is_reported_by_the_next(platform: PlatformFixture) -> None:
    tenant = platform.grown("acme")
    platform.forget("acme")
    watch = open_orphan_scanner(platform.store, platform.settings)
    platform.services.orphans.request_scan(platform.admin)
    claim = watch.claim_scan(["ocis"])
    assert claim is not None
    # a new request comes while the scan runs
    platform.services.orphans.request_scan(platform.admin)
    space = MarkedObject(OrphanKind.SPACE, tenant.remote["ocisSpaceId"], tenant.name, tenant.id)
    assert watch.record_scan(claim, [space]) is None
    platform.run_orphan_jobs()
    events = [one["after"] for one in platform.events("orphans.found") if one["after"]["integration"] == "ocis"]
    assert [(one["count"], one["orphans"][0]["objectId"]) for one in events] == [(1, space.id)]
