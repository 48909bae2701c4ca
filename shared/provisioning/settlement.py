"""Settle closed operations: write the result to the tenant and to the event log, exactly once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from shared.accounts.user import NewUser, Rights, Role, grant_times
from shared.accounts.user_repository import UserRepository
from shared.core.errors import StoreUnavailable
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.events.model import Author, NewEvent
from shared.events.repository import EventRepository
from shared.metrics.metrics import OPERATIONS_FINISHED
from shared.operations.model import Operation, OperationStatus
from shared.operations.repository import OperationRepository
from shared.tenants.model import Status, Tenant
from shared.tenants.repository import TenantRepository
from shared.tenants.tombstones import TombstoneRepository
from shared.workflows.model import Action

log = structlog.get_logger(__name__)

#: batches of user records that one call removes; the next call continues
MAX_BATCHES = 10


class _UsersLeft(Exception):
    """The purged tenant has more user records than one transaction can remove."""

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id


#: called within the transaction that settles a purge, with the tenant's id
OnPurged = Callable[[str, Transaction], object]


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """Settles closed operations. `on_purged`: other features remove their data of a purged tenant."""

    connection: MongoConnection
    events: EventRepository
    operations: OperationRepository
    tenants: TenantRepository
    tombstones: TombstoneRepository
    users: UserRepository
    on_purged: Sequence[OnPurged]

    def settle(self, operation_id: str, seconds: float | None = None) -> Operation | None:
        """Settle a closed operation. Idempotent: return None when it is open or settled already.

        Raises StoreUnavailable when conflicting writes take longer than `seconds`, or when a purged tenant has too many
        user records for one call; the next call continues.
        """
        operation = self._settle(operation_id, seconds)
        if operation is not None:
            OPERATIONS_FINISHED.labels(operation.action, operation.status).inc()
            log.info(
                "operation.finished",
                operation=operation.id,
                tenant=operation.tenant_slug,
                action=operation.action,
                status=operation.status,
            )
        return operation

    def settle_within(self, operation_id: str, session: Transaction) -> Operation | None:
        """Settle within the caller's transaction.

        Raises StoreUnavailable when a purged tenant has more user records than one transaction can remove.
        """
        try:
            return self._record_end(operation_id, session)
        except _UsersLeft:
            raise StoreUnavailable from None

    def _settle(self, operation_id: str, seconds: float | None) -> Operation | None:
        for _ in range(MAX_BATCHES):
            try:
                return self.connection.transaction(lambda session: self._record_end(operation_id, session), seconds)
            except _UsersLeft as left:
                self.connection.transaction(partial(self._remove_users, operation_id, left.tenant_id), seconds)
        raise StoreUnavailable

    def _remove_users(self, operation_id: str, tenant_id: str, session: Transaction) -> None:
        """Remove a batch of user records before settling. That is safe: no user joins a tenant under purge."""
        removed, _ = self.users.remove_tenant(tenant_id, session)
        self.operations.add_users_removed(operation_id, removed, session)

    def _record_end(self, operation_id: str, session: Transaction) -> Operation | None:
        """Settle the operation. A dry run changed nothing, so the tenant only gets its drift. Raises _UsersLeft."""
        operation = self.operations.settle(operation_id, session)
        if operation is None:
            return None
        if operation.is_dry_run:
            if operation.status is OperationStatus.SUCCEEDED:
                self.tenants.record_drift(operation, session)
            tenant = None
        else:
            tenant = self.tenants.settle(operation, session)
        if not _is_check_without_drift(operation):
            event = _outcome_event(operation, tenant.status if tenant else None)
            self.events.append(event, session, tenant.updated_at if tenant else None)
        if tenant is not None and operation.status is OperationStatus.SUCCEEDED:
            self._complete(tenant, operation, session)
        return operation

    def _complete(self, tenant: Tenant, operation: Operation, session: Transaction) -> None:
        """Write the effects of a success on other collections. Raises _UsersLeft."""
        if operation.action is Action.PURGE:
            removed, is_all = self.users.remove_tenant(tenant.id, session)
            if not is_all:
                raise _UsersLeft(tenant.id)
            for on_purged in self.on_purged:
                on_purged(tenant.id, session)
            purges = self.operations.effective(tenant.id, Action.PURGE, session)
            self.tombstones.insert(tenant, purges, operation.users_removed + removed, session)
        elif tenant.owner is not None and tenant.status is Status.ACTIVE:
            self._record_owner(tenant, operation, session)

    def _record_owner(self, tenant: Tenant, operation: Operation, session: Transaction) -> None:
        """Create the owner's user record, or give an existing one the owner role, with the tenant's first activation.

        Later only an operation that gave the owner access creates a missing record: administrators' changes stay.
        """
        subject, is_first = tenant.remote.get("ownerSubject"), tenant.activation_id == operation.id
        if subject is None or tenant.owner is None or not (is_first or "ownerGranted" in operation.found):
            return
        known, at = self.users.find_by_subject(subject, session), operation.finished_at or operation.created_at
        if known is None:
            rights = Rights(tenant_ids=(tenant.id,), roles={tenant.id: Role.OWNER})
            granted_at = grant_times(Rights(), rights, at)
            new = NewUser(subject, tenant.owner.email, tenant.owner.name, rights, granted_at)
            user = self.users.insert(new, session)
        elif is_first and known.role_in(tenant.id) is not Role.OWNER:
            tenant_ids = tuple(dict.fromkeys((*known.tenant_ids, tenant.id)))
            changed = known.changed({"tenant_ids": tenant_ids, "roles": {tenant.id: Role.OWNER}})
            user = self.users.save(changed.with_change_times(known, at), session)
        else:
            return
        # the event belongs to this tenant, so it names no other
        after = {"_id": user.id, "email": tenant.owner.email, "role": Role.OWNER, "tenantIds": [tenant.id]}
        author = Author(None, operation.request_id)
        action = "user.created" if known is None else "user.changed"
        self.events.append(NewEvent(action, author, tenant.id, tenant.slug, None, after), session)


def _outcome_event(operation: Operation, tenant_status: str | None) -> NewEvent:
    """Return the event of an ended operation. `tenant_status`: as it is now, None if it did not change the tenant."""
    steps = [{"name": step.name, "status": step.status, "reason": step.reason} for step in operation.steps]
    after: dict[str, object] = {"operation": operation.id, "action": operation.action, "mode": operation.mode}
    after |= {"tenantStatus": tenant_status, "steps": steps}
    author, action = Author(operation.requested_by, operation.request_id), f"operation.{operation.status}"
    return NewEvent(action, author, operation.tenant_id, operation.tenant_slug, None, after)


def _is_check_without_drift(operation: Operation) -> bool:
    """Return true for an automatic drift check that found no drift: it gets no event."""
    has_no_drift = operation.status is OperationStatus.SUCCEEDED and not any(step.changes for step in operation.steps)
    return operation.is_dry_run and operation.requested_by is None and has_no_drift
