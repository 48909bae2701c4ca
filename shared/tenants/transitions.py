"""Which steps an action takes, phase by phase, and what it makes of the tenant. Tables, one row for each action."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from shared.operations.model import Action
from shared.tenants.model import Status, Tenant

AUTHENTIK, STALWART, OCIS, BILLING = "authentik", "stalwart", "ocis", "billing"
#: the step that gives people access and takes it back: membership of the tenant's group
ACCESS = "access"

#: integration: the tenant's fields that hold what it knows the tenant by
INTEGRATIONS: dict[str, tuple[str, ...]] = {
    AUTHENTIK: ("authentikGroupId", "ownerSubject"),
    STALWART: (
        "stalwartDomainId",
        "stalwartDomains",
        "stalwartTenantId",
        "stalwartLocked",
        "stalwartReturning",
        "stalwartClosedDomains",
        "dnsRecords",
        "dnsRecordsAt",
    ),
    OCIS: ("ocisSpaceId", "ocisNewSpaceId", "ocisGroupId", "ocisMembers"),
    # what Stripe knows a tenant by is on its subscription's record
    BILLING: (),
}

#: the order in which a phase's steps are sent: who takes longest begins first, or a tenant waits for it at the end.
#: Stalwart makes keys in the background for a second or more, OCIS is asked three times in a row, Authentik once
LONGEST_FIRST = (STALWART, OCIS, BILLING, AUTHENTIK)

#: integrations of which nothing is seen, no step and no status, until they are configured
OPTIONAL = frozenset({BILLING})


@dataclass(frozen=True)
class Step:
    """One integration's part of an action; `name` is unique in a recipe and is what operations show.

    `for_owner`: it has something to do only for a tenant that was given an owner.
    """

    name: str
    integration: str
    for_owner: bool = False


Recipe = tuple[tuple[Step, ...], ...]

_BILL = Step(BILLING, BILLING)

_OBJECTS = (Step(AUTHENTIK, AUTHENTIK), Step(STALWART, STALWART), Step(OCIS, OCIS))
#: people come in last, when all they could reach is there
_UP: Recipe = ((*_OBJECTS, _BILL), (Step(ACCESS, AUTHENTIK, for_owner=True),))
_UP_AGAIN: Recipe = ((*_OBJECTS, _BILL), (Step(ACCESS, AUTHENTIK),))
#: people go out first, then the other doors close
_SHUT: Recipe = ((Step(ACCESS, AUTHENTIK),), (Step(STALWART, STALWART), Step(OCIS, OCIS)))
#: a suspended tenant pays on, a deleted one does not
_CLOSED: Recipe = (_SHUT[0], (*_SHUT[1], _BILL))
#: the group goes last: while anything of the tenant is left, its name is still held
_AWAY: Recipe = ((Step(STALWART, STALWART), Step(OCIS, OCIS), _BILL), (Step(AUTHENTIK, AUTHENTIK),))

#: action: phases, each a row of steps that run in parallel
RECIPES: dict[Action, Recipe] = {
    Action.PROVISION: _UP,
    Action.RECONCILE: _UP,
    Action.SUSPEND: _SHUT,
    Action.RESUME: _UP_AGAIN,
    Action.DELETE: _CLOSED,
    Action.RESTORE: _UP_AGAIN,
    Action.PURGE: _AWAY,
}


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

#: what closes or removes is taken up again for as long as it takes
PERSISTENT = frozenset({Action.SUSPEND, Action.DELETE, Action.PURGE})
#: what closes doors: a system that is away keeps no other open, so a phase waits only until the last one was tried
PRESSING = frozenset({Action.SUSPEND, Action.DELETE})


#: what takes away on purpose: asked for by the tenant's name, so it may remove as much as there is
REMOVING = frozenset({Action.SUSPEND, Action.DELETE, Action.PURGE})


#: which integration a step of any action speaks to, by the step's name
INTEGRATION_OF_STEP = {step.name: step.integration for recipe in RECIPES.values() for phase in recipe for step in phase}


def recipe_for(action: Action, tenant: Tenant, absent: Collection[str]) -> Recipe:
    """The action's phases, less what has nothing to do for this tenant.

    `absent`: optional integrations that are not configured; they stay out unless they had to do with this tenant once.
    """
    unseen = {name for name in absent if name not in tenant.provisioning_status}
    phases = (
        tuple(step for step in phase if _concerns(step, tenant) and step.integration not in unseen)
        for phase in RECIPES[action]
    )
    return tuple(phase for phase in phases if phase)


def _concerns(step: Step, tenant: Tenant) -> bool:
    return tenant.owner is not None or not step.for_owner


def integration_of(step_name: str, action: Action) -> str | None:
    """The integration a step speaks to, or None when this build's recipe has no such step."""
    for phase in RECIPES.get(action, ()):
        for step in phase:
            if step.name == step_name:
                return step.integration
    return None
