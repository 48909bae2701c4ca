"""Fill a database with other tenants: copies of one that the platform created, some with waiting operations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from shared.operations.problems import with_problems

BATCH = 5000


def fill(database: Any, slug: str, settled: int, waiting: int) -> None:
    """Copy a tenant and its operation: `settled` times as it is, `waiting` times with steps that are due later."""
    tenant = database["tenants"].find_one({"slug": slug})
    operation = database["operations"].find_one({"tenantSlug": slug})
    for first in range(0, settled + waiting, BATCH):
        numbers = range(first, min(first + BATCH, settled + waiting))
        pairs = [_pair(tenant, operation, number, number >= settled) for number in numbers]
        database["tenants"].insert_many([one for one, _ in pairs], ordered=False)
        database["operations"].insert_many([one for _, one in pairs], ordered=False)


def make_retrying(database: Any) -> None:
    """Mark every step of every open operation as retrying, for one of four reasons."""
    reasons = ["timeout", "unreachable", "upstream_error", "throttled"]
    digits = {"$replaceOne": {"input": "$tenantSlug", "find": "other", "replacement": ""}}
    number = {"$mod": [{"$convert": {"input": digits, "to": "int", "onError": 0}}, len(reasons)]}
    failed = {"attempts": 2, "reason": {"$arrayElemAt": [reasons, number]}}
    steps = {"$map": {"input": "$steps", "as": "step", "in": {"$mergeObjects": ["$$step", failed]}}}
    database["operations"].update_many({"status": "running"}, [{"$set": {"steps": steps}}, with_problems()])


def _pair(tenant: Any, operation: Any, number: int, is_waiting: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    tenant_id, operation_id, slug = ObjectId(), ObjectId(), f"other{number}"
    ours = {"_id": tenant_id, "slug": slug, "domains": [f"{slug}.test"], "operationId": operation_id}
    theirs = {"_id": operation_id, "tenantId": str(tenant_id), "tenantSlug": slug}
    if is_waiting:
        ours |= {"status": "pending"}
        theirs |= _make_waiting(operation)
    return {**tenant, **ours}, {**operation, **theirs}


def _make_waiting(operation: Any) -> dict[str, Any]:
    later = datetime.now(UTC) + timedelta(hours=1)
    due = {"status": "pending", "dueAt": later, "lookAt": later, "finishedAt": None}
    return {
        "status": "running",
        "settled": False,
        "finishedAt": None,
        "dueAt": later,
        "deadlineAt": later + timedelta(hours=1),
        "steps": [{**step, **due} for step in operation["steps"]],
    }
