"""Operations: look at one, wait for its end, stop it, try a failed step again."""

from __future__ import annotations

import time

from shared.core.errors import ActionNotPossible, NotFound
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.db.paging import Page
from shared.events.model import NewEvent
from shared.events.repository import EventRepository
from shared.metrics.metrics import OPERATIONS_FINISHED
from shared.operations.model import Operation, StepRecord, StepStatus
from shared.operations.repository import AlreadyOpen, OperationRepository
from shared.provisioning.settlement import Settlement
from shared.provisioning.starter import Starter
from shared.provisioning.tenants import TenantService
from shared.rights import policy as access
from shared.rights.policy import Actor
from shared.tenants.model import Tenant
from shared.tenants.repository import TenantRepository
from shared.tenants.views import TenantView
from shared.workflows.model import CONTINUES_AFTER_FAILURE

#: pauses between two looks while waiting for an operation, in seconds
WAIT_PAUSES = (0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5)


class OperationService:
    def __init__(
        self,
        *,
        connection: MongoConnection,
        events: EventRepository,
        operations: OperationRepository,
        tenants: TenantRepository,
        settlement: Settlement,
        starter: Starter,
        tenant_service: TenantService,
    ) -> None:
        self._connection = connection
        self._events = events
        self._operations = operations
        self._tenants = tenants
        self._settlement = settlement
        self._starter = starter
        self._tenant_service = tenant_service

    def get(self, operation_id: str, actor: Actor) -> Operation:
        """Raises NotFound, also when the actor may not know of its tenant."""
        return self._visible(operation_id, actor)[0]

    def page(self, slug: str, actor: Actor, limit: int, after: str | None) -> Page[Operation]:
        """One tenant's history, newest first. Raises NotFound."""
        return self._operations.page(self._tenant_service.visible(slug, actor).id, limit, after)

    def wait_for(self, operation_id: str, actor: Actor, seconds: float) -> Operation:
        """The operation once it has ended and the tenant shows it, or as it stands after `seconds`. Raises NotFound."""
        give_up = time.monotonic() + seconds
        pauses = iter(WAIT_PAUSES)
        operation = self.get(operation_id, actor)
        while not operation.settled and (left := give_up - time.monotonic()) > 0:
            time.sleep(min(left, next(pauses, WAIT_PAUSES[-1])))
            operation = self._operations.find(operation_id) or operation
        return operation

    def cancel(self, operation_id: str, actor: Actor) -> Operation:
        """Stop what has not run. An attempt under way finishes outside, and counts for nothing here.

        Raises NotFound, Forbidden, ActionNotPossible for one that has ended otherwise.
        """
        operation, tenant = self._visible(operation_id, actor)
        access.require(
            access.may_control_operations(actor, tenant), "Cancelling takes an owner or administrator of the tenant."
        )

        def work(session: Transaction) -> Operation | None:
            if self._operations.cancel(operation_id, session) is None:
                return None
            self._record("operation.cancel", operation, actor, session)
            return self._settlement.settle_within(operation_id, session)

        stopped = self._connection.transaction(work)
        if stopped is not None:
            OPERATIONS_FINISHED.labels(stopped.action, stopped.status).inc()
        cancelled = stopped or self.get(operation_id, actor)
        if cancelled.status != "cancelled":
            raise ActionNotPossible(f"The operation has already ended: it {cancelled.status}.")
        return cancelled

    def retry(self, operation_id: str, step_name: str, actor: Actor) -> Operation:
        """Run one failed step of the tenant's latest operation again, and what it had blocked.

        Raises NotFound, Forbidden, OperationInProgress, ActionNotPossible.
        """
        operation, tenant = self._visible(operation_id, actor)
        step = next((one for one in operation.steps if one.name == step_name), None)
        if step is None:
            raise NotFound(f"Operation {operation_id} has no step {step_name!r}.")
        access.require(
            access.may_control_operations(actor, tenant), "Retrying takes an owner or administrator of the tenant."
        )
        if step.status is not StepStatus.ERROR:
            raise ActionNotPossible(f"The step {step_name} has not failed: it is {step.status}.")
        _require_turn(operation, step)

        def work(session: Transaction) -> Operation | None:
            if not self._is_latest(operation, session):
                return None
            self._record("operation.retry", operation, actor, session, step=step_name)
            seconds = self._starter.deadline_of(operation.mode)
            return self._operations.reopen(operation, step_name, seconds, session)

        try:
            reopened = self._connection.transaction(work)
        except AlreadyOpen:
            raise self._starter.in_the_way(tenant) from None
        if reopened is None:
            raise ActionNotPossible(
                "Only a failed step of the tenant's latest operation can be retried; reconcile the tenant instead."
            )
        self._starter.publish(TenantView(tenant, reopened))
        return reopened

    def _is_latest(self, operation: Operation, session: Transaction) -> bool:
        """An older wish must never be carried out over a newer one."""
        tenant = self._tenants.find_by_id(operation.tenant_id, session)
        return tenant is not None and (tenant.operation_id, tenant.generation) == (operation.id, operation.generation)

    def _record(self, action: str, operation: Operation, actor: Actor, session: Transaction, **more: str) -> None:
        after = {"operation": operation.id, "action": operation.action, **more}
        event = NewEvent(action, actor.author, operation.tenant_id, operation.tenant_slug, None, after)
        self._events.append(event, session)

    def _visible(self, operation_id: str, actor: Actor) -> tuple[Operation, Tenant]:
        operation = self._operations.find(operation_id)
        tenant = self._tenants.find_by_id(operation.tenant_id) if operation else None
        if operation is None or tenant is None or not access.may_see_tenant(actor, tenant):
            raise NotFound(f"There is no operation {operation_id!r}.")
        return operation, tenant


def _require_turn(operation: Operation, step: StepRecord) -> None:
    """No step is run before those of earlier phases are through, but of what closes doors however that may have gone.

    What is through stays so: it needs no look within the transaction. Raises ActionNotPossible.
    """
    through = (StepStatus.OK, StepStatus.SKIPPED)
    before = [one.name for one in operation.steps if one.stage < step.stage and one.status not in through]
    if before and operation.action not in CONTINUES_AFTER_FAILURE:
        names = ", ".join(before)
        raise ActionNotPossible(f"The step {step.name} comes after {names}: there is no use in it before.")
