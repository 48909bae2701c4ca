"""Workflows: the steps that each action takes, as stages that run one after the other."""

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
    """One integration's part of an action; `name` is unique in a workflow and is what operations show.

    `for_owner`: it has something to do only for a tenant that was given an owner.
    """

    name: str
    integration: str
    for_owner: bool = False


Workflow = tuple[tuple[Step, ...], ...]


_BILL = Step(BILLING, BILLING)


_OBJECTS = (Step(AUTHENTIK, AUTHENTIK), Step(STALWART, STALWART), Step(OCIS, OCIS))


#: people come in last, when all they could reach is there
_UP: Workflow = ((*_OBJECTS, _BILL), (Step(ACCESS, AUTHENTIK, for_owner=True),))


_UP_AGAIN: Workflow = ((*_OBJECTS, _BILL), (Step(ACCESS, AUTHENTIK),))


#: people go out first, then the other doors close
_SHUT: Workflow = ((Step(ACCESS, AUTHENTIK),), (Step(STALWART, STALWART), Step(OCIS, OCIS)))


#: a suspended tenant pays on, a deleted one does not
_CLOSED: Workflow = (_SHUT[0], (*_SHUT[1], _BILL))


#: the group goes last: while anything of the tenant is left, its name is still held
_AWAY: Workflow = ((Step(STALWART, STALWART), Step(OCIS, OCIS), _BILL), (Step(AUTHENTIK, AUTHENTIK),))


#: action: phases, each a row of steps that run in parallel
WORKFLOWS: dict[Action, Workflow] = {
    Action.PROVISION: _UP,
    Action.RECONCILE: _UP,
    Action.SUSPEND: _SHUT,
    Action.RESUME: _UP_AGAIN,
    Action.DELETE: _CLOSED,
    Action.RESTORE: _UP_AGAIN,
    Action.PURGE: _AWAY,
}


#: what closes or removes is taken up again for as long as it takes
PERSISTENT = frozenset({Action.SUSPEND, Action.DELETE, Action.PURGE})


#: what closes doors: a system that is away keeps no other open, so a phase waits only until the last one was tried
PRESSING = frozenset({Action.SUSPEND, Action.DELETE})


#: what takes away on purpose: asked for by the tenant's name, so it may remove as much as there is
REMOVING = frozenset({Action.SUSPEND, Action.DELETE, Action.PURGE})


#: which integration a step of any action speaks to, by the step's name
INTEGRATION_OF_STEP = {
    step.name: step.integration for workflow in WORKFLOWS.values() for phase in workflow for step in phase
}


def integration_of(step_name: str, action: Action) -> str | None:
    """The integration a step speaks to, or None when this build's workflow has no such step."""
    for phase in WORKFLOWS.get(action, ()):
        for step in phase:
            if step.name == step_name:
                return step.integration
    return None
