"""Workflows: the stages of each action. The steps of a stage run in parallel; stages run one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.integrations.catalog import ACCESS, AUTHENTIK, BILLING, OCIS, STALWART


class Action(StrEnum):
    PROVISION = "provision"
    RECONCILE = "reconcile"
    SUSPEND = "suspend"
    RESUME = "resume"
    DELETE = "delete"
    RESTORE = "restore"
    PURGE = "purge"


@dataclass(frozen=True)
class Step:
    """One integration's part of an action. `name` is unique in a workflow; operations show it.

    `for_owner`: left out for a tenant without an owner.
    """

    name: str
    integration: str
    for_owner: bool = False


Workflow = tuple[tuple[Step, ...], ...]

_AUTHENTIK = Step(AUTHENTIK, AUTHENTIK)
_STALWART = Step(STALWART, STALWART)
_OCIS = Step(OCIS, OCIS)
_BILLING = Step(BILLING, BILLING)
_ACCESS = Step(ACCESS, AUTHENTIK)

#: published in this order: Authentik's step comes first, because OCIS' step invites the group that it creates
_ENSURE_OBJECTS = (_AUTHENTIK, _STALWART, _OCIS, _BILLING)
#: access is granted last, when everything that people can open is ready
_ENSURE: Workflow = (_ENSURE_OBJECTS, (Step(ACCESS, AUTHENTIK, for_owner=True),))
_ENSURE_AND_REOPEN: Workflow = (_ENSURE_OBJECTS, (_ACCESS,))
#: access is revoked first
_SUSPEND: Workflow = ((_ACCESS,), (_STALWART, _OCIS))
#: billing goes on for a suspended tenant and ends for a deleted one
_DELETE: Workflow = ((_ACCESS,), (_STALWART, _OCIS, _BILLING))
#: the group is removed last: it reserves the tenant's name while other objects are left
_PURGE: Workflow = ((_STALWART, _OCIS, _BILLING), (_AUTHENTIK,))

#: action to its stages
WORKFLOWS: dict[Action, Workflow] = {
    Action.PROVISION: _ENSURE,
    Action.RECONCILE: _ENSURE,
    Action.SUSPEND: _SUSPEND,
    Action.RESUME: _ENSURE_AND_REOPEN,
    Action.DELETE: _DELETE,
    Action.RESTORE: _ENSURE_AND_REOPEN,
    Action.PURGE: _PURGE,
}

#: the scheduler starts these again after a failure, until they succeed
RETRIED_AFTER_FAILURE = frozenset({Action.SUSPEND, Action.DELETE, Action.PURGE})

#: a failed step does not block later stages: one unavailable integration must not keep access to the others open
CONTINUES_AFTER_FAILURE = frozenset({Action.SUSPEND, Action.DELETE})

#: removing is what these are for, so the limit of removals in one run does not apply
EXEMPT_FROM_REMOVAL_LIMIT = frozenset({Action.SUSPEND, Action.DELETE, Action.PURGE})

#: step name to integration, for the steps of all actions
INTEGRATION_OF_STEP = {
    step.name: step.integration for workflow in WORKFLOWS.values() for stage in workflow for step in stage
}


def integration_of(step_name: str, action: Action) -> str | None:
    """Return the step's integration, or None when this build's workflow has no such step."""
    for stage in WORKFLOWS.get(action, ()):
        for step in stage:
            if step.name == step_name:
                return step.integration
    return None
