"""Driver errors and the domain errors that they become."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WriteError,
)

from shared.application.services import Services
from shared.application.store import Repositories
from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.db.documents import Transaction, insert, translate_errors
from shared.rights.policy import Actor
from shared.switches.model import Switch

STEPPED_DOWN = {"code": 11602, "codeName": "InterruptedDueToReplStateChange", "errmsg": "operation was interrupted"}


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("connection closed"),
        # an update of many gets it; the driver does not repeat that and sets no label
        WriteConcernError("operation was interrupted", 11602, STEPPED_DOWN),
        # as a starting server answers
        ConfigurationError("Sessions are not supported by this MongoDB deployment"),
        OperationFailure("stepping down", 189, {"errorLabels": ["RetryableWriteError"]}),
        OperationFailure("write conflict", 112, {"errorLabels": ["TransientTransactionError"]}),
    ],
)
def test_transient_driver_errors_become_store_unavailable(error: PyMongoError) -> None:
    with pytest.raises(StoreUnavailable), translate_errors():
        raise error


@pytest.mark.parametrize("error", [DuplicateKeyError("E11000"), OperationFailure("unknown operator", 2)])
def test_permanent_driver_errors_stay_unchanged(error: PyMongoError) -> None:
    with pytest.raises(type(error)), translate_errors():
        raise error


def test_a_refused_insert_reports_its_reason_and_ends_its_transaction(store: Repositories, settings: Settings) -> None:
    database = store.connection.client[settings.mongodb_database]
    rows = database.create_collection("ruled", validator={"name": {"$type": "string"}})
    rows.create_index("name", unique=True)
    try:
        with pytest.raises(WriteError) as refusal:
            store.connection.transaction(lambda session: insert(rows, [{"name": "a"}, {"name": 1}], session))
        assert refusal.value.code == 121
        with pytest.raises(DuplicateKeyError) as taken:
            store.connection.transaction(lambda session: insert(rows, [{"name": "a"}, {"name": "a"}], session))
        assert (taken.value.details or {})["keyPattern"] == {"name": 1}
        assert rows.count_documents({}) == 0
        store.connection.transaction(lambda session: insert(rows, [{"name": "a"}, {"name": "b"}], session))
        assert rows.count_documents({}) == 2
    finally:
        rows.drop()


def test_concurrent_pauses_of_one_integration_all_succeed(services: Services, admin: Actor) -> None:
    gate = threading.Barrier(8)

    def pause(number: int) -> Switch:
        gate.wait(10)
        return services.switches.pause("stalwart", f"reason {number}", admin)

    # the transactions conflict at one document: each is retried and not reported as an unavailable database
    with ThreadPoolExecutor(8) as pool:
        assert {one.name for one in pool.map(pause, range(8))} == {"stalwart"}


def test_a_read_at_the_start_of_a_retried_transaction_does_not_report_an_unavailable_database(
    store: Repositories,
) -> None:
    tries = []

    def work(session: Transaction) -> int:
        tries.append(1)
        with translate_errors():
            if len(tries) == 1:
                raise OperationFailure("write conflict", 112, {"errorLabels": ["TransientTransactionError"]})
        return len(tries)

    assert store.connection.transaction(work) == 2
