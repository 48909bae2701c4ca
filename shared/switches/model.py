"""A switch holds steps back before they run: a breaker, which opens by itself, or a pause, which is an operator's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.integrations.outcomes import BREAKER_REASON, Outcome, Result, sentence
from shared.switches.pause import Pause
from shared.tenants.transitions import INTEGRATIONS

#: the switch that stops everything
ALL = "all"
#: the switch that stops all but plans, and all that begins by itself
OBSERVE_ONLY = "observe-only"
#: what an operator can pause by name
SWITCHES = (*INTEGRATIONS, ALL)
_TENANT = "tenant:"

#: an upstream that asks for more patience than this is left alone by all, in seconds
PATIENCE = 60.0
#: and never for longer than this, whatever it asks for
LONGEST_PATIENCE = 3600.0

#: the upstream answered, and the answer was "not yet"
_ANSWERED_LATER = frozenset({"not_ready", "throttled"})
#: errors that say nothing of how the upstream is
_SAYS_NOTHING = frozenset({"bug", "tls"})


@dataclass(frozen=True)
class Switch:
    """One integration's, one tenant's or everything's, as last read.

    `open_until`: the breaker is open, and from then on one step may probe; None: it is closed. `cause`: a reason of the
    catalogue, `detail` a sentence more. `failures`: attempts in a row that found the integration unavailable.
    `resumed_at`: when the last pause ended.
    """

    name: str
    pause: Pause | None = None
    open_until: datetime | None = None
    opened_at: datetime | None = None
    cause: str | None = None
    detail: str = ""
    failures: int = 0
    resumed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.open_until is not None

    @property
    def is_tenants(self) -> bool:
        return tenant_of_switch(self.name) is not None


@dataclass(frozen=True)
class Span:
    """How long a breaker stays open, in seconds: at first, and at most, as each failed probe doubles it."""

    first: float
    longest: float


def is_paused(seen: Mapping[str, Switch], integration: str) -> bool:
    """Whether an operator has stopped all work with the integration, or all work."""
    return any(seen[name].pause is not None for name in (ALL, integration) if name in seen)


def is_observing(seen: Mapping[str, Switch]) -> bool:
    """Whether nothing may be changed outside."""
    switch = seen.get(OBSERVE_ONLY)
    return switch is not None and switch.pause is not None


def observed_until(seen: Mapping[str, Switch]) -> datetime | None:
    """When the last observing ended that has. What was recorded before may have gone on in a time that the record has
    lost since, as it follows a restore."""
    switch = seen.get(OBSERVE_ONLY)
    return switch.resumed_at if switch is not None else None


#: a product may ban an address for good for a hundred refused logins
CREDENTIALS_SPAN = Span(60.0, 1800.0)


@dataclass(frozen=True)
class Hold:
    """Why a step is not run now. `until`: the database's time; None: for `seconds` from now.

    `seconds` is also by how much steps that are held together are spread. `stops_deadline`: the wait is an operator's.
    """

    switch: str
    reason: str
    message: str
    seconds: float
    until: datetime | None = None
    stops_deadline: bool = False


def tenant_switch(tenant_id: str) -> str:
    return f"{_TENANT}{tenant_id}"


def tenant_of_switch(name: str) -> str | None:
    """The tenant's id, None for a switch that is no tenant's."""
    return name.removeprefix(_TENANT) if name.startswith(_TENANT) else None


def pause_hold(switch: Switch, pause: Pause, seconds: float) -> Hold:
    """A step of what an operator has paused."""
    message = sentence("paused", f"What is paused: {_called(switch.name)}. Why: {pause.reason}")
    return Hold(switch.name, "paused", message, seconds, stops_deadline=True)


def observe_hold(pause: Pause, seconds: float) -> Hold:
    """A step that would change something while the platform only observes."""
    message = sentence("observe_only", f"Why: {pause.reason}")
    return Hold(OBSERVE_ONLY, "observe_only", message, seconds, stops_deadline=True)


def breaker_hold(switch: Switch, spread: float) -> Hold:
    """A step of an integration that is left alone."""
    cause = switch.cause or "unreachable"
    message = f"{sentence(cause, switch.detail)} It is left alone for a while; then one step finds out how it is."
    return Hold(switch.name, cause, message, spread, until=switch.open_until)


class Evidence(StrEnum):
    """What an attempt tells of its integration."""

    ANSWERS = "answers"
    FAILS = "fails"
    #: it asked to be left alone for long
    ASKS = "asks"
    #: it knows us no more
    REFUSES = "refuses"
    NOTHING = "nothing"


def evidence(outcome: Outcome) -> Evidence:
    """Refusals are answers. So are "not yet" and a short "slow down": no breaker is needed where manners will do."""
    if outcome.reason == BREAKER_REASON:
        return Evidence.REFUSES
    if outcome.result is Result.RETRY:
        if (outcome.wait or 0.0) > PATIENCE:
            return Evidence.ASKS
        return Evidence.ANSWERS if outcome.reason in _ANSWERED_LATER else Evidence.FAILS
    if outcome.result is Result.SKIPPED or outcome.reason in _SAYS_NOTHING:
        return Evidence.NOTHING
    return Evidence.ANSWERS


def _called(name: str) -> str:
    if tenant_of_switch(name):
        return "this tenant"
    return "everything" if name == ALL else name
