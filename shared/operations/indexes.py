"""Indexes of the `operations` collection. The unique index is a rule of the platform; the others serve queries."""

from __future__ import annotations

from pymongo import ASCENDING, DESCENDING, IndexModel

from shared.operations.lease_fence import LEASED
from shared.operations.model import OperationStatus
from shared.operations.problems import PROBLEM_INDEXES

INDEXES = [
    # enforces the rule "one open operation for each tenant"
    IndexModel([("tenantId", ASCENDING)], name="open", unique=True, partialFilterExpression={"status": "running"}),
    IndexModel([("tenantId", ASCENDING), ("_id", DESCENDING)], name="history"),
    IndexModel([("dueAt", ASCENDING)], name="due", partialFilterExpression={"status": "running"}),
    IndexModel([("deadlineAt", ASCENDING)], name="deadline", partialFilterExpression={"status": "running"}),
    IndexModel([("heldBy", ASCENDING)], name="held", sparse=True),
    LEASED,
    IndexModel([("finishedAt", ASCENDING)], name="unsettled", partialFilterExpression={"settled": False}),
    # deletes dry runs
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0, sparse=True),
    *PROBLEM_INDEXES,
    # partial, because a list of failed operations is rare and most operations succeed
    IndexModel(
        [("status", ASCENDING), ("_id", DESCENDING)],
        name="ended",
        partialFilterExpression={"status": {"$in": [OperationStatus.FAILED, OperationStatus.CANCELLED]}},
    ),
    IndexModel([("action", ASCENDING), ("_id", DESCENDING)], name="action"),
    # covers the hourly summary, which reads no operation
    IndexModel(
        [(name, ASCENDING) for name in ("finishedAt", "status", "action", "mode", "createdAt", "tenantId")],
        name="outcomes",
        partialFilterExpression={"finishedAt": {"$type": "date"}},
    ),
]
