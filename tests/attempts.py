"""Attempts of steps and ends of operations, as workers and the scheduler record them."""

from __future__ import annotations

from bson import ObjectId

from shared.application.parts import open_settlement
from shared.application.store import Repositories
from shared.integrations.outcomes import Outcome
from shared.operations.model import Claim, Operation
from shared.tenants.views import TenantView


def begun(view: TenantView) -> Operation:
    """Return the operation that a request began."""
    assert view.operation is not None
    return view.operation


def take(store: Repositories, operation: Operation, step: str) -> Claim:
    """Claim a step for one attempt."""
    claim = store.operations.claim(operation.id, step, operation.dispatch, 60)
    assert claim is not None, step
    return claim


def attempt(store: Repositories, operation: Operation, step: str, outcome: Outcome, retry_in: float = 0.0) -> Operation:
    """Make one attempt of a step with this outcome; settle nothing."""
    recorded = store.operations.record(take(store, operation, step), outcome, retry_in)
    assert recorded is not None
    return recorded


def expire(store: Repositories, operation: Operation) -> Operation:
    """Let the operation's deadline pass, and settle the operation."""
    rows = store.connection.database["operations"]
    rows.update_one({"_id": ObjectId(operation.id)}, [{"$set": {"deadlineAt": "$$NOW"}}])
    expired = store.operations.expire(operation.id)
    assert expired is not None
    open_settlement(store).settle(operation.id)
    return expired
