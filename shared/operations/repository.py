"""The `operations` collection. Each document is outbox, step leases and history of one operation.

All times are computed by the database's clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.db.bulk_update import update_unlocked
from shared.db.documents import (
    Document,
    Page,
    Pipeline,
    Transaction,
    find_by_id,
    find_value,
    insert,
    newest_page,
    object_id,
    seconds_from_now,
    translate_errors,
    update_value,
)
from shared.integrations.outcomes import Outcome
from shared.operations import step_updates as updates
from shared.operations.documents import KNOWN, NewOperation, new_operation, operation_of
from shared.operations.lease_fence import earliest_starts
from shared.operations.model import CLOSED, Claim, Mode, Operation, OperationStatus, StepStatus
from shared.operations.problems import ANY, HAS_PROBLEM, field_of
from shared.workflows.model import Action
from shared.workflows.remedies import remedy_of_outcome

#: an operation with a paused step has no deadline meanwhile
_OVERDUE: Document = {
    **KNOWN,
    "status": OperationStatus.RUNNING,
    "pausedAt": None,
    "$expr": {"$lte": ["$deadlineAt", "$$NOW"]},
}

_DUE: Document = {**KNOWN, "status": OperationStatus.RUNNING, "$expr": {"$lte": ["$dueAt", "$$NOW"]}}


#: operations that one tenant's receipt may list
MAX_EFFECTIVE = 200


class AlreadyOpen(Exception):
    """The tenant has an open operation; a unique index allows one."""


class OperationRepository:
    """`dispatch_grace`: seconds until a published step that no worker claimed is published again."""

    def __init__(self, database: Database[Document], dispatch_grace: float, dry_run_keep_days: float) -> None:
        self._operations = database["operations"]
        self._grace, self._dry_run_kept = dispatch_grace, timedelta(days=dry_run_keep_days)

    def insert(self, operation_id: str, new: NewOperation, at: datetime, session: Transaction) -> Operation:
        """Record an operation as running and dispatched once: the caller publishes it, or the scheduler does later.

        `at`: the database's time. Raises AlreadyOpen when the tenant has an open operation.
        """
        names = [step.name for stage in new.workflow for step in stage]
        # before a provision there are no older attempts, and a dry run writes nothing that they could overwrite
        may_wait = new.action is not Action.PROVISION and new.mode is Mode.APPLY
        not_before = earliest_starts(self._operations, new.tenant_id, names, session) if may_wait else {}
        document = new_operation(operation_id, new, not_before, self._grace, at, self._dry_run_kept)
        try:
            insert(self._operations, [document], session)
        except DuplicateKeyError:
            raise AlreadyOpen(new.tenant_id) from None
        if may_wait:
            self._clear_problems(new.tenant_id, document["_id"], session)
        return operation_of(document)

    def _clear_problems(self, tenant_id: str, latest: ObjectId, session: Transaction) -> None:
        """Clear the problems of the tenant's earlier operations."""
        earlier = {"tenantId": tenant_id, field_of(ANY): HAS_PROBLEM, "_id": {"$ne": latest}}
        self._operations.update_many(earlier, {"$set": {"problems": {}}}, session=session, hint="history")

    def find(self, operation_id: str) -> Operation | None:
        return find_by_id(self._operations, operation_id, operation_of)

    def find_open(self, tenant_id: str) -> Operation | None:
        return find_value(self._operations, {"tenantId": tenant_id, "status": OperationStatus.RUNNING}, operation_of)

    def tenants_with_open_operation(self, tenant_ids: list[str]) -> frozenset[str]:
        """Return those of these tenants that have an open operation; dry runs do not count."""
        running = {"tenantId": {"$in": tenant_ids}, "status": OperationStatus.RUNNING, "mode": {"$ne": Mode.DRY_RUN}}
        with translate_errors():
            return frozenset(document["tenantId"] for document in self._operations.find(running, {"tenantId": 1}))

    def page(self, tenant_id: str, limit: int, after: str | None) -> Page[Operation]:
        """Return a page of one tenant's operations, newest first."""
        return newest_page(self._operations, [{"tenantId": tenant_id}], limit, after, operation_of)

    def count_running(self, mode: Mode, limit: int) -> int:
        """Return how many operations of this mode are open; stop counting at `limit`."""
        with translate_errors():
            condition = {"status": OperationStatus.RUNNING, "mode": mode}
            return self._operations.count_documents(condition, limit=limit, hint="due")

    def effective(self, tenant_id: str, action: Action, session: Transaction) -> list[Operation]:
        """Return the newest operations with this action that succeeded or changed something outside, oldest first."""
        has_effect = [{"status": OperationStatus.SUCCEEDED}, {"steps.changes.0": {"$exists": True}}]
        condition = {"tenantId": tenant_id, "action": action, "$or": has_effect}
        documents = self._operations.find(condition, session=session).sort("_id", DESCENDING).limit(MAX_EFFECTIVE)
        return [operation_of(document) for document in documents][::-1]

    def claim(self, operation_id: str, step: str, dispatch: int, lease_seconds: float) -> Claim | None:
        """Claim a step for one attempt, under a lease.

        Return None when the step has ended, is leased, is not due, needs a newer dispatch, or does not exist.
        """
        key = object_id(operation_id)
        if key is None:
            return None
        token = secrets.token_hex(8)
        operation = self._update(
            {
                "_id": key,
                **KNOWN,
                "status": OperationStatus.RUNNING,
                "$expr": updates.claimable(step, dispatch),
            },
            updates.claimed(step, token, lease_seconds),
        )
        return Claim(operation, operation.step(step), token) if operation else None

    def record(self, claim: Claim, outcome: Outcome, retry_in: float = 0.0) -> Operation | None:
        """Record an attempt's outcome. Return None when its lease has ended: the outcome is then discarded.

        What the attempt saved after that was refused too (`TenantRepository.save_remote`), even if no other began.
        """
        remedy = remedy_of_outcome(outcome, claim.operation.action, is_dry_run=claim.operation.is_dry_run)
        condition = {"steps.leaseToken": claim.token, "$expr": updates.is_leased(claim.token)}
        return self._update(
            {"_id": ObjectId(claim.operation.id), **condition},
            updates.recorded(claim.step.name, outcome, remedy, retry_in, self._grace),
        )

    def due(self, limit: int) -> Iterator[str]:
        """Yield ids of running operations that must be published again, the most overdue first."""
        return self._ids(_DUE, "dueAt", limit)

    def begin_dispatch(self, operation_ids: Sequence[str]) -> list[Operation]:
        """Give a new dispatch number to those operations that are still due, and return them for publishing.

        Another scheduler may have been faster for some. One bulk write, because each write waits for the journal.
        """
        keys = [ObjectId(one) for one in operation_ids]
        ours = {"resentBy": secrets.token_hex(8)}
        update_unlocked(self._operations, keys, _DUE, [*updates.next_dispatch(self._grace), {"$set": ours}])
        with translate_errors():
            return list(map(operation_of, self._operations.find({"_id": {"$in": keys}, **ours})))

    def overdue(self, limit: int) -> Iterator[str]:
        """Yield ids of running operations whose deadline has passed."""
        return self._ids(_OVERDUE, "deadlineAt", limit)

    def expire(self, operation_id: str) -> Operation | None:
        """Fail an operation whose deadline has passed. Return None when it ended meanwhile."""
        return self._update({"_id": ObjectId(operation_id), **_OVERDUE}, updates.expired())

    def cancel(self, operation_id: str, session: Transaction) -> Operation | None:
        """Cancel an operation. Return None when it has already ended."""
        condition = {"_id": ObjectId(operation_id), "status": OperationStatus.RUNNING}
        return self._update(condition, updates.cancelled(), session)

    def reopen(self, operation: Operation, step: str, deadline: float, session: Transaction) -> Operation | None:
        """Reopen the operation to run one failed step again. Return None when the step has not failed.

        `deadline`: seconds from now. Raises AlreadyOpen when the tenant has another open operation.
        """
        condition = {
            "_id": ObjectId(operation.id),
            "steps": {"$elemMatch": {"name": step, "status": StepStatus.ERROR}},
        }
        not_before = earliest_starts(
            self._operations, operation.tenant_id, [one.name for one in operation.steps], session
        )
        try:
            return self._update(condition, updates.reopened(step, deadline, self._grace, not_before), session)
        except DuplicateKeyError:
            raise AlreadyOpen from None

    def unsettled(self, limit: int) -> Iterator[str]:
        """Yield ids of operations that closed more than the grace ago and are not settled."""
        is_late = {"$lte": ["$finishedAt", seconds_from_now(-self._grace)]}
        # the type condition lets the partial index skip running operations
        ended = {"settled": False, "finishedAt": {"$type": "date"}}
        return self._ids({**KNOWN, **ended, "$expr": is_late}, "finishedAt", limit)

    def settle(self, operation_id: str, session: Transaction) -> Operation | None:
        """Mark a closed operation as settled. Return None when it is open or already settled."""
        document = self._operations.find_one_and_update(
            {
                "_id": ObjectId(operation_id),
                **KNOWN,
                "settled": False,
                "status": {"$in": CLOSED},
            },
            {"$set": {"settled": True}, "$unset": {"found": "", "newTenant": ""}},
            # the caller still needs `found`, which this write removes
            return_document=ReturnDocument.BEFORE,
            session=session,
        )
        return replace(operation_of(document), settled=True) if document else None

    def remove_new_tenant(self, tenant_id: str, session: Transaction) -> None:
        """Remove the document of the new tenant, which older builds leave when they settle a provision."""
        left = {"tenantId": tenant_id, "newTenant": {"$type": "object"}}
        self._operations.update_many(left, {"$unset": {"newTenant": ""}}, session=session, hint="history")

    def add_users_removed(self, operation_id: str, count: int, session: Transaction) -> None:
        """Add to the number of user records that a purge deleted."""
        self._operations.update_one({"_id": ObjectId(operation_id)}, {"$inc": {"forgotten": count}}, session=session)

    def _update(self, condition: Document, pipeline: Pipeline, session: Transaction | None = None) -> Operation | None:
        return update_value(self._operations, condition, pipeline, operation_of, session)

    def _ids(self, condition: Document, order: str, limit: int) -> Iterator[str]:
        with translate_errors():
            for document in self._operations.find(condition, {"_id": 1}).sort(order, ASCENDING).limit(limit):
                yield str(document["_id"])
