"""Values that a step found reach the tenant's record through the operation, so that no process death loses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.application.parts import open_settlement
from shared.application.services import Services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.integrations.outcomes import Outcome, PermanentError, failed, ok
from shared.operations.model import Operation, OperationStatus
from shared.rights.policy import Actor
from shared.tenants.model import Tenant
from shared.tenants.views import TenantView
from tests.attempts import attempt

RECORDS = [{"domain": "acme.test", "name": "acme.test", "type": "TXT", "value": "v=spf1 $now -all"}]
FOUND = replace(ok(), found={"dnsRecords": RECORDS})


@pytest.fixture
def operation(create: Callable[..., TenantView]) -> Operation:
    made = create("acme", "acme.test").operation
    assert made is not None
    return made


def end(store: Repositories, operation: Operation, **outcomes: Outcome) -> Operation:
    """Record the attempts of these steps, as a worker that dies right afterwards."""
    recorded = None
    for step, outcome in outcomes.items():
        recorded = attempt(store, operation, step, outcome)
    assert recorded is not None
    return recorded


def tenant(store: Repositories) -> Tenant:
    found = store.tenants.find("acme")
    assert found is not None
    return found


def test_values_found_by_a_worker_that_died_after_the_last_attempt_are_recorded_at_settlement(
    store: Repositories, settings: Settings, operation: Operation
) -> None:
    end(store, operation, authentik=ok(), ocis=ok(), stalwart=FOUND)
    assert "dnsRecords" not in tenant(store).remote
    assert open_settlement(store).settle(operation.id) is not None
    seen = tenant(store)
    assert seen.remote["dnsRecords"] == RECORDS
    assert seen.remote["dnsRecordsAt"] == seen.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    # it is not needed there any more, and lists read many operations
    (row,) = store.connection.client[settings.mongodb_database]["operations"].find()
    assert (row["settled"], "found" in row, "newTenant" in row) == (True, False, False)


def test_a_worker_that_dies_between_two_attempts_loses_nothing(store: Repositories, operation: Operation) -> None:
    end(store, operation, stalwart=FOUND)
    end(store, operation, authentik=ok(), ocis=failed(PermanentError("taken")))
    settled = open_settlement(store).settle(operation.id)
    assert settled is not None
    assert (settled.status, tenant(store).remote["dnsRecords"]) == (OperationStatus.FAILED, RECORDS)


def test_records_that_are_shown_already_keep_their_time(
    store: Repositories, settings: Settings, operation: Operation
) -> None:
    store.tenants.record_steps(end(store, operation, stalwart=FOUND))
    tenants = store.connection.client[settings.mongodb_database]["tenants"]
    tenants.update_one({"slug": "acme"}, {"$set": {"dnsRecordsAt": "2026-01-01T00:00:00Z"}})
    end(store, operation, authentik=ok(), ocis=ok())
    assert open_settlement(store).settle(operation.id) is not None
    assert tenant(store).remote == {"dnsRecords": RECORDS, "dnsRecordsAt": "2026-01-01T00:00:00Z"}


def test_an_older_operation_does_not_overwrite_a_newer_change(
    store: Repositories, settings: Settings, operation: Operation
) -> None:
    ended = end(store, operation, authentik=ok(), ocis=ok(), stalwart=FOUND)
    store.connection.client[settings.mongodb_database]["tenants"].update_one(
        {"slug": "acme"}, {"$inc": {"generation": 1}}
    )
    assert not store.tenants.record_steps(ended)
    assert open_settlement(store).settle(operation.id) is not None
    assert tenant(store).remote == {}


def test_an_attempt_that_ends_after_its_operation_was_stopped_adds_no_values_to_operation_or_tenant(
    store: Repositories, settings: Settings, operation: Operation, services: Services, admin: Actor
) -> None:
    claim = store.operations.claim(operation.id, "stalwart", operation.dispatch, 60)
    assert claim is not None
    services.operations.cancel(operation.id, admin)
    assert store.operations.record(claim, FOUND) is not None
    (row,) = store.connection.client[settings.mongodb_database]["operations"].find()
    assert (row["settled"], "found" in row) == (True, False)
    assert "dnsRecords" not in tenant(store).remote


def test_a_field_that_no_integration_knows_is_refused(store: Repositories, operation: Operation) -> None:
    with pytest.raises(ValueError, match="shoeSize: not a remote field"):
        store.tenants.save_remote(operation.tenant_id, operation.generation, {"shoeSize": 43})
