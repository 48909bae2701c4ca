"""The `operations` collection: each row is its own outbox, lease book and history. Times are the database's."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from shared.db.bulk_update import update_unlocked
from shared.db.documents import (
    Document,
    Pipeline,
    Transaction,
    insert,
    make_indexes,
    newest_first,
    object_id,
    our_errors,
    seconds_from_now,
)
from shared.db.paging import Page
from shared.integrations.outcomes import Outcome
from shared.operations import step_updates as progress
from shared.operations.documents import KNOWN, NewOperation, new_operation, operation_of
from shared.operations.indexes import INDEXES
from shared.operations.lease_fence import waits
from shared.operations.model import Mode, Operation, OperationStatus, StepRecord, StepStatus
from shared.operations.problems import ANY, PRESENT, field_of
from shared.workflows.model import Action

#: while an operator has paused it, an operation's deadline stands still
_OVERDUE: Document = {
    **KNOWN,
    "status": OperationStatus.RUNNING,
    "pausedAt": None,
    "$expr": {"$lte": ["$deadlineAt", "$$NOW"]},
}

_DUE: Document = {**KNOWN, "status": OperationStatus.RUNNING, "$expr": {"$lte": ["$dueAt", "$$NOW"]}}


class AlreadyOpen(Exception):
    """The tenant has an open operation; the index allows no second."""


@dataclass(frozen=True)
class Claim:
    """A step taken for one attempt. `token` proves it when the outcome is recorded."""

    operation: Operation
    step: StepRecord
    token: str

    @property
    def is_first(self) -> bool:
        """Whether no attempt of this step ever began before.

        A failed step's retry counts anew, with none but new messages; one that was sent again before anybody took it,
        as in a backlog, has the first message's leave still.
        """
        begun = self.operation.action is Action.PROVISION and self.operation.generation == 1
        return begun and self.step.valid_from == 1 and self.step.attempts == 1


class OperationRepository:
    def __init__(self, database: Database[Document], dispatch_grace: float) -> None:
        self._rows = database["operations"]
        self._grace = dispatch_grace

    def make_indexes(self) -> None:
        make_indexes(self._rows, INDEXES)

    def insert(self, operation_id: str, new: NewOperation, at: datetime, session: Transaction) -> Operation:
        """Record an operation as running and already dispatched once: whoever records it sends it, else the sweep will.

        `at`: the time on the database's clock. Raises AlreadyOpen when the tenant has an open one.
        """
        names = [step.name for phase in new.workflow for step in phase]
        # before a provision there was nothing, and a plan writes nothing that an older write could land over
        may_wait = new.action is not Action.PROVISION and new.mode is Mode.APPLY
        not_before = waits(self._rows, new.tenant_id, names, session) if may_wait else {}
        row = new_operation(operation_id, new, not_before, self._grace, at)
        try:
            insert(self._rows, [row], session)
        except DuplicateKeyError:
            raise AlreadyOpen(new.tenant_id) from None
        if may_wait:
            self._clear_problems(new.tenant_id, row["_id"], session)
        return operation_of(row)

    def _clear_problems(self, tenant_id: str, latest: ObjectId, session: Transaction) -> None:
        """What was wrong with earlier operations is history once a newer one is recorded."""
        earlier = {"tenantId": tenant_id, field_of(ANY): PRESENT, "_id": {"$ne": latest}}
        self._rows.update_many(earlier, {"$set": {"problems": {}}}, session=session, hint="history")

    def find(self, operation_id: str) -> Operation | None:
        key = object_id(operation_id)
        with our_errors():
            row = self._rows.find_one({"_id": key}) if key else None
        return operation_of(row) if row else None

    def find_open(self, tenant_id: str, session: Transaction | None = None) -> Operation | None:
        with our_errors():
            row = self._rows.find_one({"tenantId": tenant_id, "status": OperationStatus.RUNNING}, session=session)
        return operation_of(row) if row else None

    def busy(self, tenant_ids: list[str]) -> frozenset[str]:
        """Which of these tenants an operation is open for, plans apart."""
        running = {"tenantId": {"$in": tenant_ids}, "status": OperationStatus.RUNNING, "mode": {"$ne": Mode.PLAN}}
        with our_errors():
            return frozenset(row["tenantId"] for row in self._rows.find(running, {"tenantId": 1}))

    def page(self, tenant_id: str, limit: int, after: str | None) -> Page[Operation]:
        """One tenant's operations, newest first."""
        rows, following = newest_first(self._rows, [{"tenantId": tenant_id}], limit, after)
        return Page(tuple(map(operation_of, rows)), following)

    def count_running(self, mode: Mode, most: int) -> int:
        """How many operations of this mode are open, counted up to `most`."""
        with our_errors():
            condition = {"status": OperationStatus.RUNNING, "mode": mode}
            return self._rows.count_documents(condition, limit=most, hint="due")

    def of_action(self, tenant_id: str, action: Action, session: Transaction) -> list[Operation]:
        """Every operation of this kind the tenant had, oldest first."""
        rows = self._rows.find({"tenantId": tenant_id, "action": action}, session=session).sort("_id", ASCENDING)
        return list(map(operation_of, rows))

    def claim(self, operation_id: str, step: str, dispatch: int, lease_seconds: float) -> Claim | None:
        """Take a step for one attempt. None: it is done, taken, not due, sent anew by a later dispatch, or unknown."""
        key = object_id(operation_id)
        if key is None:
            return None
        token = secrets.token_hex(8)
        operation = self._advance(
            {"_id": key, **KNOWN, "status": OperationStatus.RUNNING, "$expr": progress.claimable(step, dispatch)},
            progress.claimed(step, token, lease_seconds),
        )
        return Claim(operation, operation.step(step), token) if operation else None

    def record(self, claim: Claim, outcome: Outcome, retry_in: float = 0.0) -> Operation | None:
        """Put an attempt's end on record. None when the lease was lost: the attempt then counts for nothing."""
        return self._advance(
            {"_id": ObjectId(claim.operation.id), "steps.leaseToken": claim.token},
            progress.recorded(claim.step.name, outcome, retry_in, self._grace),
        )

    def due(self, limit: int) -> Iterator[str]:
        """Ids of running operations that need a push, most overdue first."""
        return self._ids(_DUE, "dueAt", limit)

    def resend(self, operation_ids: Sequence[str]) -> list[Operation]:
        """Raise the dispatch of those of these that are due still: another sweep may have been faster.

        One write for all, since each waits for the journal.
        """
        keys = [ObjectId(one) for one in operation_ids]
        ours = {"resentBy": secrets.token_hex(8)}
        update_unlocked(self._rows, keys, _DUE, [*progress.resent(self._grace), {"$set": ours}])
        with our_errors():
            return list(map(operation_of, self._rows.find({"_id": {"$in": keys}, **ours})))

    def overdue(self, limit: int) -> Iterator[str]:
        """Ids of running operations whose deadline has passed."""
        return self._ids(_OVERDUE, "deadlineAt", limit)

    def expire(self, operation_id: str) -> Operation | None:
        """Fail an operation whose deadline has passed. None when it ended otherwise meanwhile."""
        return self._advance({"_id": ObjectId(operation_id), **_OVERDUE}, progress.expired())

    def cancel(self, operation_id: str, session: Transaction) -> Operation | None:
        """Stop an operation. None when it has ended."""
        row = self._rows.find_one_and_update(
            {"_id": ObjectId(operation_id), "status": OperationStatus.RUNNING},
            progress.cancelled(),
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        return operation_of(row) if row else None

    def reopen(self, operation: Operation, step: str, deadline: float, session: Transaction) -> Operation | None:
        """Run one failed step again, and the operation with it. None when the step has not failed.

        `deadline`: seconds it has from now on. Raises AlreadyOpen when the tenant has another open one.
        """
        condition = {
            "_id": ObjectId(operation.id),
            "steps": {"$elemMatch": {"name": step, "status": StepStatus.ERROR}},
        }
        not_before = waits(self._rows, operation.tenant_id, [one.name for one in operation.steps], session)
        try:
            row = self._rows.find_one_and_update(
                condition,
                progress.reopened(step, deadline, self._grace, not_before),
                return_document=ReturnDocument.AFTER,
                session=session,
            )
        except DuplicateKeyError:
            raise AlreadyOpen from None
        return operation_of(row) if row else None

    def unsettled(self, limit: int) -> Iterator[str]:
        """Ids of operations closed a while ago whose end the tenant's record still does not show."""
        had_time = {"$lte": ["$finishedAt", seconds_from_now(-self._grace)]}
        # only by its type the index tells those that have ended from the many that have not
        ended = {"settled": False, "finishedAt": {"$type": "date"}}
        return self._ids({**KNOWN, **ended, "$expr": had_time}, "finishedAt", limit)

    def settle(self, operation_id: str, session: Transaction) -> Operation | None:
        """Mark a closed operation as settled. None when somebody else did, or it is still open."""
        row = self._rows.find_one_and_update(
            {"_id": ObjectId(operation_id), **KNOWN, "settled": False, "status": {"$ne": OperationStatus.RUNNING}},
            {"$set": {"settled": True}, "$unset": {"found": ""}},
            # what was found leaves the row with this write, and goes to the tenant's by another of the transaction
            return_document=ReturnDocument.BEFORE,
            session=session,
        )
        return replace(operation_of(row), settled=True) if row else None

    def add_forgotten(self, operation_id: str, people: int, session: Transaction) -> None:
        """Note how many people's records are gone before it is settled."""
        self._rows.update_one({"_id": ObjectId(operation_id)}, {"$inc": {"forgotten": people}}, session=session)

    def _advance(self, condition: Document, pipeline: Pipeline) -> Operation | None:
        with our_errors():
            row = self._rows.find_one_and_update(condition, pipeline, return_document=ReturnDocument.AFTER)
        return operation_of(row) if row else None

    def _ids(self, condition: Document, order: str, limit: int) -> Iterator[str]:
        with our_errors():
            for row in self._rows.find(condition, {"_id": 1}).sort(order, ASCENDING).limit(limit):
                yield str(row["_id"])
