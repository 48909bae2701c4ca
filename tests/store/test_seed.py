"""Start of the service: indexes and the default tenant, created once by any number of processes."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Barrier

from api.startup import prepare_in_background
from shared.application.services import open_services
from shared.application.store import open_repositories
from shared.config.settings import Settings, read_settings
from shared.operations.dispatcher import Dispatcher
from tests.forked_processes import PRELOADED

MANY = 10


def prepare(addresses: dict[str, str], everybody: Barrier) -> None:
    """Prepare the database as an API process does at its start, at the same moment as all others."""
    settings = read_settings(**addresses)
    services = open_services(open_repositories(settings), Dispatcher(settings.broker), settings)
    everybody.wait(100)
    prepare_in_background(services).join()


def test_ten_processes_that_start_at_once_make_one_default_tenant_with_one_subscription(settings: Settings) -> None:
    addresses = {
        "mongodb_uri": settings.mongodb_uri.get_secret_value(),
        "mongodb_database": settings.mongodb_database,
        "redis_url": settings.redis_url.get_secret_value(),
    }
    # forked from one process that has imported the modules, which saves ten imports
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    everybody = context.Barrier(MANY)
    processes = [context.Process(target=prepare, args=(addresses, everybody), daemon=True) for _ in range(MANY)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
    assert [process.exitcode for process in processes] == [0] * MANY
    store = open_repositories(settings)
    database = store.connection.client[settings.mongodb_database]
    counts = {name: database[name].count_documents({}) for name in ("tenants", "subscriptions", "operations", "events")}
    assert counts == {"tenants": 1, "subscriptions": 1, "operations": 1, "events": 1}
    assert {"slug", "domains", "partner", "status", "plan"} <= set(database["tenants"].index_information())
    store.close()
