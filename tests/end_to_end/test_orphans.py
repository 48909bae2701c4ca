"""Orphans through real schedulers: found automatically, and removed although a scheduler dies half-way."""

from __future__ import annotations

import signal
from collections.abc import Callable

from shared.orphans.model import Orphan, OrphanQuery
from tests.end_to_end.conftest import Platform
from tests.simulators import fault
from tests.waiting import until


def test_a_scheduler_killed_in_the_middle_of_a_removal_is_replaced_by_another(
    make_platform: Callable[..., Platform], redis_url: str
) -> None:
    platform = make_platform(redis_url, ORPHAN_QUARANTINE_HOURS="0")
    platform.start_worker()
    platform.create("acme")
    tenant = platform.settled("acme").tenant
    platform.store.connection.client[platform.settings.mongodb_database]["tenants"].delete_one({"slug": "acme"})

    def spaces() -> tuple[Orphan, ...]:
        return platform.store.orphans.page(OrphanQuery(integration="ocis")).items

    first = platform.start_scheduler()
    until(lambda: [one.object_id for one in spaces()] == [tenant.remote["ocisSpaceId"]])
    platform.services.orphans.request_scan(platform.admin)
    until(lambda: spaces()[0].status == "removable")
    fault(platform.ocis, kind="hang", method="DELETE", after=1, count=1)
    platform.services.orphans.remove(spaces()[0].id, platform.admin)
    until(lambda: platform.upstream("acme")["spaces"][0]["disabled"])
    first.send_signal(signal.SIGKILL)
    assert spaces()[0].status == "removing"
    platform.start_scheduler()
    until(lambda: spaces()[0].status == "removed", 90)
    assert platform.upstream("acme")["spaces"] == []
    assert len(platform.upstream("acme")["groups"]) == 1
