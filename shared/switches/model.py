"""Circuit breakers and pauses, the deferrals that they cause, and the health signals of attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.integrations.catalog import INTEGRATIONS
from shared.integrations.outcomes import BREAKER_REASON, Outcome, Result, reason_message

#: pauses every integration
ALL = "all"
#: observe-only mode: integrations are not changed; dry runs go on
OBSERVE_ONLY = "observe-only"
#: names that an operator can pause
SWITCHES = (*INTEGRATIONS, ALL)
_TENANT = "tenant:"
_UNKNOWN_CAUSE = "unreachable"

#: a Retry-After longer than this opens the integration's breaker, in seconds
LONG_RETRY_AFTER = 60.0
#: the breaker stays open no longer than this, whatever Retry-After says, in seconds
MAX_RETRY_AFTER = 3600.0

#: temporary faults that a healthy integration can answer
_HEALTHY_REASONS = frozenset({"not_ready", "throttled", "vanished"})
#: permanent faults that say nothing about the integration's health
_NO_SIGNAL_REASONS = frozenset({"bug", "tls"})


@dataclass(frozen=True)
class Pause:
    """No step starts while a pause lasts. `by`: the user's id."""

    reason: str
    since: datetime
    by: str | None


@dataclass(frozen=True)
class TenantRef:
    id: str
    slug: str


@dataclass(frozen=True)
class FailingTenant:
    """A tenant whose latest attempts found the integration unavailable.

    `since`, `at`: first and latest such attempt. `is_isolated`: the integration has answered another tenant since then,
    so the failures concern this tenant only and do not count for the breaker.
    """

    tenant: TenantRef
    reason: str
    since: datetime
    at: datetime
    is_isolated: bool


@dataclass(frozen=True)
class Switch:
    """Breaker and pause of one integration, one tenant, or everything.

    `open_until`: None when the breaker is closed; after this time it is half-open, and one step may probe. `cause`: a
    reason's code; `detail`: one more sentence. `failures`: failed attempts in a row, without those of isolated tenants.
    `resumed_at`: end of the last pause.
    """

    name: str
    pause: Pause | None = None
    open_until: datetime | None = None
    opened_at: datetime | None = None
    cause: str | None = None
    detail: str = ""
    failures: int = 0
    failing: tuple[FailingTenant, ...] = ()
    resumed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.open_until is not None

    @property
    def is_of_tenant(self) -> bool:
        return tenant_of_switch(self.name) is not None

    def is_failing(self, tenant_id: str | None) -> bool:
        return any(one.tenant.id == tenant_id for one in self.failing)


@dataclass(frozen=True)
class OpenDuration:
    """Seconds for which a breaker stays open: at first, and at most after failed probes have doubled it."""

    first: float
    longest: float


#: long, because a product may ban our IP address permanently after a hundred refused sign-ins
CREDENTIALS_OPEN_DURATION = OpenDuration(60.0, 1800.0)
#: a paused step is due again after this at the latest, in seconds; the scheduler releases it when the pause ends
PAUSE_RECHECK = 60.0


def is_paused(switches: Mapping[str, Switch], integration: str) -> bool:
    """Return whether an operator has paused this integration, or all of them."""
    return any(switches[name].pause is not None for name in (ALL, integration) if name in switches)


def is_observing(switches: Mapping[str, Switch]) -> bool:
    """Return whether observe-only mode is on."""
    switch = switches.get(OBSERVE_ONLY)
    return switch is not None and switch.pause is not None


def observed_until(switches: Mapping[str, Switch]) -> datetime | None:
    """Return when observe-only mode last ended.

    The mode follows a restored backup: MongoDB may have lost what operations recorded before that time did.
    """
    switch = switches.get(OBSERVE_ONLY)
    return switch.resumed_at if switch is not None else None


@dataclass(frozen=True)
class Deferral:
    """The reason why a step waits without spending an attempt, and the time until which it waits.

    `until`: the database's time; None means `seconds` from now. A random part of `seconds` is added, so that deferred
    steps do not all start together. `stops_deadline`: the operation's deadline does not run meanwhile. `cause`:
    the sentence for a dry run's step, which is left out instead.
    """

    switch: str
    reason: str
    message: str
    seconds: float
    until: datetime | None = None
    stops_deadline: bool = False
    cause: str = ""


def tenant_switch(tenant_id: str) -> str:
    return f"{_TENANT}{tenant_id}"


def tenant_of_switch(name: str) -> str | None:
    """Return the tenant's id, or None for a switch of something else."""
    return name.removeprefix(_TENANT) if name.startswith(_TENANT) else None


def deferred_by_pause(switch: Switch, pause: Pause) -> Deferral:
    cause = f"Paused: {_display_name(switch.name)}. Reason: {pause.reason}"
    message = reason_message("paused", cause)
    return Deferral(switch.name, "paused", message, PAUSE_RECHECK, stops_deadline=True, cause=cause)


def deferred_by_observe_only(pause: Pause) -> Deferral:
    message = reason_message("observe_only", f"Reason: {pause.reason}")
    return Deferral(OBSERVE_ONLY, "observe_only", message, PAUSE_RECHECK, stops_deadline=True)


def deferred_by_breaker(switch: Switch, spread: float, until: datetime | None) -> Deferral:
    message = f"{_fault(switch)} The circuit breaker is open; a probe decides when steps run again."
    reason = switch.cause or _UNKNOWN_CAUSE
    return Deferral(switch.name, reason, message, spread, until=until, cause=open_breaker(switch))


def open_breaker(switch: Switch) -> str:
    """Return the sentence that says why the breaker is open."""
    return f"Its circuit breaker is open: {_fault(switch)}"


def _fault(switch: Switch) -> str:
    return reason_message(switch.cause or _UNKNOWN_CAUSE, switch.detail)


class HealthSignal(StrEnum):
    """The meaning of an attempt's outcome for the health of its integration."""

    HEALTHY = "healthy"
    FAILING = "failing"
    #: the integration asked for a long wait
    BACK_OFF = "back-off"
    CREDENTIALS_REFUSED = "credentials-refused"
    NONE = "none"


def health_signal(outcome: Outcome) -> HealthSignal:
    """Return the health signal of an attempt's outcome.

    A permanent fault about a tenant's own name, domain, quota or object is an answer, so the integration is healthy.
    """
    if outcome.reason == BREAKER_REASON:
        return HealthSignal.CREDENTIALS_REFUSED
    if outcome.result is Result.RETRY:
        if (outcome.wait or 0.0) > LONG_RETRY_AFTER:
            return HealthSignal.BACK_OFF
        return HealthSignal.HEALTHY if outcome.reason in _HEALTHY_REASONS else HealthSignal.FAILING
    if outcome.result is Result.SKIPPED or outcome.reason in _NO_SIGNAL_REASONS:
        return HealthSignal.NONE
    return HealthSignal.HEALTHY


def _display_name(name: str) -> str:
    if tenant_of_switch(name):
        return "this tenant"
    return "everything" if name == ALL else name
