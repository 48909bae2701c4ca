"""Which steps an action takes, phase by phase, and what it makes of the tenant. Tables, one row for each action."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from shared.core.errors import ActionNotPossible
from shared.tenants.model import Status, Tenant
from shared.workflows.model import WORKFLOWS, Action, Step, Workflow


@dataclass(frozen=True)
class Transition:
    """`starts`: statuses the action may start from. `accepted`: the status at once, for what closes doors: our own
    must not wait for others'. `ends`: the status a success leads to. None: the status stays.
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


def workflow_for(action: Action, tenant: Tenant, absent: Collection[str]) -> Workflow:
    """The action's phases, less what has nothing to do for this tenant.

    `absent`: optional integrations that are not configured; they stay out unless they had to do with this tenant once.
    """
    unseen = {name for name in absent if name not in tenant.provisioning_status}
    phases = (
        tuple(step for step in phase if _concerns(step, tenant) and step.integration not in unseen)
        for phase in WORKFLOWS[action]
    )
    return tuple(phase for phase in phases if phase)


def _concerns(step: Step, tenant: Tenant) -> bool:
    return tenant.owner is not None or not step.for_owner


def require_status(action: Action, tenant: Tenant) -> None:
    """Raise ActionNotPossible unless the action may start from the tenant's status."""
    if tenant.purged_at is not None:
        raise ActionNotPossible("The tenant was removed for good; only its record is left.")
    if tenant.status not in TRANSITIONS[action].starts:
        raise ActionNotPossible(f"A tenant that is {tenant.status} cannot be put through {action}.")
