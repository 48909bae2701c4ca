"""Looks come by themselves and on an operator's word, once however many sweeps there are, and again after a death."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.orphans.model import OrphanKind, Stamped
from shared.orphans.scanner import OrphanWatch
from tests.yard import Yard


def test_two_sweeps_look_through_each_integration_once(yard: Yard) -> None:
    yard.grown("acme")
    yard.plane.orphans.look(yard.admin)
    yard.ocis.journal.clear()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: yard.sweep(), range(4)))
    lists = [one for one in yard.ocis.journal if one["path"].startswith("/graph/v1.0/drives")]
    assert len(lists) == 1


def test_a_look_whose_process_died_is_made_again_when_its_lease_is_over(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard(lease_seconds=0.3, attempt_seconds=0.2)
    yard.plane.orphans.look(yard.admin)
    claims = [yard.store.orphan_looks.claim([name], 0.3) for name in ("authentik", "stalwart", "ocis")]
    assert all(claims)
    yard.sweep()
    assert all(one.done_at is None for one in yard.store.orphan_looks.all())
    _until_looked(yard)
    # the one that was thought dead comes back late, and counts for nothing
    assert claims[0] is not None
    assert OrphanWatch(yard.store, yard.settings).record_look(claims[0], []) is None


def _until_looked(yard: Yard) -> None:
    for _ in range(100):
        yard.sweep()
        if all(one.done_at for one in yard.store.orphan_looks.all()):
            return
        time.sleep(0.05)
    pytest.fail("nobody looked")


def test_without_a_schedule_looks_are_made_when_asked_for_only(make_yard: Callable[..., Yard]) -> None:
    yard = make_yard(orphan_look_hours=0)
    yard.sweep()
    assert all(one.done_at is None for one in yard.store.orphan_looks.all())
    assert all(one.done_at and one.due_at is None for one in yard.look().values())


def test_the_first_look_is_made_by_itself_and_the_next_when_it_is_due(yard: Yard) -> None:
    yard.sweep()
    first = yard.store.orphan_looks.all()
    yard.sweep()
    assert yard.store.orphan_looks.all() == first
    assert all(one.done_at for one in first)


def test_what_was_found_by_a_look_that_counts_for_nothing_is_told_of_by_the_next(yard: Yard) -> None:
    tenant = yard.grown("acme")
    yard.forget("acme")
    watch = OrphanWatch(yard.store, yard.settings)
    yard.plane.orphans.look(yard.admin)
    claim = watch.claim_look(["ocis"])
    assert claim is not None
    # somebody asks anew while the look is under way
    yard.plane.orphans.look(yard.admin)
    space = Stamped(OrphanKind.SPACE, tenant.remote["ocisSpaceId"], tenant.name, tenant.id)
    assert watch.record_look(claim, [space]) is None
    yard.sweep()
    told = [one["after"] for one in yard.events("orphans.found") if one["after"]["integration"] == "ocis"]
    assert [(one["count"], one["orphans"][0]["objectId"]) for one in told] == [(1, space.id)]
