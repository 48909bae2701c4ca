"""The indexes of the `operations` collection. Some of them are rules, and the others are what its queries go by."""

from __future__ import annotations

from pymongo import ASCENDING, DESCENDING, IndexModel

from shared.operations.lease_fence import LEASED
from shared.operations.model import OperationStatus
from shared.operations.problems import PROBLEM_INDEXES

INDEXES = [
    # the rule "one open operation for each tenant" is this index
    IndexModel([("tenantId", ASCENDING)], name="open", unique=True, partialFilterExpression={"status": "running"}),
    IndexModel([("tenantId", ASCENDING), ("_id", DESCENDING)], name="history"),
    IndexModel([("dueAt", ASCENDING)], name="due", partialFilterExpression={"status": "running"}),
    IndexModel([("deadlineAt", ASCENDING)], name="deadline", partialFilterExpression={"status": "running"}),
    IndexModel([("heldBy", ASCENDING)], name="held", sparse=True),
    LEASED,
    IndexModel([("finishedAt", ASCENDING)], name="unsettled", partialFilterExpression={"settled": False}),
    # plans only
    IndexModel([("expiresAt", ASCENDING)], name="expiry", expireAfterSeconds=0, sparse=True),
    *PROBLEM_INDEXES,
    # what ended otherwise than well; of the others there are nearly as many as operations
    IndexModel(
        [("status", ASCENDING), ("_id", DESCENDING)],
        name="ended",
        partialFilterExpression={"status": {"$in": [OperationStatus.FAILED, OperationStatus.CANCELLED]}},
    ),
    IndexModel([("action", ASCENDING), ("_id", DESCENDING)], name="action"),
    # all that the summary by hours reads
    IndexModel(
        [(name, ASCENDING) for name in ("finishedAt", "status", "action", "mode", "createdAt", "tenantId")],
        name="outcomes",
        partialFilterExpression={"finishedAt": {"$type": "date"}},
    ),
]
