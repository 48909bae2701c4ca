"""Errors of a replica set during a failover are temporary; errors of ours are not."""

from __future__ import annotations

import pytest
from pymongo.errors import NotPrimaryError, OperationFailure, PyMongoError, WTimeoutError

from shared.core.errors import StoreUnavailable
from shared.db.documents import translate_errors


@pytest.mark.parametrize(
    "answer",
    [
        NotPrimaryError("not primary", {"code": 10107}),
        OperationFailure("Read concern majority reads are currently not possible.", 134),
        OperationFailure("Primary stepped down while waiting for replication", 189),
        OperationFailure("interrupted due to replica set state change", 11602),
        WTimeoutError("waiting for replication timed out", 64),
    ],
)
def test_errors_of_a_changing_replica_set_are_temporary(answer: PyMongoError) -> None:
    with pytest.raises(StoreUnavailable), translate_errors():
        raise answer


def test_a_programming_error_is_not_converted() -> None:
    with pytest.raises(OperationFailure), translate_errors():
        raise OperationFailure("unknown operator", 168)
