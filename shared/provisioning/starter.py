"""Start operations: record one in the same transaction as the change that needs it, then publish it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from shared.config.settings import Settings
from shared.core.errors import OperationInProgress
from shared.db.connection import MongoConnection
from shared.db.documents import Document, Transaction, new_id, required
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
Work = Callable[[Transaction], TenantView]
#: a check within the transaction, with the tenant as read there; it raises when the action must not start
Precondition = Callable[[Tenant, Transaction], None]

#: how many times a transaction runs again because an operation that was in its way has ended
MAX_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Starter:
    """Starts operations. A tenant has at most one open operation, which a unique index enforces."""

    connection: MongoConnection
    events: EventRepository
    operations: OperationRepository
    tenants: TenantRepository
    settlement: Settlement
    dispatcher: Dispatcher
    settings: Settings

    def start(
        self, action: Action, mode: Mode, tenant: Tenant, author: Author, *, allow_removals: bool = False
    ) -> TenantView:
        """Start an action that changes no field of the tenant, or return the open operation if it is the same action.

        `allow_removals`: approval to remove more than the safety limit. Raises OperationInProgress, ActionNotPossible.
        """
        require_status(action, tenant)

        def work(session: Transaction) -> TenantView:
            if mode is Mode.DRY_RUN:
                return self.insert(new_id(), action, tenant, author, session, mode=mode, allow_removals=allow_removals)
            return self.start_within(action, tenant, author, session, allow_removals=allow_removals)

        return self._run_or_join(work, action, mode, tenant, allow_removals=allow_removals)

    def start_lifecycle_change(
        self,
        change: LifecycleChange,
        tenant: Tenant,
        author: Author,
        precondition: Precondition = lambda _, __: None,
        *,
        may_join: bool = True,
    ) -> TenantView:
        """Start a lifecycle action, or, if `may_join`, return the open operation when it is the same action.

        Raises OperationInProgress, ActionNotPossible, and the errors of `precondition`.
        """

        def work(session: Transaction) -> TenantView:
            current = self.settled(self.tenants.find_by_id(tenant.id, session) or tenant, session)
            require_status(change.action, current)
            precondition(current, session)
            operation_id = new_id()
            changed = self.tenants.accept_lifecycle_change(current, change, operation_id, session)
            view = self.insert(operation_id, change.action, changed, author, session)
            self._record_start(required(view.operation), author, change.reason, session)
            return view

        if may_join:
            return self._run_or_join(work, change.action, Mode.APPLY, tenant)
        return self.publish(self.run(work, tenant))

    def run(self, work: Callable[[Transaction], T], tenant: Tenant) -> T:
        """Run a transaction that may start an operation of the tenant.

        A dry run that no user asked for is cancelled when it is in the way. Raises OperationInProgress.
        """
        try:
            return self._run(work, tenant)
        except AlreadyOpen:
            raise self.conflict(tenant) from None

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
        """Record an action and its event in the caller's transaction. The caller publishes the result.

        `reason`: for the event. Raises AlreadyOpen, ActionNotPossible.
        """
        current = self.settled(self.tenants.find_by_id(tenant.id, session) or tenant, session)
        view = self.accept(action, current, {}, author, session, allow_removals=allow_removals)
        self._record_start(required(view.operation), author, reason, session)
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
        """Write accepted changes of a `settled` tenant, and the operation that applies them to the integrations.

        Raises AlreadyOpen, DomainTaken, ActionNotPossible.
        """
        operation_id = new_id()
        changed = self.tenants.accept(tenant, changes, operation_id, session, is_fence=True)
        # the status may have changed since the caller read the tenant
        require_status(action, changed)
        return self.insert(operation_id, action, changed, author, session, allow_removals=allow_removals)

    def accept_only(
        self, tenant: Tenant, changes: TenantChanges, session: Transaction, *, is_deferred: bool
    ) -> TenantView:
        """Write accepted changes without an operation. `is_deferred`: the next resume or restore applies them.

        Raises OperationInProgress while one of these is open: it may have applied the former values already. After one
        that failed, the generation rises: a retry of its steps would not apply the new values.
        """
        latest = self.operations.find(tenant.operation_id) if is_deferred and tenant.operation_id else None
        is_reopening = latest is not None and latest.action in (Action.RESUME, Action.RESTORE)
        if latest is not None and is_reopening and latest.is_open:
            raise OperationInProgress(latest.id, latest.action)
        return TenantView(self.tenants.accept(tenant, changes, None, session, is_fence=is_reopening), None)

    def insert(
        self,
        operation_id: str,
        action: Action,
        tenant: Tenant,
        author: Author,
        session: Transaction,
        *,
        mode: Mode = Mode.APPLY,
        allow_removals: bool = False,
        new_tenant: Document | None = None,
    ) -> TenantView:
        """Record an operation, at the time of the tenant's last write or, for a dry run, now. Raises AlreadyOpen."""
        at = self.connection.now() if mode is Mode.DRY_RUN else tenant.updated_at
        new = NewOperation(
            tenant_id=tenant.id,
            tenant_slug=tenant.slug,
            action=action,
            generation=tenant.generation,
            author=author,
            deadline_seconds=self.deadline_of(mode),
            workflow=workflow_for(action, tenant, self.settings.disabled_integrations),
            mode=mode,
            allow_removals=allow_removals,
            new_tenant=new_tenant,
        )
        return TenantView(tenant, self.operations.insert(operation_id, new, at, session))

    def publish(self, view: TenantView) -> TenantView:
        """Publish the recorded operation; if that fails, the scheduler publishes it later."""
        if view.operation is not None and view.operation.is_open:
            self.dispatcher.publish(view.operation)
        return view

    def deadline_of(self, mode: Mode) -> float:
        """Return the deadline in seconds. A dry run's is shorter: a user waits, and it blocks other operations."""
        return self.settings.plan_deadline_seconds if mode is Mode.DRY_RUN else self.settings.operation_deadline_seconds

    def conflict(self, tenant: Tenant) -> OperationInProgress:
        """Return the error to raise when another operation of the tenant is open."""
        running = self.operations.find_open(tenant.id)
        return OperationInProgress(running.id, running.action) if running else OperationInProgress()

    def _record_start(self, operation: Operation, author: Author, reason: str | None, session: Transaction) -> None:
        """Append the event of a started action. `reason`: the one that was given for it."""
        after: dict[str, object] = {"operation": operation.id}
        after |= {"reason": reason} if reason else {}
        after |= {"allowRemovals": True} if operation.allow_removals else {}
        action, slug = f"tenant.{operation.action}", operation.tenant_slug
        self.events.append(NewEvent(action, author, operation.tenant_id, slug, None, after), session)

    def _run(self, work: Callable[[Transaction], T], tenant: Tenant) -> T:
        for _ in range(MAX_TRIES):
            try:
                return self.connection.transaction(work)
            except AlreadyOpen:
                running = self.operations.find_open(tenant.id)
                if running is None:
                    continue  # the other operation has ended meanwhile
                if not running.is_dry_run or running.requested_by is not None:
                    raise
                self.connection.transaction(partial(self._cancel, running.id))
        return self.connection.transaction(work)

    def _run_or_join(
        self, work: Work, action: Action, mode: Mode, tenant: Tenant, *, allow_removals: bool = False
    ) -> TenantView:
        """Run the transaction and publish its operation, or return the open operation if it does the same."""
        try:
            view = self._run(work, tenant)
        except AlreadyOpen:
            running = self.operations.find_open(tenant.id)
            lacks_approval = running is not None and allow_removals and not running.allow_removals
            if running is None or lacks_approval or (running.action, running.mode) != (action, mode):
                raise self.conflict(tenant) from None
            return TenantView(self.tenants.find(tenant.slug) or tenant, running)
        return self.publish(view)

    def _cancel(self, operation_id: str, session: Transaction) -> None:
        if self.operations.cancel(operation_id, session) is not None:
            self.settlement.settle_within(operation_id, session)

    def settled(self, tenant: Tenant, session: Transaction) -> Tenant:
        """Settle the tenant's latest operation, which a newer one would prevent, and return the tenant after that.

        A worker may have died before it could. `tenant`: as read within this transaction.
        """
        if tenant.operation_id is None or self.settlement.settle_within(tenant.operation_id, session) is None:
            return tenant
        return self.tenants.find_by_id(tenant.id, session) or tenant
