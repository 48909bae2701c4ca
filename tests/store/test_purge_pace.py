"""Removals of tenants begin by themselves so often a day; the rest waits for the next, or for an operator's word."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.core.errors import Forbidden
from shared.provisioning.policy import Actor
from shared.tenants.model import NewTenant
from tests.yard import Yard


@pytest.fixture
def yard(make_yard: Callable[..., Yard]) -> Yard:
    """Five deleted tenants whose grace is over; two may be removed a day."""
    made = make_yard(purges_per_day=2, delete_grace_days=0)
    for number in range(5):
        slug = f"tenant{number}"
        made.finish(made.plane.tenants.create(_new(slug), made.admin))
        made.finish(made.plane.life.delete(slug, made.admin))
    return made


def _new(slug: str) -> NewTenant:
    return NewTenant(slug, slug.title(), "starter")


def begun(yard: Yard) -> int:
    return int(yard.rows["operations"].count_documents({"action": "purge"}))


def test_only_so_many_begin_and_that_the_others_wait_is_told_once(yard: Yard) -> None:
    assert [yard.plane.life.take_up(200) for _ in range(3)] == [2, 0, 0]
    assert begun(yard) == 2
    pace = yard.plane.purges.pace(yard.admin)
    assert (pace.per_day, pace.begun, pace.extra, pace.waiting) == (2, 2, 0, 3)
    assert pace.held_since is not None
    (told,) = yard.events("purges.held")
    assert told["after"] == {"waiting": 3, "perDay": 2}


def test_on_an_operators_word_so_many_more_begin(yard: Yard) -> None:
    yard.plane.life.take_up(200)
    pace = yard.plane.purges.allow(2, yard.admin)
    assert (pace.extra, pace.waiting) == (2, 3)
    assert yard.plane.life.take_up(200) == 2
    assert yard.plane.life.take_up(200) == 0
    assert yard.plane.purges.pace(yard.admin).waiting == 1
    assert [one["after"] for one in yard.events("purges.allow")] == [{"count": 2}]


def test_the_next_day_the_next_begin(yard: Yard) -> None:
    yard.plane.life.take_up(200)
    day = 24 * 3600 * 1000
    earlier = {"$map": {"input": "$taken", "in": {"$subtract": ["$$this", day]}}}
    yard.rows["allowances"].update_one({"_id": "purges"}, [{"$set": {"taken": earlier}}])
    assert yard.plane.purges.pace(yard.admin).begun == 0
    assert yard.plane.life.take_up(200) == 2
    assert yard.plane.purges.pace(yard.admin).waiting == 1


def test_several_sweeps_at_once_begin_no_more(yard: Yard) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: yard.plane.life.take_up(200), range(6)))
    assert 1 <= begun(yard) <= 2
    assert len(yard.events("purges.held")) <= 1


def test_one_that_is_asked_for_by_name_neither_waits_nor_counts(yard: Yard) -> None:
    yard.plane.life.take_up(200)
    waiting = [f"tenant{number}" for number in range(5) if yard.tenant(f"tenant{number}").purge_after is not None]
    yard.plane.life.purge(waiting[0], yard.admin)
    assert begun(yard) == 3
    assert yard.plane.purges.pace(yard.admin).begun == 2


def test_a_failed_closing_is_taken_up_though_the_days_removals_are_used_up(yard: Yard) -> None:
    yard.plane.life.take_up(200)
    yard.finish(yard.plane.tenants.create(_new("acme"), yard.admin))
    yard.finish(yard.plane.life.suspend("acme", "unpaid", yard.admin))
    yard.rows["tenants"].update_one({"slug": "acme"}, [{"$set": {"retryAt": "$$NOW"}}])
    assert yard.plane.life.take_up(200) == 1


def test_with_none_a_day_none_begins_by_itself(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard(purges_per_day=0, delete_grace_days=0)
    yard.finish(yard.plane.tenants.create(_new("acme"), yard.admin))
    yard.finish(yard.plane.life.delete("acme", yard.admin))
    assert yard.plane.life.take_up(200) == 0
    assert begun(yard) == 0


def test_what_did_not_begin_gives_its_turn_back(yard: Yard) -> None:
    slugs = [f"tenant{number}" for number in range(5)]
    for slug in slugs:
        # another operation is open, so none of the removals can begin
        yard.plane.life.delete(slug, yard.admin)
    assert yard.plane.life.take_up(200) == 0
    assert yard.plane.purges.pace(yard.admin).begun == 0
    assert yard.events("purges.held") == []


def test_an_operators_word_for_more_is_not_used_up_by_what_did_not_begin(yard: Yard) -> None:
    yard.plane.life.take_up(200)
    for slug in [f"tenant{number}" for number in range(5)]:
        if yard.tenant(slug).purge_after is not None:
            yard.plane.life.delete(slug, yard.admin)
    yard.plane.purges.allow(1, yard.admin)
    assert yard.plane.life.take_up(200) == 0
    assert yard.plane.purges.pace(yard.admin).extra == 1


def test_only_a_platform_administrator_may_look_or_allow(yard: Yard) -> None:
    outside = Actor(yard.admin.user, frozenset({"portal"}))
    for ask in (yard.plane.purges.pace, lambda actor: yard.plane.purges.allow(1, actor)):
        with pytest.raises(Forbidden):
            ask(outside)
