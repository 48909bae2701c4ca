"""Count and group problems of operations. Covering indexes answer the counts; only the examples are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bson import ObjectId
from pymongo import ASCENDING
from pymongo.database import Database

from shared.db.documents import Document, Page, newest_page, seconds_from_now, translate_errors
from shared.db.mapping import member
from shared.integrations.catalog import INTEGRATIONS
from shared.integrations.reasons import REASONS
from shared.operations.documents import KNOWN, operation_of
from shared.operations.model import Mode, Operation, OperationStatus, StepStatus
from shared.operations.problems import ANY, HAS_PROBLEM, PURGE, Kind, field_of, problem_condition
from shared.status.model import EXAMPLES, Example, Finding, Group, OperationQuery, Target
from shared.status.problem_counts import ProblemCounts, count_problems
from shared.workflows.model import INTEGRATION_OF_STEP

#: the tenants in a query's scope; None for all
TenantIds = tuple[str, ...] | None
#: An integration and its problem, which is `<kind>/<reason>`.
Problem = tuple[str, str]
#: an operation is late when it should have been published at least this many seconds ago
LATE_SECONDS = 60.0
#: an id has its time in 32 bits
LAST_ID_TIME = datetime.fromtimestamp(2**32 - 1, UTC)


def in_scope(tenant_ids: TenantIds) -> Document:
    """Return a condition on `tenantId`."""
    return {} if tenant_ids is None else {"tenantId": {"$in": list(tenant_ids)}}


class ProblemRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._operations = database["operations"]

    def count(self, tenant_ids: TenantIds) -> ProblemCounts:
        """Count every problem of these tenants."""
        return count_problems(self._operations, in_scope(tenant_ids))

    def groups(self, tenant_ids: TenantIds, counts: ProblemCounts) -> list[Group]:
        """Return every kind, integration and reason with its count, its oldest and a few examples."""
        problems = {(name, value): count for name in (*INTEGRATIONS, PURGE) for value, count in counts.of(name).items()}
        oldest = self._oldest(list(problems), tenant_ids)
        found = [_Found(*one, count, oldest.get(one, ())) for one, count in problems.items()]
        operations = self._read(key for one in found for key in one.oldest)
        return [_group(one, operations) for one in found]

    def late(self, tenant_ids: TenantIds) -> Group | None:
        """Return operations that were not published in time: no scheduler runs, or all queues are full."""
        condition = {
            **KNOWN,
            "status": OperationStatus.RUNNING,
            "dueAt": {"$type": "date"},
            "$expr": {"$lte": ["$dueAt", seconds_from_now(-LATE_SECONDS)]},
            **in_scope(tenant_ids),
        }
        with translate_errors():
            oldest = list(self._operations.find(condition).sort("dueAt", ASCENDING).limit(EXAMPLES))
            if not oldest:
                return None
            count = self._operations.count_documents(condition)
        examples = tuple(
            Example(document["tenantSlug"], document["dueAt"], str(document["_id"])) for document in oldest
        )
        return Group(Finding.NOT_DISPATCHED, None, str(Finding.NOT_DISPATCHED), count, oldest[0]["dueAt"], examples)

    def page(self, tenant_ids: TenantIds, query: OperationQuery) -> Page[Operation]:
        """Return a page of the tenants' operations that match the query, newest first."""
        conditions: list[Document] = [in_scope(tenant_ids), *_conditions(query)]
        return newest_page(self._operations, conditions, query.limit, query.after, operation_of)

    def targets(
        self, tenant_ids: TenantIds, query: OperationQuery, integration: str | None, after: str | None
    ) -> Page[Target]:
        """Return operations that match the query, with their failed steps at the integration.

        Only the latest operation of a tenant has problems, so a query for problems finds no older ones.
        """
        conditions: list[Document] = [
            in_scope(tenant_ids),
            *_conditions(query),
            KNOWN,
            {"mode": {"$ne": Mode.DRY_RUN}},
        ]
        if integration is not None:
            conditions.append(
                {field_of(integration): problem_condition([query.kind] if query.kind else [*Kind], query.reason)}
            )
        if query.kind is None and query.status is None and integration is None and query.reason is None:
            conditions.append({field_of(ANY): HAS_PROBLEM})
        return newest_page(
            self._operations,
            conditions,
            query.limit,
            after,
            lambda document: _target(operation_of(document), integration, query.reason),
        )

    def _oldest(self, problems: Sequence[Problem], tenant_ids: TenantIds) -> dict[Problem, tuple[ObjectId, ...]]:
        """Return the ids of the oldest operations with each problem, from the indexes alone and in one command."""
        if not problems:
            return {}
        first, *others = [_oldest_of(one, in_scope(tenant_ids)) for one in problems]
        joined = [{"$unionWith": {"coll": self._operations.name, "pipeline": one}} for one in others]
        found: dict[Problem, tuple[ObjectId, ...]] = {}
        with translate_errors():
            for document in self._operations.aggregate([*first, *joined]):
                name, value = document["problem"]
                found[name, value] = (*found.get((name, value), ()), document["_id"])
        return found

    def _read(self, keys: Iterable[ObjectId]) -> dict[ObjectId, Operation]:
        with translate_errors():
            documents = list(self._operations.find({"_id": {"$in": list(set(keys))}, **KNOWN}))
        return {document["_id"]: operation_of(document) for document in documents}


@dataclass(frozen=True)
class _Found:
    """A problem of an integration, the number of operations with it, and the ids of the oldest ones."""

    integration: str
    value: str
    count: int
    oldest: tuple[ObjectId, ...]


def _oldest_of(problem: Problem, scope: Document) -> list[Document]:
    integration, value = problem
    return [
        {"$match": {field_of(integration): value, **scope}},
        {"$sort": {"createdAt": ASCENDING}},
        {"$limit": EXAMPLES},
        {"$project": {"problem": {"$literal": [integration, value]}}},
    ]


def _conditions(query: OperationQuery) -> list[Document]:
    found: list[Document] = []
    if query.status is not None:
        found.append({"status": query.status})
    if query.not_status is not None:
        found.append({"status": {"$ne": query.not_status}})
    if query.action is not None:
        found.append({"action": query.action})
    if query.kind is not None:
        found.append({field_of(ANY): problem_condition([query.kind], None)})
    if query.reason is not None:
        # each integration has its own index, so the server merges index ranges
        kinds = [query.kind] if query.kind is not None else [*Kind]
        found.append({"$or": [{field_of(name): problem_condition(kinds, query.reason)} for name in INTEGRATIONS]})
    found += [
        {field_of(name): problem_condition([kind], query.reason)} for name, kind in (query.problems or {}).items()
    ]
    return [*found, *_times(query)]


def _times(query: OperationQuery) -> list[Document]:
    found: list[Document] = []
    if query.since is not None:
        # ids rise with time, so the condition on `_id` limits the scan; clocks of hosts differ, so `createdAt` decides
        first = ObjectId.from_datetime(min(query.since, LAST_ID_TIME))
        found.append({"_id": {"$gte": first}, "createdAt": {"$gte": query.since}})
    if query.until is not None:
        found.append({"createdAt": {"$lt": query.until}})
    return found


def _target(operation: Operation, integration: str | None, reason: str | None) -> Target:
    """Return the failed steps to retry, by stage: a retry also runs the steps that the failed one blocked."""
    steps = [
        step.name
        for step in sorted(operation.steps, key=lambda one: one.stage)
        if step.status is StepStatus.ERROR
        and step.reason != "blocked"
        and integration in (None, INTEGRATION_OF_STEP.get(step.name, step.name))
        and reason in (None, step.reason)
    ]
    return Target(operation.tenant_id, operation.tenant_slug, operation.id, tuple(steps), operation.action)


def _split(value: str) -> tuple[str, str]:
    kind, _, reason = value.partition("/")
    return kind, reason


def _group(found: _Found, operations: Mapping[ObjectId, Operation]) -> Group:
    kind, reason = _split(found.value)
    oldest = [operations[key] for key in found.oldest if key in operations]
    since = oldest[0].created_at if oldest else None
    if found.integration == PURGE:
        examples = tuple(Example(one.tenant_slug, one.created_at, one.id) for one in oldest)
        return Group(Finding.STUCK_PURGE, None, kind, found.count, since, examples)
    examples = tuple(_example(one, found.integration) for one in oldest)
    return Group(member(Kind, kind), found.integration, reason, found.count, since, examples)


def _example(operation: Operation, integration: str) -> Example:
    """Return an example with the integration's step that `problems` was derived from: the last one with a reason."""
    steps = [step for step in operation.steps if INTEGRATION_OF_STEP.get(step.name, step.name) == integration]
    step = max(steps, key=lambda one: (one.reason not in (None, "blocked"), one.stage))
    return Example(
        tenant=operation.tenant_slug,
        since=step.started_at or operation.created_at,
        operation=operation.id,
        step=step.name,
        attempts=step.attempts,
        next_attempt_at=step.next_attempt_at,
        message=step.message,
        remedy=step.remedy or _remedy(step.reason),
    )


def _remedy(reason: str | None) -> str | None:
    known = REASONS.get(reason or "")
    return known.remedy_while_open if known else None
