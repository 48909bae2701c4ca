"""What operations make of a tenant's document as they begin, go on and end, as update expressions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from shared.db.documents import Document, literals, seconds_from_now
from shared.operations.model import Operation, OperationStatus, StepStatus
from shared.tenants.backfill_repository import left_out
from shared.tenants.documents import REMOTE_FIELDS
from shared.tenants.transitions import TRANSITIONS
from shared.workflows.model import INTEGRATION_OF_STEP, RETRIED_AFTER_FAILURE, Action, integration_of

#: an action that must come through is begun again so long after it failed, in seconds
PERSISTENCE = 300.0
#: a tenant that was just brought in line is not looked at for drift for so long, in seconds
DRIFT_REST = 3600.0


@dataclass(frozen=True)
class LifecycleChange:
    """What begins. `reason`: why a tenant is suspended. `grace`: how long a deleted one can be restored, in seconds."""

    action: Action
    reason: str | None = None
    grace: float = 0.0


def begun(beginning: LifecycleChange) -> Document:
    """Fields as the action is accepted: what closes doors closes our own at once."""
    action = beginning.action
    fields: Document = {"retryAt": "$$REMOVE"}
    accepted = TRANSITIONS[action].accepted
    if accepted is not None:
        fields["status"] = accepted
    if action is Action.SUSPEND and beginning.reason is not None:
        fields["suspendReason"] = {"$literal": beginning.reason}
    if action is Action.DELETE:
        fields["purgeAfter"] = {"$ifNull": ["$purgeAfter", seconds_from_now(beginning.grace)]}
    if action in (Action.RESTORE, Action.PURGE):
        # whatever becomes of it, nothing is removed later on the strength of the old date
        fields["purgeAfter"] = "$$REMOVE"
    return fields


def remote_fields(fields: Mapping[str, Any]) -> Document:
    """Fields that put remote ids on record; with DNS records that are others than before goes the time.

    Raises ValueError for a field that no integration knows.
    """
    stray = set(fields) - set(REMOTE_FIELDS)
    if stray:
        raise ValueError(f"{', '.join(sorted(stray))}: not a remote field of any integration")
    put = literals(fields)
    if "dnsRecords" in put:
        is_known = {"$eq": ["$dnsRecords", put["dnsRecords"]]}
        put["dnsRecordsAt"] = {"$cond": [is_known, "$dnsRecordsAt", _NOW_AS_TEXT]}
    return put


def shown(operation: Operation) -> Document:
    """Fields that show how the operation's steps stand, each integration by the worst of its steps."""
    fields = remote_fields(operation.found) | {"stepsShown": {"$literal": _stand(operation)}}
    worst: dict[str, StepStatus] = {}
    touched: set[str] = set()
    unconfigured: set[str] = set()
    for step in operation.steps:
        integration = integration_of(step.name, operation.action) or step.name
        status = StepStatus.PENDING if step.is_open else step.status
        if not step.is_open:
            (unconfigured if step.reason == "not_configured" else touched).add(integration)
        worst[integration] = min(worst.get(integration, status), status, key=_SEVERITY.index)
        message = {"$literal": step.message} if step.message and step.status is not StepStatus.SKIPPED else "$$REMOVE"
        fields[f"provisioningErrors.{step.name}"] = message
    fields |= {f"provisioningStatus.{name}": status for name, status in worst.items()}
    return fields | left_out(unconfigured, touched - unconfigured)


def is_news(operation: Operation) -> Document:
    """An `$expr`: nothing later than this look at the operation's steps is shown yet.

    Whoever has put a step's end on record may be held up before he shows it, while others show the operation's end.
    """
    return {"$lte": ["$stepsShown", {"$literal": _stand(operation)}]}


def settled(operation: Operation) -> Document:
    """Fields once the operation has closed. What had drifted before it is no longer news."""
    # a step of it may have been retried since it failed before: then nothing is to be begun again any more
    fields = shown(operation) | {"drift": "$$REMOVE", "drifted": "$$REMOVE", "retryAt": "$$REMOVE"}
    if operation.status is OperationStatus.SUCCEEDED:
        return fields | _succeeded(operation.action)
    if operation.status is OperationStatus.FAILED and operation.action in RETRIED_AFTER_FAILURE:
        fields["retryAt"] = seconds_from_now(PERSISTENCE)
    return fields


def _succeeded(action: Action) -> Document:
    transition = TRANSITIONS[action]
    started = transition.starts | {transition.accepted or transition.ends}
    fields: Document = {"status": {"$cond": [{"$in": ["$status", sorted(started)]}, transition.ends, "$status"]}}
    fields["driftDueAt"] = seconds_from_now(DRIFT_REST)
    if action in (Action.RESUME, Action.RESTORE):
        fields["suspendReason"] = "$$REMOVE"
    if action is Action.PURGE:
        fields |= dict.fromkeys(REMOTE_FIELDS, "$$REMOVE")
        # the name and the domains stay: they are reserved; about people nothing stays
        fields |= {"purgedAt": "$$NOW", "billingInfo": None, "owner": None, "search": _IMPERSONAL}
    return fields


def drifted_in(steps: Collection[str]) -> list[str] | str:
    """The field that queries for drift go by: the integrations of these steps; absent when there are none."""
    return sorted({INTEGRATION_OF_STEP.get(step, step) for step in steps}) or "$$REMOVE"


def _stand(operation: Operation) -> list[int]:
    return [operation.generation, *operation.progress]


_NOW_AS_TEXT = {"$dateToString": {"date": "$$NOW", "format": "%Y-%m-%dT%H:%M:%SZ"}}

#: what the tenant is found by, less the address of a person
_IMPERSONAL = {
    "$filter": {
        "input": {"$ifNull": ["$search", []]},
        "as": "term",
        "cond": {"$eq": [{"$indexOfCP": ["$$term", "@"]}, -1]},
    }
}

_SEVERITY = (StepStatus.ERROR, StepStatus.PENDING, StepStatus.OK, StepStatus.SKIPPED)


def raised(field: str) -> Document:
    """Return an update that adds one to a number."""
    return {field: {"$add": [f"${field}", 1]}}
