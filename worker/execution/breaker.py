"""The gate that a step passes before it is claimed: closed by a pause or an open breaker, minded after each attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from shared.application.store import Store
from shared.config.settings import Settings
from shared.integrations.outcomes import Outcome, sentence
from shared.operations.model import Operation
from shared.switches.model import (
    ALL,
    CREDENTIALS_SPAN,
    LONGEST_PATIENCE,
    OBSERVE_ONLY,
    Evidence,
    Hold,
    Span,
    Switch,
    breaker_hold,
    evidence,
    observe_hold,
    observed_until,
    pause_hold,
    tenant_switch,
)

log = structlog.get_logger(__name__)

#: how long a paused step is let be before it is looked at again; the sweep lets it go as soon as it is resumed, seconds
PAUSE_LOOK = 60.0
#: a breaker that keeps failing its probes stays open for so many times its first span
LONGEST_SPANS = 10


@dataclass(frozen=True)
class Passage:
    """`hold`: why the step must not run now. `is_probe`: it may, to find out how the integration is."""

    hold: Hold | None = None
    is_probe: bool = False


class Gate:
    """One per process; safe to share between threads."""

    def __init__(self, store: Store, settings: Settings, look: Callable[[], object] = lambda: None) -> None:
        """`look`: is called before a step is let through, and may close the gate."""
        self._store = store
        self._look = look
        self._switches = store.switches
        self._limit = settings.breaker_failures
        self._span = Span(settings.breaker_seconds, settings.breaker_seconds * LONGEST_SPANS)
        self._probe_seconds = settings.attempt_seconds
        #: integrations that failed here since they last answered
        self._failed: set[str] = set()

    def ask(self, operation_id: str, integration: str) -> Passage:
        """Whether a step of this operation may run."""
        self._look()
        seen = self._switches.seen()
        observing = self._observing(seen, operation_id)
        if observing is not None:
            return Passage(observing)
        return self._passage(seen, integration, self._tenant_switch(seen, operation_id))

    def may_have_begun(self, operation: Operation) -> bool:
        """Whether attempts may have begun that are not on record, since a backup was restored."""
        until = observed_until(self._switches.seen())
        return until is not None and operation.created_at <= until

    def ask_for(self, integration: str) -> Passage:
        """Whether something that is no operation's may speak to the integration."""
        return self._passage(self._switches.seen(), integration, None)

    def _passage(self, seen: Mapping[str, Switch], integration: str, tenant: str | None) -> Passage:
        paused = self._paused(seen, integration, tenant)
        if paused is not None:
            return Passage(paused)
        switch = seen.get(integration)
        if switch is None or not switch.is_open:
            return Passage()
        if self._switches.probe(integration, self._probe_seconds):
            log.info("integration.probed", integration=integration)
            return Passage(is_probe=True)
        return Passage(breaker_hold(switch, self._span.first / 3))

    def unused(self, integration: str, passage: Passage) -> None:
        """The step was not run after all."""
        if passage.is_probe:
            self._switches.give_back(integration)

    def mind(self, integration: str, passage: Passage, outcome: Outcome) -> None:
        """What an attempt's outcome means for the integration's breaker."""
        found = evidence(outcome)
        if found is Evidence.ANSWERS:
            self._answered(integration, passage)
        elif found is Evidence.NOTHING:
            self.unused(integration, passage)
        else:
            self._failed.add(integration)
            self._say(_MINDED[found](self, integration, passage, outcome), outcome)

    def _observing(self, seen: Mapping[str, Switch], operation_id: str) -> Hold | None:
        """A plan changes nothing, so it goes on; whether it is one is only looked up while this matters."""
        switch = seen.get(OBSERVE_ONLY)
        if switch is None or switch.pause is None:
            return None
        operation = self._store.operations.find(operation_id)
        return None if operation is None or operation.is_plan else observe_hold(switch.pause, PAUSE_LOOK)

    def _paused(self, seen: Mapping[str, Switch], integration: str, tenant: str | None) -> Hold | None:
        for name in (ALL, integration, tenant):
            switch = seen.get(name) if name else None
            if switch is not None and switch.pause is not None:
                return pause_hold(switch, switch.pause, PAUSE_LOOK)
        return None

    def _tenant_switch(self, seen: Mapping[str, Switch], operation_id: str) -> str | None:
        """Messages do not say whose they are; that is only looked up while some tenant is paused."""
        if not any(switch.is_tenants for switch in seen.values()):
            return None
        operation = self._store.operations.find(operation_id)
        return tenant_switch(operation.tenant_id) if operation else None

    def _answered(self, integration: str, passage: Passage) -> None:
        switch = self._switches.seen().get(integration)
        if switch is None or not (passage.is_probe or switch.failures or integration in self._failed):
            return
        self._failed.discard(integration)
        # what began before the breaker opened may end well after it: the probe decides
        has_say = passage.is_probe or not switch.is_open
        if has_say and self._switches.close(integration, is_probe=passage.is_probe) and passage.is_probe:
            log.info("integration.breaker_closed", integration=integration)

    def _on_failure(self, integration: str, passage: Passage, outcome: Outcome) -> Switch:
        return self._switches.fail(
            integration, _cause(outcome), _detail(outcome), self._limit, self._span, is_probe=passage.is_probe
        )

    def _on_refusal(self, integration: str, passage: Passage, outcome: Outcome) -> Switch:
        log.error("integration.credentials_refused", integration=integration)
        return self._switches.fail(
            integration, _cause(outcome), _detail(outcome), 1, CREDENTIALS_SPAN, is_probe=passage.is_probe
        )

    def _on_request(self, integration: str, passage: Passage, outcome: Outcome) -> Switch:
        seconds = min(outcome.wait or 0.0, LONGEST_PATIENCE)
        return self._switches.open(integration, _cause(outcome), _detail(outcome), seconds)

    def _say(self, switch: Switch, outcome: Outcome) -> None:
        if switch.is_open:
            log.warning(
                "integration.breaker_open", integration=switch.name, reason=outcome.reason, failures=switch.failures
            )


_MINDED: Mapping[Evidence, Callable[[Gate, str, Passage, Outcome], Switch]] = {
    Evidence.FAILS: Gate._on_failure,
    Evidence.REFUSES: Gate._on_refusal,
    Evidence.ASKS: Gate._on_request,
}


def _cause(outcome: Outcome) -> str:
    return outcome.reason or "unreachable"


def _detail(outcome: Outcome) -> str:
    return (outcome.message or "").removeprefix(sentence(_cause(outcome))).strip()
