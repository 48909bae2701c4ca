"""How an operation begins: recorded with the change that asks for it, then sent to the workers."""

from __future__ import annotations

from shared.dispatch.sender import Dispatcher
from shared.domain.errors import ActionNotPossible, OperationInProgress
from shared.domain.event import Author, NewEvent
from shared.domain.operation import Action, Mode, Operation
from shared.domain.recipes import TRANSITIONS
from shared.domain.tenant import Tenant, TenantChanges
from shared.domain.views import TenantView
from shared.settings import Settings
from shared.store.mongo import Transaction, new_id
from shared.store.opening import Store
from shared.store.operation_rows import NewOperation
from shared.store.operations import AlreadyOpen


class Starter:
    """Begins operations. One open operation for each tenant: that rule is an index, and here is what it means."""

    def __init__(self, store: Store, dispatcher: Dispatcher, settings: Settings) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._settings = settings

    def start(self, action: Action, mode: Mode, tenant: Tenant, author: Author) -> TenantView:
        """Start an action that changes nothing on our record, or answer the very one that runs.

        Raises OperationInProgress, ActionNotPossible.
        """
        require_status(action, tenant)

        def record(session: Transaction) -> TenantView:
            if mode is Mode.PLAN:
                return TenantView(tenant, self.insert(new_id(), action, tenant, author, session, mode))
            view = self.accept(action, tenant, {}, author, session)
            self._store.events.append(_started(view, author), session)
            return view

        try:
            view = self._store.transaction(record)
        except AlreadyOpen:
            return self._running(action, mode, tenant)
        return self.ring(view)

    def accept(
        self, action: Action, tenant: Tenant, changes: TenantChanges, author: Author, session: Transaction
    ) -> TenantView:
        """Write accepted changes and the operation that carries them out. Raises AlreadyOpen, DomainTaken."""
        operation_id = new_id()
        changed = self._store.tenants.accept(tenant, changes, operation_id, session)
        return TenantView(changed, self.insert(operation_id, action, changed, author, session))

    def insert(
        self,
        operation_id: str,
        action: Action,
        tenant: Tenant,
        author: Author,
        session: Transaction,
        mode: Mode = Mode.APPLY,
    ) -> Operation:
        """Record an operation on a tenant as it now stands. Raises AlreadyOpen."""
        new = NewOperation(
            tenant_id=tenant.id,
            tenant_slug=tenant.slug,
            action=action,
            generation=tenant.generation,
            author=author,
            deadline_seconds=self.deadline_of(mode),
            mode=mode,
        )
        return self._store.operations.insert(operation_id, new, session)

    def deadline_of(self, mode: Mode) -> float:
        """How long an operation may take, in seconds. Somebody waits for a plan, and it holds the tenant's one slot."""
        return {
            Mode.APPLY: self._settings.operation_deadline_seconds,
            Mode.PLAN: self._settings.plan_deadline_seconds,
        }[mode]

    def ring(self, view: TenantView) -> TenantView:
        """Send what was recorded; if that fails, the sweep does it."""
        if view.operation is not None and view.operation.is_open:
            self._dispatcher.send(view.operation)
        return view

    def in_the_way(self, tenant: Tenant) -> OperationInProgress:
        """What to raise when the tenant's open operation is not the one that was asked for."""
        running = self._store.operations.find_open(tenant.id)
        if running is None:
            return OperationInProgress("that just ended", "unknown")
        return OperationInProgress(running.id, running.action)

    def _running(self, action: Action, mode: Mode, tenant: Tenant) -> TenantView:
        running = self._store.operations.find_open(tenant.id)
        if running is None or (running.action, running.mode) != (action, mode):
            raise self.in_the_way(tenant)
        return TenantView(self._store.tenants.find(tenant.slug) or tenant, running)


def require_status(action: Action, tenant: Tenant) -> None:
    """Raises ActionNotPossible unless the action may start from the tenant's status."""
    allowed, _ = TRANSITIONS[action]
    if tenant.status not in allowed:
        raise ActionNotPossible(f"A tenant that is {tenant.status} cannot be put through {action}.")


def _started(view: TenantView, author: Author) -> NewEvent:
    operation = view.operation
    action = operation.action if operation else "unknown"
    after = {"operation": operation.id if operation else None}
    return NewEvent(f"tenant.{action}", author, view.tenant.id, view.tenant.slug, None, after)
