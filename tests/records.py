"""Fixtures on the real database: settings, a store for each test, and actors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.application.services import Services, open_services
from shared.application.store import Repositories, open_repositories
from shared.config.settings import Settings, read_settings
from shared.operations.dispatcher import Dispatcher
from shared.rights.policy import Actor, Caller
from shared.tenants.model import NewTenant
from shared.tenants.views import TenantView

EVERY_SURFACE = frozenset({"portal", "partner", "operator"})


@pytest.fixture
def make_settings(mongodb_uri: str, database_name: str, redis_url: str) -> Callable[..., Settings]:
    def make(**overrides: Any) -> Settings:
        given = {
            "mongodb_uri": mongodb_uri,
            "mongodb_database": database_name,
            "redis_url": redis_url,
            "stamp_keys": "stamp-key-for-tests-32-characters",
            "log_format": "console",
        }
        return read_settings(**{**given, **overrides})

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture(scope="session")
def indexed(mongodb_uri: str, worker_database: str, worker_valkey: str) -> None:
    """Create the indexes once; tests keep them."""
    settings = read_settings(mongodb_uri=mongodb_uri, mongodb_database=worker_database, redis_url=worker_valkey)
    opened = open_repositories(settings)
    opened.make_indexes()
    opened.close()


@pytest.fixture
def store(settings: Settings, indexed: None) -> Iterator[Repositories]:
    opened = open_repositories(settings)
    yield opened
    opened.close()


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
