"""Two wishes for one tenant at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from chaos.evidence import Evidence
from chaos.upstream_laws import nothing_older_lands_over_newer
from shared.domain.errors import ActionNotPossible, OperationInProgress
from shared.domain.operation import Mode
from shared.domain.tenant import Status
from shared.domain.views import TenantView
from tests.api.world import finish
from tests.path.conftest import Platform
from tests.stand_ins import fault

MANY = 6


def at_once(*wishes: Callable[[], TenantView]) -> list[str]:
    """The ids of the operations that were answered; what was refused leaves a gap."""
    ready = threading.Barrier(len(wishes))

    def ask(wish: Callable[[], TenantView]) -> str:
        ready.wait()
        try:
            operation = wish().operation
        except (OperationInProgress, ActionNotPossible):
            return ""
        assert operation is not None
        return operation.id

    with ThreadPoolExecutor(len(wishes)) as pool:
        return list(pool.map(ask, wishes))


def test_of_a_reconcile_and_a_delete_at_the_same_moment_one_wins_and_the_older_never_lands_last(
    platform: Platform,
) -> None:
    platform.start_worker()
    platform.start_sweep()
    slugs = [f"acme{number}" for number in range(MANY)]
    for slug in slugs:
        platform.create(slug)
    for slug in slugs:
        platform.settled(slug)
    for product in (platform.authentik, platform.stalwart, platform.ocis):
        fault(product, kind="latency", delay=0.2, probability=0.5)
    for slug in slugs:
        reconciled, deleted = at_once(
            lambda slug=slug: platform.plane.tenants.reconcile(slug, platform.admin, Mode.APPLY),  # type: ignore[misc]
            lambda slug=slug: platform.plane.life.delete(slug, platform.admin),  # type: ignore[misc]
        )
        assert bool(reconciled) != bool(deleted)
        view = platform.settled(slug)
        assert view.tenant.status is (Status.DELETED if deleted else Status.ACTIVE)
        assert [space["disabled"] for space in platform.upstream(slug)["spaces"]] == [bool(deleted)]
    products = {"authentik": platform.authentik, "stalwart": platform.stalwart, "ocis": platform.ocis}
    rows = platform.store.client[platform.settings.mongodb_database]["operations"]
    requests = {name: list(product.journal) for name, product in products.items()}
    evidence = Evidence([], [], list(rows.find()), [], requests=requests)
    assert list(nothing_older_lands_over_newer(evidence)) == []


def test_two_reconciles_at_the_same_moment_are_one(platform: Platform) -> None:
    created = platform.create("acme").operation
    assert created is not None
    finish(platform.store, created.id)

    def reconcile() -> TenantView:
        return platform.plane.tenants.reconcile("acme", platform.admin, Mode.APPLY)

    answered = set(at_once(*[reconcile] * 8))
    assert len(answered) == 1
    assert answered != {""}
    assert platform.tenant("acme").tenant.generation == 2
