"""Events of operations: an action was started, an operation has ended."""

from __future__ import annotations

from shared.events.model import Author, NewEvent
from shared.operations.model import Operation


def start_event(operation: Operation, author: Author, reason: str | None) -> NewEvent:
    """Return the event of a started action. `reason`: the one that was given for it."""
    after: dict[str, object] = {"operation": operation.id}
    after |= {"reason": reason} if reason else {}
    after |= {"allowRemovals": True} if operation.allow_removals else {}
    return _event(f"tenant.{operation.action}", operation, author, after)


def outcome_event(operation: Operation, tenant_status: str | None) -> NewEvent:
    """Return the event of an ended operation. `tenant_status`: as it is now, None if it did not change the tenant."""
    steps = [{"name": step.name, "status": step.status, "reason": step.reason} for step in operation.steps]
    after: dict[str, object] = {"operation": operation.id, "action": operation.action, "mode": operation.mode}
    author = Author(operation.requested_by, operation.request_id)
    after |= {"tenantStatus": tenant_status, "steps": steps}
    return _event(f"operation.{operation.status}", operation, author, after)


def _event(action: str, operation: Operation, author: Author, after: dict[str, object]) -> NewEvent:
    return NewEvent(action, author, operation.tenant_id, operation.tenant_slug, None, after)
