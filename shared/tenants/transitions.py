"""Transitions between a tenant's statuses, and the workflow of an action for one tenant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from shared.core.errors import ActionNotPossible
from shared.tenants.model import Status, Tenant
from shared.workflows.model import WORKFLOWS, Action, Step, Workflow
from shared.workflows.remedies import request_that_repeats


@dataclass(frozen=True)
class Transition:
    """Statuses of one action.

    `starts`: statuses from which it may start. `ends`: the status after success. `accepted`: the status as soon as it
    is accepted, None for no change: the API refuses changes by a suspended tenant's people before the steps have run.
    """

    starts: frozenset[Status]
    ends: Status
    accepted: Status | None = None


_ALIVE = frozenset({Status.PENDING, Status.ACTIVE, Status.SUSPENDED})

TRANSITIONS: dict[Action, Transition] = {
    Action.PROVISION: Transition(frozenset({Status.PENDING}), Status.ACTIVE),
    Action.RECONCILE: Transition(frozenset({Status.PENDING, Status.ACTIVE}), Status.ACTIVE),
    Action.SUSPEND: Transition(_ALIVE, Status.SUSPENDED, accepted=Status.SUSPENDED),
    Action.RESUME: Transition(frozenset({Status.SUSPENDED}), Status.ACTIVE),
    Action.DELETE: Transition(_ALIVE | {Status.DELETED}, Status.DELETED, accepted=Status.DELETED),
    Action.RESTORE: Transition(frozenset({Status.DELETED}), Status.ACTIVE),
    Action.PURGE: Transition(frozenset({Status.DELETED}), Status.DELETED),
}


#: status to the action that establishes it in the integrations
ESTABLISHED_BY: dict[Status, Action] = {
    Status.PENDING: Action.RECONCILE,
    Status.ACTIVE: Action.RECONCILE,
    Status.SUSPENDED: Action.SUSPEND,
    Status.DELETED: Action.DELETE,
}


def how_to_establish(tenant: Tenant) -> str:
    """Return the request that establishes the tenant's status in the integrations, for a message."""
    action = ESTABLISHED_BY.get(tenant.status)
    return request_that_repeats(action) if action else "wait for the newer release"


def workflow_for(action: Action, tenant: Tenant, absent: Collection[str]) -> Workflow:
    """Return the action's stages without steps that do not apply to this tenant.

    `absent`: optional integrations that are not configured; their steps are left out, unless the tenant has a status
    for them from earlier.
    """
    left_out = {name for name in absent if name not in tenant.provisioning_status}
    stages = (
        tuple(step for step in stage if _applies_to(step, tenant) and step.integration not in left_out)
        for stage in WORKFLOWS[action]
    )
    return tuple(stage for stage in stages if stage)


def _applies_to(step: Step, tenant: Tenant) -> bool:
    return tenant.owner is not None or not step.for_owner


def require_not_purged(tenant: Tenant) -> None:
    """Raise ActionNotPossible for a purged tenant: nothing of its record changes any more."""
    if tenant.purged_at is not None:
        raise ActionNotPossible("The tenant was purged; only its record is left.")


def require_status(action: Action, tenant: Tenant) -> None:
    """Raise ActionNotPossible unless the action may start from the tenant's status."""
    require_not_purged(tenant)
    transition = TRANSITIONS.get(action)
    if transition is None or tenant.status not in transition.starts:
        raise ActionNotPossible(f"The action {action} is not possible for a tenant with the status {tenant.status}.")
