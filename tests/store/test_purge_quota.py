"""The purge quota limits automatic purges per day; an operator can raise it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.core.errors import Forbidden
from shared.rights.policy import Actor
from shared.tenants.model import NewTenant
from tests.platform_fixture import PlatformFixture


@pytest.fixture
def platform(make_platform: Callable[..., PlatformFixture]) -> PlatformFixture:
    """Five deleted tenants after their grace period; the quota is two purges a day."""
    made = make_platform(purges_per_day=2, delete_grace_days=0)
    for number in range(5):
        slug = f"tenant{number}"
        made.finish(made.services.tenants.create(_new(slug), made.admin))
        made.finish(made.services.lifecycle.delete(slug, made.admin))
    return made


def _new(slug: str) -> NewTenant:
    return NewTenant(slug, slug.title(), "starter")


def begun(platform: PlatformFixture) -> int:
    return int(platform.rows["operations"].count_documents({"action": "purge"}))


def test_only_the_quota_of_purges_starts_and_one_event_reports_the_waiting_ones(platform: PlatformFixture) -> None:
    assert [platform.services.lifecycle.start_due(200) for _ in range(3)] == [2, 0, 0]
    assert begun(platform) == 2
    quota = platform.services.purge_quota.state(platform.admin)
    assert (quota.per_day, quota.used, quota.extra, quota.waiting) == (2, 2, 0, 3)
    assert quota.exhausted_since is not None
    (event,) = platform.events("purges.held")
    assert event["after"] == {"waiting": 3, "perDay": 2}


def test_a_raised_quota_lets_that_many_more_purges_begin(platform: PlatformFixture) -> None:
    platform.services.lifecycle.start_due(200)
    quota = platform.services.purge_quota.allow(2, platform.admin)
    assert (quota.extra, quota.waiting) == (2, 3)
    assert platform.services.lifecycle.start_due(200) == 2
    assert platform.services.lifecycle.start_due(200) == 0
    assert platform.services.purge_quota.state(platform.admin).waiting == 1
    assert [one["after"] for one in platform.events("purges.allow")] == [{"count": 2}]


def test_a_day_later_the_quota_allows_further_purges(platform: PlatformFixture) -> None:
    platform.services.lifecycle.start_due(200)
    day = 24 * 3600 * 1000
    earlier = {"$map": {"input": "$taken", "in": {"$subtract": ["$$this", day]}}}
    platform.rows["allowances"].update_one({"_id": "purges"}, [{"$set": {"taken": earlier}}])
    assert platform.services.purge_quota.state(platform.admin).used == 0
    assert platform.services.lifecycle.start_due(200) == 2
    assert platform.services.purge_quota.state(platform.admin).waiting == 1


def test_several_schedulers_at_once_begin_no_more_purges_than_the_quota(platform: PlatformFixture) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: platform.services.lifecycle.start_due(200), range(6)))
    assert 1 <= begun(platform) <= 2
    assert len(platform.events("purges.held")) <= 1


def test_a_purge_that_is_requested_by_name_neither_waits_nor_counts(platform: PlatformFixture) -> None:
    platform.services.lifecycle.start_due(200)
    waiting = [f"tenant{number}" for number in range(5) if platform.tenant(f"tenant{number}").purge_after is not None]
    platform.services.lifecycle.purge(waiting[0], platform.admin)
    assert begun(platform) == 3
    assert platform.services.purge_quota.state(platform.admin).used == 2


def test_a_failed_close_is_retried_although_the_purge_quota_is_used_up(platform: PlatformFixture) -> None:
    platform.services.lifecycle.start_due(200)
    platform.finish(platform.services.tenants.create(_new("acme"), platform.admin))
    platform.finish(platform.services.lifecycle.suspend("acme", "unpaid", platform.admin))
    platform.rows["tenants"].update_one({"slug": "acme"}, [{"$set": {"retryAt": "$$NOW"}}])
    assert platform.services.lifecycle.start_due(200) == 1


def test_with_a_quota_of_zero_no_purge_starts_automatically(make_platform: Callable[..., PlatformFixture]) -> None:
    platform = make_platform(purges_per_day=0, delete_grace_days=0)
    platform.finish(platform.services.tenants.create(_new("acme"), platform.admin))
    platform.finish(platform.services.lifecycle.delete("acme", platform.admin))
    assert platform.services.lifecycle.start_due(200) == 0
    assert begun(platform) == 0


def test_a_purge_that_did_not_begin_does_not_use_up_the_quota(platform: PlatformFixture) -> None:
    slugs = [f"tenant{number}" for number in range(5)]
    for slug in slugs:
        # another operation is open, so no purge can start
        platform.services.lifecycle.delete(slug, platform.admin)
    assert platform.services.lifecycle.start_due(200) == 0
    assert platform.services.purge_quota.state(platform.admin).used == 0
    assert platform.events("purges.held") == []


def test_a_raised_quota_is_not_used_up_by_a_purge_that_did_not_begin(platform: PlatformFixture) -> None:
    platform.services.lifecycle.start_due(200)
    for slug in [f"tenant{number}" for number in range(5)]:
        if platform.tenant(slug).purge_after is not None:
            platform.services.lifecycle.delete(slug, platform.admin)
    platform.services.purge_quota.allow(1, platform.admin)
    assert platform.services.lifecycle.start_due(200) == 0
    assert platform.services.purge_quota.state(platform.admin).extra == 1


def test_only_a_platform_administrator_may_read_or_raise_the_quota(platform: PlatformFixture) -> None:
    outside = Actor(platform.admin.user, frozenset({"portal"}))
    for ask in (platform.services.purge_quota.state, lambda actor: platform.services.purge_quota.allow(1, actor)):
        with pytest.raises(Forbidden):
            ask(outside)
