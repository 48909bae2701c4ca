"""The use cases: what a door can ask of the platform. Records first, rings second, waits for no outside system."""

from __future__ import annotations

import time
from dataclasses import replace

import structlog

from shared.dispatch.sender import Dispatcher
from shared.domain import access
from shared.domain.access import Actor, Caller
from shared.domain.errors import (
    ActionNotPossible,
    Flaw,
    InvalidInput,
    NotFound,
    OperationInProgress,
    SlugTaken,
    UnknownUser,
)
from shared.domain.operation import Action, Operation
from shared.domain.recipes import TRANSITIONS
from shared.domain.tenant import NewTenant, Tenant
from shared.domain.user import User
from shared.domain.views import Page, TenantQuery, TenantView
from shared.settings import Settings
from shared.store.events import NewEvent
from shared.store.mongo import Transaction, new_id
from shared.store.opening import Store
from shared.store.operations import AlreadyOpen, NewOperation

log = structlog.get_logger(__name__)

#: pauses between two looks while waiting for an operation, in seconds
WAIT_PAUSES = (0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5)


class ControlPlane:
    """One per process; safe to share between threads."""

    def __init__(self, store: Store, dispatcher: Dispatcher, settings: Settings) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._settings = settings

    # -- tenants

    def create_tenant(self, new: NewTenant, actor: Actor, request_id: str) -> TenantView:
        """Record the tenant and start `provision`. Raises Forbidden, InvalidInput, SlugTaken, DomainTaken."""
        if new.partner_id is None:
            # what a partner's administrator creates is their partner's, said or not
            new = replace(new, partner_id=access.own_partner(actor))
        access.require(
            access.may_create_tenant(actor, new.partner_id),
            "Only a platform administrator, or a partner's administrator for that partner, may create tenants.",
        )
        if new.plan not in self._settings.plans:
            raise InvalidInput([Flaw("/plan", f"is not one of {', '.join(sorted(self._settings.plans))}")])
        return self._record_tenant(new, actor.user.id, request_id)

    def tenant(self, slug: str, actor: Actor) -> TenantView:
        """Raises NotFound, also when the actor may not know of it."""
        return self._view(self._visible(slug, actor))

    def tenants(self, actor: Actor, query: TenantQuery) -> Page[TenantView]:
        page = self._store.tenants.page(access.visible_tenants(actor), query)
        latest = self._store.operations.by_ids([t.operation_id for t in page.items if t.operation_id])
        return page.map(lambda tenant: TenantView(tenant, latest.get(tenant.operation_id or "")))

    def reconcile_tenant(self, slug: str, actor: Actor, request_id: str) -> TenantView:
        """Run every step again, or answer the reconcile that runs.

        Raises NotFound, Forbidden, OperationInProgress, ActionNotPossible.
        """
        tenant = self._visible(slug, actor)
        access.require(
            access.may_reconcile_tenant(actor, tenant), "Reconciling takes an owner or administrator of the tenant."
        )
        return self._start(Action.RECONCILE, tenant, actor, request_id)

    # -- operations

    def operation(self, operation_id: str, actor: Actor) -> Operation:
        """Raises NotFound, also when the actor may not know of its tenant."""
        operation = self._store.operations.find(operation_id)
        tenant = self._store.tenants.find_by_id(operation.tenant_id) if operation else None
        if operation is None or tenant is None or not access.may_see_tenant(actor, tenant):
            raise NotFound(f"There is no operation {operation_id!r}.")
        return operation

    def operations(self, slug: str, actor: Actor, limit: int, after: str | None) -> Page[Operation]:
        """One tenant's history, newest first. Raises NotFound."""
        return self._store.operations.page(self._visible(slug, actor).id, limit, after)

    def wait_for(self, operation_id: str, actor: Actor, seconds: float) -> Operation:
        """The operation once it has ended and the tenant shows it, or as it stands after `seconds`. Raises NotFound."""
        give_up = time.monotonic() + seconds
        pauses = iter(WAIT_PAUSES)
        operation = self.operation(operation_id, actor)
        while not operation.settled and (left := give_up - time.monotonic()) > 0:
            time.sleep(min(left, next(pauses, WAIT_PAUSES[-1])))
            operation = self._store.operations.find(operation_id) or operation
        return operation

    # -- people

    def record_caller(self, caller: Caller) -> User:
        """Make or refresh the caller's record from their token: the only place where its groups count."""
        groups = caller.groups or ()
        prefix = self._settings.oidc_tenant_group_prefix
        slugs = tuple(name.removeprefix(prefix) for name in groups if name.startswith(prefix))
        tenant_ids = self._store.tenants.ids_of_slugs(slugs) if slugs else ()
        return self._store.users.record_caller(caller, tenant_ids, self._settings.oidc_admin_group in groups)

    def actor_for(self, caller: Caller) -> Actor:
        """The caller with the rights their record gives them now. Raises UnknownUser."""
        user = self._store.users.find_by_subject(caller.subject)
        if user is None:
            raise UnknownUser
        return Actor(user, caller.surfaces)

    # -- the service itself

    def prepare(self) -> None:
        """Make the indexes and the default tenant. Idempotent, and safe when many processes start at once."""
        self._store.make_indexes()
        slug = self._settings.default_tenant_slug
        if self._store.tenants.find(slug) is not None:
            return
        new = NewTenant(slug=slug, name=slug.capitalize(), plan=next(reversed(self._settings.plans)))
        try:
            self._record_tenant(new, None, "seed")
        except SlugTaken:
            log.info("seed.raced", slug=slug)

    def readiness(self) -> dict[str, bool]:
        """Each part this service cannot work without, and whether it answers."""
        return {"mongodb": self._store.is_up(1.0), "broker": self._dispatcher.is_up()}

    def close(self) -> None:
        self._dispatcher.close()
        self._store.close()

    # -- how

    def _visible(self, slug: str, actor: Actor) -> Tenant:
        return access.require_sight(actor, self._store.tenants.find(slug), slug)

    def _view(self, tenant: Tenant) -> TenantView:
        operation = self._store.operations.find(tenant.operation_id) if tenant.operation_id else None
        return TenantView(tenant, operation)

    def _record_tenant(self, new: NewTenant, actor_id: str | None, request_id: str) -> TenantView:
        def record(session: Transaction) -> TenantView:
            operation_id = new_id()
            tenant = self._store.tenants.insert(new, operation_id, session)
            operation = self._insert_operation(operation_id, Action.PROVISION, tenant, actor_id, request_id, session)
            self._store.subscriptions.insert(tenant.id, tenant.plan, "active", session)
            after = {"slug": tenant.slug, "name": tenant.name, "plan": tenant.plan, "domains": list(tenant.domains)}
            self._store.events.append(NewEvent("tenant.created", tenant.id, actor_id, request_id, None, after), session)
            return TenantView(tenant, operation)

        view = self._store.transaction(record)
        return self._ring(view)

    def _start(self, action: Action, tenant: Tenant, actor: Actor, request_id: str) -> TenantView:
        allowed, _ = TRANSITIONS[action]
        if tenant.status not in allowed:
            raise ActionNotPossible(f"A tenant that is {tenant.status} cannot be put through {action}.")

        def record(session: Transaction) -> TenantView:
            operation_id = new_id()
            changed = self._store.tenants.accept_change(tenant.id, operation_id, session)
            operation = self._insert_operation(operation_id, action, changed, actor.user.id, request_id, session)
            event = NewEvent(f"tenant.{action}", tenant.id, actor.user.id, request_id)
            self._store.events.append(event, session)
            return TenantView(changed, operation)

        try:
            view = self._store.transaction(record)
        except AlreadyOpen:
            return self._running(action, tenant)
        return self._ring(view)

    def _running(self, action: Action, tenant: Tenant) -> TenantView:
        """The tenant with its open operation, when that is the very action asked for."""
        running = self._store.operations.find_open(tenant.id)
        if running is None:
            raise OperationInProgress("that just ended", "unknown")
        if running.action is not action:
            raise OperationInProgress(running.id, running.action)
        return TenantView(self._store.tenants.find(tenant.slug) or tenant, running)

    def _insert_operation(
        self,
        operation_id: str,
        action: Action,
        tenant: Tenant,
        actor_id: str | None,
        request_id: str,
        session: Transaction,
    ) -> Operation:
        new = NewOperation(
            tenant_id=tenant.id,
            tenant_slug=tenant.slug,
            action=action,
            generation=tenant.generation,
            requested_by=actor_id,
            request_id=request_id,
            deadline_seconds=self._settings.operation_deadline_seconds,
        )
        return self._store.operations.insert(operation_id, new, session)

    def _ring(self, view: TenantView) -> TenantView:
        if view.operation is not None:
            self._dispatcher.send(view.operation)
        return view
