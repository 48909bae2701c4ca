"""Fields of a tenant's document that operations change when they start, progress and end, as update expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from shared.db.documents import Document, literals, seconds_from_now
from shared.integrations.catalog import FORMER_FIELDS, STORED_FIELDS
from shared.integrations.outcomes import NOT_CHECKED
from shared.operations.model import Operation, OperationStatus, StepStatus
from shared.tenants.backfill_repository import unconfigured_fields
from shared.tenants.model import CLOSED, Drift, Status
from shared.tenants.transitions import TRANSITIONS
from shared.workflows.model import INTEGRATION_OF_STEP, RETRIED_AFTER_FAILURE, Action, integration_of

#: seconds after which the scheduler starts a failed suspend, delete or purge again; doubled each time, to the maximum
FIRST_RESTART_DELAY, MAX_RESTART_DELAY = 300, 3600
#: seconds from a successful operation to the next drift check
DRIFT_CHECK_DELAY = 3600.0
#: raises the generation
NEXT_GENERATION: Document = {"generation": {"$add": ["$generation", 1]}}


@dataclass(frozen=True)
class LifecycleChange:
    """An action to start.

    `reason`: of a suspension. `grace`: seconds for which a deleted tenant can be restored. `is_automatic`: the
    scheduler starts the action: a purge that is due, or an action that failed.
    """

    action: Action
    reason: str | None = None
    grace: float = 0.0
    is_automatic: bool = False


def lifecycle_fields(change: LifecycleChange) -> Document:
    """Return the fields to set when the action is accepted."""
    action = change.action
    fields: Document = {"retryAt": "$$REMOVE"}
    if not change.is_automatic:
        fields["restarts"] = "$$REMOVE"
    accepted = TRANSITIONS[action].accepted
    if accepted is not None:
        fields["status"] = accepted
    if accepted in CLOSED:
        # an older worker that resumed the tenant left the record of its last suspension
        fields["removedMembers"] = {"$cond": [_IS_CLOSED, "$removedMembers", "$$REMOVE"]}
    if action is Action.SUSPEND and change.reason is not None:
        fields["suspendReason"] = {"$literal": change.reason}
    if action is Action.DELETE:
        fields["purgeAfter"] = {"$ifNull": ["$purgeAfter", seconds_from_now(change.grace)]}
    if action in (Action.RESTORE, Action.PURGE):
        # also when the action fails later, the old date must not start an automatic purge
        fields["purgeAfter"] = "$$REMOVE"
    return fields


def remote_fields(fields: Mapping[str, Any]) -> Document:
    """Return the fields for remote ids. Changed DNS records also get a time.

    Raises ValueError for a field that no integration has.
    """
    stray = set(fields) - set(STORED_FIELDS)
    if stray:
        raise ValueError(f"{', '.join(sorted(stray))}: not a remote field of any integration")
    put = literals(fields)
    put |= {former: put[field] for field, former in FORMER_FIELDS.items() if field in put}
    if "dnsRecords" in put:
        is_known = {"$eq": ["$dnsRecords", put["dnsRecords"]]}
        put["dnsRecordsAt"] = {"$cond": [is_known, "$dnsRecordsAt", _NOW_AS_TEXT]}
    if fields.get("ocisMembers", "pending") != "pending":
        # the tenant waits no more; should it wait again, its checks begin anew
        put |= {"membersDueAt": "$$REMOVE", "membersWait": "$$REMOVE"}
    return put


def step_fields(operation: Operation) -> Document:
    """Return the fields that show the state of the steps. Of an integration's steps the most severe one counts."""
    fields = remote_fields(operation.found) | {"stepsShown": {"$literal": _projection_version(operation)}}
    worst: dict[str, StepStatus] = {}
    touched: set[str] = set()
    unconfigured: set[str] = set()
    for step in operation.steps:
        integration = integration_of(step.name, operation.action) or step.name
        status = step.status if step.status in _SEVERITY else StepStatus.PENDING
        if not step.is_open:
            (unconfigured if step.reason == "not_configured" else touched).add(integration)
        worst[integration] = min(worst.get(integration, status), status, key=_SEVERITY.index)
        message = {"$literal": step.message} if step.message and step.status is not StepStatus.SKIPPED else "$$REMOVE"
        fields[f"provisioningErrors.{step.name}"] = message
    fields |= {f"provisioningStatus.{name}": status for name, status in worst.items()}
    return fields | unconfigured_fields(unconfigured, touched - unconfigured)


def is_newer(operation: Operation) -> Document:
    """Return an `$expr`: the tenant shows no later state of the steps than this one.

    A worker may be delayed between recording a step's outcome and showing it, while others show the operation's end.
    """
    return {"$lte": ["$stepsShown", {"$literal": _projection_version(operation)}]}


def settlement_fields(operation: Operation) -> Document:
    """Return the fields to set when the operation has closed. Earlier drift is obsolete."""
    # an earlier failure of this operation may have set `retryAt`, if a step was retried since
    fields = step_fields(operation) | {"drift": "$$REMOVE", "drifted": "$$REMOVE", "retryAt": "$$REMOVE"}
    if operation.status is OperationStatus.SUCCEEDED:
        return fields | _success(operation)
    if operation.status is OperationStatus.FAILED and operation.action in RETRIED_AFTER_FAILURE:
        fields |= _restart_fields()
    return fields


def _restart_fields() -> Document:
    """Return when the scheduler starts the failed action again, and how often it will have done so."""
    restarts: Document = {"$ifNull": ["$restarts", 0]}
    doubled = {"$multiply": [FIRST_RESTART_DELAY * 1000, {"$pow": [2, {"$min": [restarts, 10]}]}]}
    delay = {"$min": [MAX_RESTART_DELAY * 1000, doubled]}
    return {"retryAt": {"$add": ["$$NOW", delay]}, "restarts": {"$add": [restarts, 1]}}


def _success(operation: Operation) -> Document:
    action, transition = operation.action, TRANSITIONS[operation.action]
    started = transition.starts | {transition.accepted or transition.ends}
    fields: Document = {"status": {"$cond": [{"$in": ["$status", sorted(started)]}, transition.ends, "$status"]}}
    fields |= {"driftDueAt": seconds_from_now(DRIFT_CHECK_DELAY), "restarts": "$$REMOVE"}
    if transition.ends is Status.ACTIVE:
        fields["activationId"] = {
            "$ifNull": ["$activationId", {"$cond": [_WAS_ACTIVE, "$$REMOVE", ObjectId(operation.id)]}]
        }
    if action in (Action.RESUME, Action.RESTORE):
        fields["suspendReason"] = "$$REMOVE"
    if action is Action.PURGE:
        fields |= dict.fromkeys((*STORED_FIELDS, *FORMER_FIELDS.values()), "$$REMOVE")
        # slug, name and domains stay, because they stay reserved; personal data is removed
        fields |= {"purgedAt": "$$NOW", "billingInfo": None, "owner": None, "search": _SEARCH_WITHOUT_ADDRESS}
    return fields


def drift_fields(dry_run: Operation, known: Drift | None) -> Document:
    """Return the fields to set when a dry run has succeeded; none if it left every step out.

    What is known of the steps that it left out stays, with the time of their last check.
    """
    absent = [step.name for step in dry_run.steps if step.reason == NOT_CHECKED]
    if len(absent) == len(dry_run.steps):
        return {}
    found = {step.name: step.changes for step in dry_run.steps if step.changes}
    if known is not None:
        found |= {step: changes for step, changes in known.changes.items() if step in absent}
    not_checked = [{"step": step, "lookedAt": known.checked(step) if known else None} for step in absent]
    # a pipeline adds the fields to those of the stored drift, so each must be written
    drift = {"lookedAt": "$$NOW", "changes": {"$literal": found}, "notChecked": not_checked or "$$REMOVE"}
    drifted = sorted({INTEGRATION_OF_STEP.get(step, step) for step in found})
    return {"drift": drift, "drifted": drifted or "$$REMOVE"}


def _projection_version(operation: Operation) -> list[int]:
    return [operation.generation, *operation.progress]


_NOW_AS_TEXT = {"$dateToString": {"date": "$$NOW", "format": "%Y-%m-%dT%H:%M:%SZ"}}

#: the search terms without e-mail addresses
_SEARCH_WITHOUT_ADDRESS = {
    "$filter": {
        "input": {"$ifNull": ["$search", []]},
        "as": "term",
        "cond": {"$eq": [{"$indexOfCP": ["$$term", "@"]}, -1]},
    }
}

_IS_CLOSED = {"$in": ["$status", sorted(CLOSED)]}

#: true of a tenant that an older version made active
_WAS_ACTIVE = {"$or": [{"$eq": ["$status", Status.ACTIVE]}, {"$gt": ["$ownerGranted", None]}]}

_SEVERITY = (StepStatus.ERROR, StepStatus.PENDING, StepStatus.OK, StepStatus.SKIPPED)
