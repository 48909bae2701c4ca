"""No list reads a whole collection: the database's own query plans are checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from shared.accounts.scope import Scope
from shared.accounts.user import UserQuery
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings
from shared.events.model import EventFilter
from shared.integrations.catalog import INTEGRATIONS
from shared.orphans.model import OrphanQuery
from shared.subscriptions.model import SubscriptionQuery
from shared.tenants.views import TenantQuery
from shared.webhooks.model import DeliveryQuery
from tests.database_commands import DatabaseCommands, recorded_commands

ID = "65f0c0ffee65f0c0ffee65f0"
OWN = Scope(tenant_ids=(ID,), partner_id=ID)
ALL = Scope(everything=True)


def stages(plan: Any) -> Iterator[str]:
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan["stage"]
        for inner in plan.values():
            yield from stages(inner)
    elif isinstance(plan, list):
        for inner in plan:
            yield from stages(inner)


@contextmanager
def recorded(settings: Settings) -> Iterator[tuple[Repositories, DatabaseCommands]]:
    """A store that records every query."""
    with recorded_commands() as recorder:
        opened = open_repositories(settings)
    yield opened, recorder
    opened.close()


QUERIES: dict[str, Callable[[Repositories], object]] = {
    **{
        f"tenants {name} {who}": (lambda store, query=query, scope=scope: store.tenant_views.page(scope, query))
        for who, scope in (("all", ALL), ("own", OWN))
        for name, query in {
            "plain": TenantQuery(),
            "later": TenantQuery(after=ID),
            "status": TenantQuery(status="active"),
            "plan": TenantQuery(plan="starter"),
            "partner": TenantQuery(partner=ID),
            "prefix": TenantQuery(search="ac"),
            "paused": TenantQuery(paused=True),
            "drifted": TenantQuery(drifted="any"),
            "slugs": TenantQuery(slugs=("acme",)),
            **{f"failed {step}": TenantQuery(steps={step: "error"}) for step in INTEGRATIONS},
        }.items()
    },
    **{
        f"users {name} {who}": (lambda store, query=query, scope=scope: store.users.page(scope, query))
        for who, scope in (("all", None), ("own", (ID, (ID,))))
        for name, query in {
            "plain": UserQuery(),
            "tenant": UserQuery(tenant_id=ID),
            "partner": UserQuery(partner_id=ID),
            "prefix": UserQuery(prefix="a"),
        }.items()
    },
    **{
        f"subscriptions {name} {who}": (lambda store, query=query, ids=ids: store.subscriptions.page(ids, query))
        for who, ids in (("all", None), ("own", (ID,)))
        for name, query in {
            "plain": SubscriptionQuery(),
            "tenant": SubscriptionQuery(tenant_id=ID),
            "status": SubscriptionQuery(status="active"),
        }.items()
    },
    "partners": lambda store: store.partners.page(ALL, 50, None),
    "operations": lambda store: store.operations.page(ID, 50, None),
    "events": lambda store: store.events.newest(None, None, 50),
    "events of an action": lambda store: store.events.newest(None, None, 50, EventFilter(action="tenant.*")),
    "events of an actor": lambda store: store.events.newest(None, None, 50, EventFilter(actor=ID)),
    "events own": lambda store: store.events.newest((ID,), 9, 50),
    "events since": lambda store: store.events.following(None, 0, None, 50),
    "events unnumbered": lambda store: store.events.has_unnumbered(),
    "events matching": lambda store: store.events.matching(None, ("*",), (0, 9), 60, 10),
    "events matching by some": lambda store: store.events.matching((ID,), ("tenant.*", "user.created"), (0, 9), 60, 10),
    **{
        f"webhooks {name} {who}": (
            lambda store, scope=scope, tenant=tenant: store.webhooks.page(scope, tenant, 50, None)
        )
        for who, scope in (("all", ALL), ("own", OWN))
        for name, tenant in (("plain", None), ("tenant", ID))
    },
    "webhooks behind": lambda store: store.webhooks.behind(9, 10),
    "deliveries": lambda store: store.deliveries.page(ID, DeliveryQuery()),
    "deliveries failed": lambda store: store.deliveries.page(ID, DeliveryQuery(status="failed")),
    **{
        f"orphans {name}": (lambda store, query=query: store.orphans.page(query))
        for name, query in {
            "plain": OrphanQuery(),
            "integration": OrphanQuery(integration="ocis"),
            "status": OrphanQuery(status="removable"),
            "both": OrphanQuery(integration="ocis", status="removable", after=ID),
        }.items()
    },
    "busy tenants": lambda store: store.operations.tenants_with_open_operation([ID]),
    "due operations": lambda store: list(store.operations.due(10)),
    "overdue operations": lambda store: list(store.operations.overdue(10)),
    "unsettled operations": lambda store: list(store.operations.unsettled(10)),
    "tenants of a partner": lambda store: store.tenants.ids_of_partner(ID),
    "tenants by slug": lambda store: store.tenants.ids_of_slugs(("acme",)),
    "subscriptions of tenants": lambda store: store.subscriptions.of_tenants((ID,)),
}


@pytest.mark.parametrize("name", QUERIES)
def test_no_list_scans_a_collection(store: Repositories, settings: Settings, name: str) -> None:
    with recorded(settings) as (watched, recorder):
        QUERIES[name](watched)
        assert recorder.reads
        database = watched.connection.client[settings.mongodb_database]
        for command in recorder.reads:
            asked = {key: value for key, value in command.items() if not key.startswith(("$", "lsid", "txn"))}
            asked.pop("readConcern", None)
            plan = database.command("explain", asked, verbosity="queryPlanner")["queryPlanner"]["winningPlan"]
            assert "COLLSCAN" not in set(stages(plan)), plan


@pytest.mark.parametrize("busy", [(), (ID,)])
def test_due_deliveries_are_found_by_an_index_on_their_time(
    store: Repositories, settings: Settings, busy: tuple[str, ...]
) -> None:
    store.deliveries.claim(1, busy)
    query = {"status": "pending", "$expr": {"$lte": ["$dueAt", "$$NOW"]}}
    if busy:
        query["webhookId"] = {"$nin": list(busy)}
    command = {"findAndModify": "deliveries", "query": query, "sort": {"dueAt": 1}, "update": {"$set": {"a": 1}}}
    database = store.connection.client[settings.mongodb_database]
    plan = database.command("explain", command, verbosity="queryPlanner")["queryPlanner"]["winningPlan"]
    assert {"COLLSCAN", "SORT"}.isdisjoint(stages(plan)), plan
