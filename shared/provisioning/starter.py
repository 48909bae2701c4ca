"""How an operation begins: recorded with the change that asks for it, then sent to the workers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from shared.config.settings import Settings
from shared.core.errors import OperationInProgress
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction, new_id
from shared.events.model import Author, NewEvent
from shared.events.repository import EventRepository
from shared.operations.dispatcher import Dispatcher
from shared.operations.documents import NewOperation
from shared.operations.model import Mode, Operation
from shared.operations.repository import AlreadyOpen, OperationRepository
from shared.provisioning.settlement import Settlement
from shared.tenants.model import Tenant, TenantChanges
from shared.tenants.repository import TenantRepository
from shared.tenants.transitions import require_status, workflow_for
from shared.tenants.updates import LifecycleChange
from shared.tenants.views import TenantView
from shared.workflows.model import Action

T = TypeVar("T")
#: is called with a tenant as it stands when something is to begin, in that transaction, and raises what forbids it
Permit = Callable[[Tenant, Transaction], None]

#: how often a start is tried anew because what was in the way went away in between
TRIES = 3


class Starter:
    """Begins operations. One open operation for each tenant: that rule is an index, and here is what it means."""

    def __init__(
        self,
        *,
        connection: MongoConnection,
        events: EventRepository,
        operations: OperationRepository,
        tenants: TenantRepository,
        settlement: Settlement,
        dispatcher: Dispatcher,
        settings: Settings,
    ) -> None:
        self._connection = connection
        self._events = events
        self._operations = operations
        self._tenants = tenants
        self._settlement = settlement
        self._dispatcher = dispatcher
        self._settings = settings

    def start(
        self, action: Action, mode: Mode, tenant: Tenant, author: Author, *, allow_removals: bool = False
    ) -> TenantView:
        """Start an action that changes nothing on our record, or answer the very one that runs.

        `allow_removals`: it may remove more than one run usually may. Raises OperationInProgress, ActionNotPossible.
        """
        require_status(action, tenant)

        def record(session: Transaction) -> TenantView:
            if mode is Mode.PLAN:
                now, new = self._connection.now(), new_id()
                plan = self._insert(new, action, tenant, author, now, session, mode, allow_removals=allow_removals)
                return TenantView(tenant, plan)
            return self.start_within(action, tenant, author, session, allow_removals=allow_removals)

        try:
            view = self.recorded(record, tenant)
        except AlreadyOpen:
            return self._running(action, mode, tenant, allow_removals=allow_removals)
        return self.publish(view)

    def recorded(self, record: Callable[[Transaction], T], tenant: Tenant) -> T:
        """Run the transaction; a plan that nobody asked for gives way to it. Raises AlreadyOpen."""
        for _ in range(TRIES):
            try:
                return self._connection.transaction(record)
            except AlreadyOpen:
                running = self._operations.find_open(tenant.id)
                if running is None:
                    continue  # what was in the way has ended this moment
                if not running.is_plan or running.requested_by is not None:
                    raise
                self._connection.transaction(partial(self._end, running.id))
        return self._connection.transaction(record)

    def _end(self, operation_id: str, session: Transaction) -> None:
        if self._operations.cancel(operation_id, session) is not None:
            self._settlement.settle_within(operation_id, session)

    def start_within(
        self,
        action: Action,
        tenant: Tenant,
        author: Author,
        session: Transaction,
        reason: str | None = None,
        *,
        allow_removals: bool = False,
    ) -> TenantView:
        """The same as a part of a transaction, never for one that runs. Raises AlreadyOpen, ActionNotPossible.

        `reason`: why, for the event.
        """
        view = self.accept(action, tenant, {}, author, session, allow_removals=allow_removals)
        self._events.append(_started(view, author, reason), session)
        return view

    def accept(
        self,
        action: Action,
        tenant: Tenant,
        changes: TenantChanges,
        author: Author,
        session: Transaction,
        *,
        allow_removals: bool = False,
    ) -> TenantView:
        """Write accepted changes and the operation that carries them out.

        Raises AlreadyOpen, DomainTaken, ActionNotPossible.
        """
        operation_id = new_id()
        changed = self._tenants.accept(tenant, changes, operation_id, session)
        # as it stands now: since it was read it may have been closed
        require_status(action, changed)
        return self.insert(operation_id, action, changed, author, session, allow_removals=allow_removals)

    def begin(
        self,
        beginning: LifecycleChange,
        tenant: Tenant,
        author: Author,
        permit: Permit = lambda _, __: None,
        *,
        answers_running: bool = True,
    ) -> TenantView:
        """Begin an action of the tenant's life, or answer the very one that runs.

        `answers_running`: not for what begins by itself.
        Raises OperationInProgress, ActionNotPossible, and whatever `permit` does.
        """

        def record(session: Transaction) -> TenantView:
            current = self._current(tenant, session)
            require_status(beginning.action, current)
            permit(current, session)
            operation_id = new_id()
            changed = self._tenants.accept_lifecycle_change(current, beginning, operation_id, session)
            view = self.insert(operation_id, beginning.action, changed, author, session)
            self._events.append(_started(view, author, beginning.reason), session)
            return view

        try:
            view = self.recorded(record, tenant)
        except AlreadyOpen:
            if not answers_running:
                raise self.in_the_way(tenant) from None
            return self._running(beginning.action, Mode.APPLY, tenant)
        return self.publish(view)

    def _current(self, tenant: Tenant, session: Transaction) -> Tenant:
        """As it stands with all that has ended, shown yet or not: of a worker that died before, a removal for good."""
        latest = self._tenants.find_by_id(tenant.id, session) or tenant
        if latest.operation_id is None or self._settlement.settle_within(latest.operation_id, session) is None:
            return latest
        return self._tenants.find_by_id(tenant.id, session) or latest

    def insert(
        self,
        operation_id: str,
        action: Action,
        tenant: Tenant,
        author: Author,
        session: Transaction,
        *,
        allow_removals: bool = False,
    ) -> TenantView:
        """Record an operation on a tenant as it was written in this transaction. Raises AlreadyOpen."""
        # the row was written on the database's clock a moment ago: that is the time
        now, mode = tenant.updated_at, Mode.APPLY
        operation = self._insert(
            operation_id, action, tenant, author, now, session, mode, allow_removals=allow_removals
        )
        return TenantView(tenant, operation)

    def _insert(
        self,
        operation_id: str,
        action: Action,
        tenant: Tenant,
        author: Author,
        now: datetime,
        session: Transaction,
        mode: Mode,
        *,
        allow_removals: bool = False,
    ) -> Operation:
        new = NewOperation(
            tenant_id=tenant.id,
            tenant_slug=tenant.slug,
            action=action,
            generation=tenant.generation,
            author=author,
            deadline_seconds=self.deadline_of(mode),
            workflow=workflow_for(action, tenant, self._settings.absent),
            mode=mode,
            allow_removals=allow_removals,
        )
        return self._operations.insert(operation_id, new, now, session)

    def deadline_of(self, mode: Mode) -> float:
        """How long an operation may take, in seconds. Somebody waits for a plan, and it holds the tenant's one slot."""
        return {
            Mode.APPLY: self._settings.operation_deadline_seconds,
            Mode.PLAN: self._settings.plan_deadline_seconds,
        }[mode]

    def publish(self, view: TenantView) -> TenantView:
        """Publish the recorded operation; if that fails, the scheduler publishes it later."""
        if view.operation is not None and view.operation.is_open:
            self._dispatcher.publish(view.operation)
        return view

    def in_the_way(self, tenant: Tenant) -> OperationInProgress:
        """What to raise when the tenant's open operation is not the one that was asked for."""
        running = self._operations.find_open(tenant.id)
        if running is None:
            return OperationInProgress("that just ended", "unknown")
        return OperationInProgress(running.id, running.action)

    def _running(self, action: Action, mode: Mode, tenant: Tenant, *, allow_removals: bool = False) -> TenantView:
        running = self._operations.find_open(tenant.id)
        lacks_leave = running is not None and allow_removals and not running.allow_removals
        if running is None or lacks_leave or (running.action, running.mode) != (action, mode):
            raise self.in_the_way(tenant)
        return TenantView(self._tenants.find(tenant.slug) or tenant, running)


def _started(view: TenantView, author: Author, reason: str | None = None) -> NewEvent:
    operation = view.operation
    action = operation.action if operation else "unknown"
    after: dict[str, object] = {"operation": operation.id if operation else None}
    after |= {"reason": reason} if reason else {}
    after |= {"allowRemovals": True} if operation and operation.allow_removals else {}
    return NewEvent(f"tenant.{action}", author, view.tenant.id, view.tenant.slug, None, after)
