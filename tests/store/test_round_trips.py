"""The number of database round trips of the most frequent requests, and their caches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from api.schemas.tenants.tenants import written
from shared.application.services import Services, open_services
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings
from shared.core.errors import NotFound, UnknownUser
from shared.db.idempotency_keys import IdempotencyClaim
from shared.operations.dispatcher import Dispatcher
from shared.rights.policy import Actor, Caller
from shared.tenants.model import NewTenant
from shared.tenants.views import TenantQuery, TenantView
from tests.database_commands import DatabaseCommands


@pytest.fixture
def counted(
    commands: DatabaseCommands,
    settings: Settings,
    store: Repositories,
    dispatcher: Dispatcher,
    create: Callable[..., TenantView],
) -> Iterator[Services]:
    """Services with two tenants and a connection that is already open."""
    create("acme", "acme.test")
    create("beta")
    opened = open_repositories(settings)
    opened.connection.is_up(5)
    commands.sent.clear()
    yield open_services(opened, dispatcher, settings)
    opened.close()


@pytest.fixture
def caller(admin: Actor) -> Caller:
    return Caller(admin.user.subject, admin.user.email, admin.user.name, None, admin.surfaces)


def test_one_tenant_and_its_caller_are_read_in_one_round_trip(
    counted: Services, commands: DatabaseCommands, caller: Caller
) -> None:
    assert counted.tenants.get_for("acme", caller).tenant.slug == "acme"
    assert commands.names == ["aggregate"]


def test_a_page_is_two_reads_beside_its_callers(counted: Services, commands: DatabaseCommands, caller: Caller) -> None:
    page = counted.tenants.page(counted.sign_in.actor_for(caller, "request-1"), TenantQuery())
    assert [view.tenant.slug for view in page.items] == ["beta", "acme"]
    assert commands.names == ["find"] * 3


def test_a_new_tenant_is_five_inserts(counted: Services, commands: DatabaseCommands, caller: Caller) -> None:
    actor = counted.sign_in.actor_for(caller, "request-1")
    counted.tenants.create(NewTenant("gamma", "Gamma", "starter", ("gamma.test", "gamma2.test")), actor)
    assert commands.names == ["find", *["insert"] * 5, "commitTransaction"]


def test_an_idempotency_key_is_one_more_write_in_the_transaction(
    counted: Services, store: Repositories, commands: DatabaseCommands, caller: Caller
) -> None:
    actor = counted.sign_in.actor_for(caller, "request-1")
    claim = store.idempotency.begin("key", "fingerprint")
    assert isinstance(claim, IdempotencyClaim)
    written = []
    for author in (actor, replace(actor, claim=claim)):
        commands.sent.clear()
        counted.purge_quota.allow(1, author)
        written.append(
            [name for name in commands.names_with_collections if not name.startswith(("find ", "aggregate"))]
        )
    without, with_key = written
    assert with_key == [*without[:-1], "update idempotency", without[-1]]


def test_a_caller_without_a_record_gets_the_same_error_from_every_route(services: Services, caller: Caller) -> None:
    stranger = Caller("nobody", "n@people.test", "N", None, caller.surfaces)
    for slug in ("acme", "missing"):
        with pytest.raises(UnknownUser):
            services.tenants.get_for(slug, stranger)
    with pytest.raises(NotFound):
        services.tenants.get_for("missing", caller)


def test_a_documents_response_is_cached_until_the_document_changes(
    store: Repositories, services: Services, caller: Caller, create: Callable[..., TenantView]
) -> None:
    operation = create("acme").operation
    assert operation is not None

    def seen() -> tuple[TenantView, TenantView]:
        actor = services.sign_in.actor_for(caller, "request-1")
        return services.tenants.get_for("acme", caller), services.tenants.page(actor, TenantQuery()).items[0]

    first = seen()
    assert list(map(id, seen())) == list(map(id, first))
    assert written(first[0]) is written(seen()[0])
    assert store.operations.claim(operation.id, "ocis", 99, 60) is not None
    for before, after in zip(first, seen(), strict=True):
        assert before.operation is not None
        assert after.operation is not None
        assert (before.operation.step("ocis").status, after.operation.step("ocis").status) == ("pending", "running")
        assert '"attempts":1' in written(after)
