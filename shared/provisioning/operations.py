"""Read operations, wait for their end, cancel them, and retry failed steps."""

from __future__ import annotations

import time
from dataclasses import dataclass

from shared.core.errors import ActionNotPossible, NotFound
from shared.db.connection import MongoConnection
from shared.db.documents import Page, Transaction
from shared.events.model import NewEvent
from shared.events.repository import EventRepository
from shared.metrics.metrics import OPERATIONS_FINISHED
from shared.operations.model import Operation, OperationStatus, StepRecord, StepStatus
from shared.operations.repository import AlreadyOpen, OperationRepository
from shared.provisioning.settlement import Settlement
from shared.provisioning.starter import Starter
from shared.provisioning.tenants import TenantService
from shared.rights import policy, refusals
from shared.rights.policy import Actor
from shared.tenants.model import Tenant
from shared.tenants.repository import TenantRepository
from shared.tenants.transitions import how_to_establish, require_not_purged
from shared.tenants.views import TenantView
from shared.workflows.model import CONTINUES_AFTER_FAILURE, Action
from shared.workflows.remedies import request_that_repeats

#: seconds between two reads while waiting; the last one repeats
WAIT_PAUSES = (0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5)


@dataclass(frozen=True, kw_only=True)
class OperationService:
    connection: MongoConnection
    events: EventRepository
    operations: OperationRepository
    tenants: TenantRepository
    settlement: Settlement
    starter: Starter
    tenant_service: TenantService

    def get(self, operation_id: str, actor: Actor) -> Operation:
        """Return an operation. Raises NotFound, also when the actor may not see its tenant."""
        return self._visible(operation_id, actor)[0]

    def page(self, slug: str, actor: Actor, limit: int, after: str | None) -> Page[Operation]:
        """Return a page of one tenant's operations, newest first. Raises NotFound."""
        return self.operations.page(self.tenant_service.visible(slug, actor).id, limit, after)

    def wait_for(self, operation_id: str, actor: Actor, seconds: float) -> Operation:
        """Wait until the operation is settled, at most `seconds`, and return it. Raises NotFound."""
        deadline = time.monotonic() + seconds
        pauses = iter(WAIT_PAUSES)
        operation = self.get(operation_id, actor)
        while not operation.settled and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, next(pauses, WAIT_PAUSES[-1])))
            operation = self.operations.find(operation_id) or operation
        return operation

    def cancel(self, operation_id: str, actor: Actor) -> Operation:
        """Cancel an operation. Idempotent. An attempt under way goes on, but its outcome is discarded.

        Raises NotFound, Forbidden, and ActionNotPossible when it has ended in another way.
        """
        operation, tenant = self._visible(operation_id, actor)
        _require_control(operation, tenant, actor)

        def work(session: Transaction) -> Operation | None:
            if self.operations.cancel(operation_id, session) is None:
                return None
            self._record("operation.cancel", operation, actor, session)
            return self.settlement.settle_within(operation_id, session)

        stopped = self.connection.transaction(work)
        if stopped is not None:
            OPERATIONS_FINISHED.labels(stopped.action, stopped.status).inc()
        cancelled = stopped or self.get(operation_id, actor)
        if cancelled.status != "cancelled":
            raise ActionNotPossible(f"The operation has already ended: it {cancelled.status}.")
        return cancelled

    def retry(self, operation_id: str, step_name: str, actor: Actor) -> Operation:
        """Run one failed step of the tenant's latest operation again, and the steps that it blocked.

        Raises NotFound, Forbidden, OperationInProgress, ActionNotPossible.
        """
        operation, tenant = self._visible(operation_id, actor)
        step = next((one for one in operation.steps if one.name == step_name), None)
        if step is None:
            raise NotFound(f"Operation {operation_id} has no step {step_name!r}.")
        _require_control(operation, tenant, actor)
        is_within = not operation.allow_removals or policy.may_allow_removals(actor)
        policy.require(is_within, "A platform administrator approved removals for it. Reconcile the tenant instead.")
        require_not_purged(tenant)
        if operation.action is Action.PURGE and operation.status is OperationStatus.CANCELLED:
            raise ActionNotPossible("A cancelled purge is not retried. Purge the tenant again.")
        if step.status is not StepStatus.ERROR:
            raise ActionNotPossible(f"The step {step_name} has not failed: it is {step.status}.")
        _require_earlier_stages(operation, step)

        def work(session: Transaction) -> Operation:
            self._require_latest(operation, session)
            self._record("operation.retry", operation, actor, session, step=step_name)
            seconds = self.starter.deadline_of(operation.mode)
            reopened = self.operations.reopen(operation, step_name, seconds, session)
            if reopened is None:
                raise ActionNotPossible(f"The step {step_name} has not failed: another request retries it.")
            return reopened

        try:
            reopened = self.connection.transaction(work)
        except AlreadyOpen:
            raise self.starter.conflict(tenant) from None
        self.starter.publish(TenantView(tenant, reopened))
        return reopened

    def _require_latest(self, operation: Operation, session: Transaction) -> None:
        """Raise ActionNotPossible if a newer operation or change was accepted since: a retry must not overwrite it."""
        tenant = self.tenants.find_by_id(operation.tenant_id, session)
        if tenant is None or tenant.operation_id != operation.id:
            instead = how_to_establish(tenant) if tenant else request_that_repeats(operation.action)
            raise ActionNotPossible(
                f"Only a failed step of the tenant's latest operation is retried; {instead} instead."
            )
        # a write, so that a change which is accepted now conflicts with it
        if not self.tenants.lock_generation(tenant.id, operation.generation, session):
            raise ActionNotPossible(
                f"The tenant was changed after this operation; {request_that_repeats(operation.action)} instead."
            )

    def _record(self, action: str, operation: Operation, actor: Actor, session: Transaction, **more: str) -> None:
        after = {"operation": operation.id, "action": operation.action, **more}
        event = NewEvent(action, actor.author, operation.tenant_id, operation.tenant_slug, None, after)
        self.events.append(event, session)

    def _visible(self, operation_id: str, actor: Actor) -> tuple[Operation, Tenant]:
        operation = self.operations.find(operation_id)
        tenant = self.tenants.find_by_id(operation.tenant_id) if operation else None
        if operation is None or tenant is None or not policy.may_see_tenant(actor, tenant):
            raise NotFound(f"There is no operation {operation_id!r}.")
        return operation, tenant


def _require_control(operation: Operation, tenant: Tenant, actor: Actor) -> None:
    refusals.require_in_tenant(
        actor,
        tenant,
        lambda actor, tenant: policy.may_control_operation(actor, tenant, operation.action),
        f"Cancelling or retrying this operation takes the right to request a {operation.action} of the tenant.",
    )


def _require_earlier_stages(operation: Operation, step: StepRecord) -> None:
    """Raise ActionNotPossible unless all steps of earlier stages have succeeded or were skipped.

    Suspend and delete have no such condition. Successful steps stay successful, so no transaction is necessary.
    """
    done = (StepStatus.OK, StepStatus.SKIPPED)
    before = [one.name for one in operation.steps if one.stage < step.stage and one.status not in done]
    if before and operation.action not in CONTINUES_AFTER_FAILURE:
        raise ActionNotPossible(f"The step {step.name} can run only after these steps succeed: {', '.join(before)}.")
