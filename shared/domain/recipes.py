"""Which steps an action takes, phase by phase, and what it makes of the tenant. Tables, one row for each action."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.operation import Action
from shared.domain.tenant import Status

AUTHENTIK, STALWART, OCIS = "authentik", "stalwart", "ocis"

#: integration: the tenant's fields that hold what it knows the tenant by
INTEGRATIONS: dict[str, tuple[str, ...]] = {
    AUTHENTIK: ("authentikGroupId",),
    STALWART: ("stalwartDomainId", "stalwartDomains", "stalwartTenantId", "dnsRecords", "dnsRecordsAt"),
    OCIS: ("ocisSpaceId",),
}


@dataclass(frozen=True)
class Step:
    """One integration's part of an action; `name` is unique in a recipe and is what operations show."""

    name: str
    integration: str


Recipe = tuple[tuple[Step, ...], ...]

_ALL_AT_ONCE: Recipe = ((Step(AUTHENTIK, AUTHENTIK), Step(STALWART, STALWART), Step(OCIS, OCIS)),)

#: action: phases, each a row of steps that run in parallel
RECIPES: dict[Action, Recipe] = {
    Action.PROVISION: _ALL_AT_ONCE,
    Action.RECONCILE: _ALL_AT_ONCE,
}

#: action: (statuses it may start from, status a success leads to; None: the status stays)
TRANSITIONS: dict[Action, tuple[frozenset[Status], Status | None]] = {
    Action.PROVISION: (frozenset({Status.PENDING}), Status.ACTIVE),
    Action.RECONCILE: (frozenset({Status.PENDING, Status.ACTIVE}), Status.ACTIVE),
}


def integration_of(step_name: str, action: Action) -> str | None:
    """The integration a step speaks to, or None when this build's recipe has no such step."""
    for phase in RECIPES.get(action, ()):
        for step in phase:
            if step.name == step_name:
                return step.integration
    return None
