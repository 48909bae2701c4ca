"""Three tenants whose requests fail in every product, each in its own way, affect no other tenant."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from shared.tenants.model import Status
from tests.end_to_end.conftest import Platform
from tests.simulators import fault

TENANTS = 40
#: slug to the fault of all its requests
POISONED: Mapping[str, dict[str, Any]] = {
    "sick-a": {"kind": "hang"},
    "sick-b": {"kind": "status", "status": 500},
    "sick-c": {"kind": "status", "status": 401},
}
OTHER_FAULTS: Mapping[str, dict[str, Any]] = {
    "sick-a": {"kind": "rate_limited", "retry_after": 3600},
    "sick-b": {"kind": "lost"},
    "sick-c": {"kind": "status", "status": 403, "body": "{}", "content_type": "application/json"},
}
HEALTHY = [f"tenant{number:02}" for number in range(TENANTS - len(POISONED))]


def poison(platform: Platform, faults: Mapping[str, dict[str, Any]]) -> None:
    """Let every request fail whose URL or body names one of these tenants."""
    for product in (platform.authentik, platform.stalwart, platform.ocis):
        for slug, rule in faults.items():
            for place in ("path", "contains"):
                fault(product, **rule, **{place: f"{slug}|{slug.title()}"})


@pytest.mark.parametrize("faults", [POISONED, OTHER_FAULTS], ids=["hang-500-401", "wait-lost-403"])
def test_three_poisoned_tenants_of_forty_leave_the_others_healthy(
    make_platform: Callable[..., Platform], redis_url: str, faults: Mapping[str, dict[str, Any]]
) -> None:
    platform = make_platform(redis_url, BREAKER_FAILURES="3", LEASE_SECONDS="20", ATTEMPT_SECONDS="15")
    poison(platform, faults)
    platform.start_worker()
    platform.start_scheduler()
    for slug in [*faults, *HEALTHY]:
        platform.create(slug)
    deadline = time.monotonic() + 150
    waiting = dict.fromkeys(HEALTHY)
    while waiting:
        assert time.monotonic() < deadline, f"{list(waiting)}\n{platform.logs()[-4000:]}"
        for slug in list(waiting):
            if platform.tenant(slug).tenant.status is Status.ACTIVE:
                del waiting[slug]
        time.sleep(0.1)
    for switch in platform.services.switches.page(platform.admin):
        assert not switch.is_open, switch
        assert {one.tenant.slug for one in switch.failing if not one.is_isolated} <= set(faults), switch
    for slug in HEALTHY:
        assert platform.has_one_of_each(slug)
    for slug in faults:
        assert platform.tenant(slug).tenant.status is Status.PENDING
