"""Use cases for bulk operations: dry run, start, progress. Rights are checked again for every tenant."""

from __future__ import annotations

from dataclasses import dataclass

from shared.accounts.user_repository import UserRepository
from shared.bulk.model import MAX_TENANTS, BulkAction, BulkOperation, BulkStatus, Item, ItemStatus, Selector
from shared.bulk.repository import BulkOperationRepository
from shared.bulk.selection import BulkSelection
from shared.core.errors import (
    ActionNotPossible,
    DomainError,
    FieldError,
    Forbidden,
    InvalidInput,
    NotFound,
    StoreUnavailable,
)
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.events.model import Author, NewEvent
from shared.events.repository import EventRepository
from shared.operations.model import Mode, OperationStatus, StepStatus
from shared.provisioning.operations import OperationService
from shared.provisioning.tenants import TenantService
from shared.rights import policy
from shared.rights.policy import Actor
from shared.status.model import Target
from shared.workflows.model import Action

#: a tenant's operations among which that of a dead scheduler is searched
LATEST = 10


@dataclass(frozen=True, kw_only=True)
class BulkService:
    connection: MongoConnection
    bulk: BulkOperationRepository
    events: EventRepository
    selection: BulkSelection
    users: UserRepository
    tenant_service: TenantService
    operation_service: OperationService

    def dry_run(self, action: BulkAction, selector: Selector, actor: Actor) -> BulkOperation:
        """Find the tenants that the actor may change; change nothing. Raises InvalidInput when there are too many."""
        # an empty selector finds no tenant: a caller who means all of them has to say `everything`
        targets = self.selection.targets(action, selector, actor) if selector.facts else ()
        found = {target.tenant_id: target for target in targets}
        if len(found) > MAX_TENANTS:
            raise InvalidInput([FieldError("/selector", f"finds more than {MAX_TENANTS} tenants; narrow it")])
        return self.bulk.insert(action, selector, actor, list(found.values()))

    def start(self, bulk_id: str, actor: Actor) -> BulkOperation:
        """Start the action for the tenants that the dry run found. Raises NotFound, Forbidden, ActionNotPossible."""
        bulk = self.get(bulk_id, actor)
        if bulk.created_by != actor.user.id:
            raise Forbidden("Only the user who made a dry run may start it. Make your own dry run.")
        if not actor.surfaces.issuperset(bulk.surfaces):
            raise Forbidden("The dry run was made with a token for more surfaces. Make another one with this token.")

        allowed = None if actor.is_platform_admin else self.selection.allowed_ids(bulk, actor)

        if bulk.status is BulkStatus.DRY_RUN:
            self.bulk.keep_targets(bulk)

        def work(session: Transaction) -> bool:
            if not self.bulk.start(bulk_id, allowed, session):
                return False
            self.events.append(_event("bulk.started", bulk, actor.author), session)
            return True

        is_started = self.connection.transaction(work)
        now = self.get(bulk_id, actor)
        if not is_started and now.status in (BulkStatus.DRY_RUN, BulkStatus.STOPPED):
            raise ActionNotPossible("The dry run has expired or was stopped; make a new one.")
        return now

    def stop(self, bulk_id: str, actor: Actor) -> BulkOperation:
        """End a bulk operation for good: what it has begun goes on, and it begins nothing more. Idempotent.

        Raises NotFound, Forbidden, and ActionNotPossible when it has finished.
        """
        bulk = self.get(bulk_id, actor)
        is_allowed = actor.is_platform_admin or bulk.created_by == actor.user.id
        policy.require(is_allowed, "Only its author and platform administrators may stop a bulk operation.")

        def work(session: Transaction) -> None:
            if self.bulk.stop(bulk_id, session):
                self.events.append(_event("bulk.stopped", bulk, actor.author), session)

        self.connection.transaction(work)
        stopped = self.get(bulk_id, actor)
        if stopped.status is not BulkStatus.STOPPED:
            raise ActionNotPossible("The bulk operation has already finished.")
        return stopped

    def get(self, bulk_id: str, actor: Actor) -> BulkOperation:
        """Return an own bulk operation; platform administrators and support see all. Raises NotFound.

        It names only tenants that the actor may see now.
        """
        visible = self.selection.visible_ids(actor)
        bulk = self.bulk.find(bulk_id, visible)
        if bulk is None or not (actor.reads_everything or bulk.created_by == actor.user.id):
            raise NotFound(f"There is no bulk operation {bulk_id!r}.")
        if bulk.status is BulkStatus.STOPPED and ItemStatus.PENDING in bulk.counts:
            # not within the stop's transaction, which each claim by a scheduler would make start again
            self.bulk.skip_pending(bulk_id)
            return self.bulk.find(bulk_id, visible) or bulk
        return bulk

    # -- run by the scheduler

    def act(self, item: Item) -> None:
        """Run the action for one tenant, with the rights that the author has now. Raises StoreUnavailable."""
        bulk = self.bulk.read(item.bulk_id)
        if bulk is not None and bulk.status is BulkStatus.STOPPED:
            return
        user = self.users.find(bulk.created_by) if bulk else None
        if bulk is None or user is None:
            self.bulk.record(item, ItemStatus.REFUSED, "The user who started it no longer exists.")
            return
        actor = Actor(user, frozenset(bulk.surfaces), bulk.request_id)
        try:
            done = self._run_action(bulk, item.target, actor)
        except StoreUnavailable:
            raise
        except DomainError as refusal:
            self.bulk.record(item, ItemStatus.REFUSED, str(refusal))
        else:
            self.bulk.record(item, ItemStatus.DONE, done)

    def finish(self, bulk_id: str) -> bool:
        """End a bulk operation without pending tenants, and append its event. False when it is not finished."""

        def work(session: Transaction) -> bool:
            if not self.bulk.finish(bulk_id, session):
                return False
            bulk = self.bulk.find(bulk_id)
            if bulk is not None:
                author = Author(bulk.created_by, bulk.request_id)
                self.events.append(_event("bulk.finished", bulk, author), session)
            return True

        return self.connection.transaction(work)

    def _run_action(self, bulk: BulkOperation, target: Target, actor: Actor) -> str | None:
        """Run the action and return what there is to say about it. Raises DomainError."""
        if bulk.action is BulkAction.RECONCILE:
            if not self._was_reconciled(bulk, target, actor):
                self.tenant_service.reconcile(target.slug, actor, Mode.APPLY)
            return None
        if bulk.action is BulkAction.CANCEL:
            self.operation_service.cancel(target.operation_id or "", actor)
            return None
        return self._retry_steps(bulk, target, actor)

    def _was_reconciled(self, bulk: BulkOperation, target: Target, actor: Actor) -> bool:
        """Return whether it reconciled the tenant already: a scheduler may have died before it recorded that."""
        latest = self.operation_service.page(target.slug, actor, LATEST, None).items
        ours = (Action.RECONCILE, actor.user.id, bulk.request_id)
        return any(
            (one.action, one.requested_by, one.request_id) == ours
            and not one.is_dry_run
            and bulk.started_at is not None
            and one.created_at >= bulk.started_at
            for one in latest
        )

    def _retry_steps(self, bulk: BulkOperation, target: Target, actor: Actor) -> str:
        """Run failed steps again; a step that was blocked by them runs after them. Return which ran.

        Raises ActionNotPossible, which names them too, when one cannot run.
        """
        retried: list[str] = []
        for step in target.steps:
            try:
                is_started = self._retry(bulk, target.operation_id or "", step, actor)
            except DomainError as refusal:
                if not retried or isinstance(refusal, StoreUnavailable):
                    raise
                raise ActionNotPossible(f"{_started(retried)} Then: {refusal}") from refusal
            retried += [step] if is_started else []
        return _started(retried)

    def _retry(self, bulk: BulkOperation, operation_id: str, step: str, actor: Actor) -> bool:
        """Run a step again; false when it has not failed any more."""
        now = self.operation_service.get(operation_id, actor)
        if now.status is OperationStatus.CANCELLED and bulk.selector.get("reason") != OperationStatus.CANCELLED:
            raise ActionNotPossible("The operation was cancelled after the dry run.")
        if now.step(step).status is not StepStatus.ERROR:
            return False
        self.operation_service.retry(operation_id, step, actor)
        return True


def _started(steps: list[str]) -> str:
    return f"Started again: {', '.join(steps)}." if steps else "Nothing was started: no step has failed any more."


def _event(action: str, bulk: BulkOperation, author: Author) -> NewEvent:
    counts = {status.value: count for status, count in bulk.counts.items()}
    after = {"bulkOperation": bulk.id, "action": bulk.action, "selector": dict(bulk.selector), "tenants": counts}
    return NewEvent(action, author, after=after)
