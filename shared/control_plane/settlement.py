"""Settling: a closed operation's end is shown on its tenant, and put in the event log, once."""

from __future__ import annotations

import structlog

from shared.domain.event import Author, NewEvent
from shared.domain.operation import Operation
from shared.store.mongo import Transaction
from shared.store.opening import Store

log = structlog.get_logger(__name__)


def settle(store: Store, operation_id: str) -> Operation | None:
    """Settle a closed operation. None when it is open still or somebody else settled it: ask as often as you like."""
    operation = store.transaction(lambda session: settle_within(store, operation_id, session))
    if operation is not None:
        log.info(
            "operation.finished",
            operation=operation.id,
            tenant=operation.tenant_slug,
            action=operation.action,
            status=operation.status,
        )
    return operation


def settle_within(store: Store, operation_id: str, session: Transaction) -> Operation | None:
    """The same as a part of a transaction. A plan changed nothing, so its tenant shows nothing of it."""
    operation = store.operations.settle(operation_id, session)
    if operation is None:
        return None
    tenant = None if operation.is_plan else store.tenants.settle(operation, session)
    store.events.append(_outcome_event(operation, tenant.status if tenant else None), session)
    return operation


def _outcome_event(operation: Operation, tenant_status: str | None) -> NewEvent:
    after = {
        "operation": operation.id,
        "action": operation.action,
        "mode": operation.mode,
        "tenantStatus": tenant_status,
        "steps": [{"name": step.name, "status": step.status, "reason": step.reason} for step in operation.steps],
    }
    return NewEvent(
        action=f"operation.{operation.status}",
        author=Author(operation.requested_by, operation.request_id),
        tenant_id=operation.tenant_id,
        tenant_slug=operation.tenant_slug,
        after=after,
    )
