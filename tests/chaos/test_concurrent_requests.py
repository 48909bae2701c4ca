"""Check two requests for one tenant at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.core.errors import ActionNotPossible, OperationInProgress
from shared.operations.model import Mode, Operation
from shared.tenants.model import Status
from shared.tenants.views import TenantView
from tests.api.rights_fixture import finish
from tests.end_to_end.conftest import Platform
from tests.simulators import fault
from tests.waiting import until
from tools.chaos.checks.evidence import Evidence
from tools.chaos.checks.product_invariants import writes_keep_their_order

MANY = 6


def at_once(*requests: Callable[[], TenantView]) -> list[str]:
    """Send requests at the same moment; return the ids of their operations, empty for refused ones."""
    ready = threading.Barrier(len(requests))

    def ask(send: Callable[[], TenantView]) -> str:
        ready.wait()
        try:
            operation = send().operation
        except (OperationInProgress, ActionNotPossible):
            return ""
        assert operation is not None
        return operation.id

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(ask, requests))


def test_one_of_a_concurrent_reconcile_and_delete_wins_and_the_older_never_writes_last(
    platform: Platform,
) -> None:
    platform.start_worker()
    platform.start_scheduler()
    slugs = [f"acme{number}" for number in range(MANY)]
    for slug in slugs:
        platform.create(slug)
    for slug in slugs:
        platform.settled(slug)
    for product in (platform.authentik, platform.stalwart, platform.ocis):
        fault(product, kind="latency", delay=0.2, probability=0.5)
    for slug in slugs:
        reconciled, deleted = at_once(
            lambda slug=slug: platform.services.tenants.reconcile(slug, platform.admin, Mode.APPLY),  # type: ignore[misc]
            lambda slug=slug: platform.services.lifecycle.delete(slug, platform.admin),  # type: ignore[misc]
        )
        assert bool(reconciled) != bool(deleted)
        view = platform.settled(slug)
        assert view.tenant.status is (Status.DELETED if deleted else Status.ACTIVE)
        assert [space["disabled"] for space in platform.upstream(slug)["spaces"]] == [bool(deleted)]
    products = {"authentik": platform.authentik, "stalwart": platform.stalwart, "ocis": platform.ocis}
    rows = platform.store.connection.client[platform.settings.mongodb_database]["operations"]
    requests = {name: list(product.journal) for name, product in products.items()}
    evidence = Evidence([], [], list(rows.find()), [], requests=requests)
    assert list(writes_keep_their_order(evidence)) == []


def renamed(platform: Platform, name: str) -> Operation:
    operation = platform.services.tenants.change("acme", {"name": name}, platform.admin, None).operation
    assert operation is not None
    return operation


def newest_by_retry(platform: Platform) -> None:
    """Cancel the newest operation before it begins, and retry its step."""
    newest = renamed(platform, "Newest")
    platform.services.operations.cancel(newest.id, platform.admin)
    platform.services.operations.retry(newest.id, "ocis", platform.admin)


def newest_of_many(platform: Platform) -> None:
    for _ in range(6):
        operation = platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY).operation
        assert operation is not None
        platform.services.operations.cancel(operation.id, platform.admin)
    renamed(platform, "Newest")


@pytest.mark.parametrize("newest", [newest_of_many, newest_by_retry])
def test_a_write_under_way_when_its_operation_was_cancelled_lands_before_the_next_ones(
    make_platform: Callable[..., Platform], redis_url: str, newest: Callable[[Platform], None]
) -> None:
    platform = make_platform(redis_url, LEASE_SECONDS="7", ATTEMPT_SECONDS="6.5", CALL_SECONDS="6")
    platform.start_worker()
    platform.start_scheduler()
    platform.create("acme")
    platform.settled("acme")
    fault(platform.ocis, kind="latency", delay=5, method="PATCH", count=1)
    older = renamed(platform, "Older")
    until(lambda: any(entry["method"] == "PATCH" for entry in platform.ocis.journal))
    platform.services.operations.cancel(older.id, platform.admin)
    newest(platform)
    assert platform.settled("acme").tenant.name == "Newest"
    until(lambda: all(entry["status"] for entry in platform.ocis.journal if entry["method"] == "PATCH"))
    (space,) = platform.upstream("acme")["spaces"]
    assert space["name"] == "Newest"


def test_two_reconciles_at_the_same_moment_are_one(platform: Platform) -> None:
    created = platform.create("acme").operation
    assert created is not None
    finish(platform.store, created.id)

    def reconcile() -> TenantView:
        return platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY)

    answered = set(at_once(*[reconcile] * 8))
    assert len(answered) == 1
    assert answered != {""}
    assert platform.tenant("acme").tenant.generation == 2
