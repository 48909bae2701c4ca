"""Fixtures on the real database: settings, a store for each test, and actors."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator
from functools import cache
from typing import Any

import pytest

from shared.application.services import Services, open_services
from shared.application.store import Repositories, make_repositories, open_repositories
from shared.config.settings import Settings, read_settings
from shared.db.connection import MongoConnection, open_connection
from shared.operations.dispatcher import Dispatcher
from shared.rights.policy import Actor, Caller
from shared.tenants.model import NewTenant
from shared.tenants.views import TenantView

EVERY_SURFACE = frozenset({"portal", "partner", "operator"})


@cache
def _settings(environment: frozenset[tuple[str, str]], given: frozenset[tuple[str, Any]]) -> Settings:
    """Read settings once: reading takes 5 ms, and most tests have the same."""
    return read_settings(**dict(given))


@pytest.fixture
def make_settings(mongodb_uri: str, database_name: str, redis_url: str) -> Callable[..., Settings]:
    def make(**overrides: Any) -> Settings:
        given = {
            "mongodb_uri": mongodb_uri,
            "mongodb_database": database_name,
            "redis_url": redis_url,
            "stamp_keys": "stamp-key-for-tests-32-characters",
            "log_format": "console",
            **overrides,
        }
        if all(isinstance(value, Hashable) for value in given.values()):
            environment = frozenset(os.environ.items() - {("PYTEST_CURRENT_TEST", os.environ["PYTEST_CURRENT_TEST"])})
            return _settings(environment, frozenset(given.items()))
        return read_settings(**given)

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture(scope="session")
def worker_connection(mongodb_uri: str, worker_database: str) -> Iterator[MongoConnection]:
    """Share one connection among the tests of this process: opening one takes longer than many tests."""
    opened = open_connection(mongodb_uri, worker_database)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def indexed(mongodb_uri: str, worker_database: str, worker_valkey: str, worker_connection: MongoConnection) -> None:
    """Create the indexes once; tests keep them."""
    settings = read_settings(mongodb_uri=mongodb_uri, mongodb_database=worker_database, redis_url=worker_valkey)
    make_repositories(worker_connection, settings).make_indexes()


@pytest.fixture
def make_store(
    request: pytest.FixtureRequest,
    mongodb_uri: str,
    worker_database: str,
    worker_connection: MongoConnection,
    indexed: None,
) -> Iterator[Callable[[Settings], Repositories]]:
    """Make stores on the shared connection, which no test may close: `make_store(settings)`.

    A store has its own connection if its settings name another database, or if the test records commands: the recorder
    hears only clients that are opened after it.
    """
    own: list[Repositories] = []
    shared = (mongodb_uri, worker_database)
    may_share = "commands" not in request.fixturenames

    def make(settings: Settings) -> Repositories:
        if may_share and (settings.mongodb_uri.get_secret_value(), settings.mongodb_database) == shared:
            return make_repositories(worker_connection, settings)
        own.append(open_repositories(settings))
        return own[-1]

    yield make
    for opened in own:
        opened.close()


@pytest.fixture
def store(settings: Settings, make_store: Callable[[Settings], Repositories]) -> Repositories:
    return make_store(settings)


@pytest.fixture
def dispatcher(settings: Settings) -> Iterator[Dispatcher]:
    made = Dispatcher(settings.broker)
    yield made
    made.close()


@pytest.fixture
def services(store: Repositories, dispatcher: Dispatcher, settings: Settings) -> Services:
    return open_services(store, dispatcher, settings)


@pytest.fixture
def admin(services: Services) -> Actor:
    caller = Caller("subject-admin", "admin@platform.test", "Admin", ("dezky-platform-admins",), EVERY_SURFACE)
    return Actor(services.sign_in.record(caller, "request-1"), EVERY_SURFACE)


@pytest.fixture
def create(services: Services, admin: Actor) -> Callable[..., TenantView]:
    """Create a tenant as a platform administrator: `create("acme", "acme.test")`."""

    def make(slug: str = "acme", *domains: str) -> TenantView:
        return services.tenants.create(NewTenant(slug, slug.title(), "starter", domains), admin)

    return make
