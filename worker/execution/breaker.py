"""Circuit breaker: decides before a claim whether a step may call its integration, and learns from each attempt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared.config.settings import Settings
from shared.integrations.outcomes import Fault, Outcome, TemporaryError, failed, left_out, ok, reason_message
from shared.operations.model import Operation
from shared.operations.repository import OperationRepository
from shared.switches.model import (
    ALL,
    MAX_RETRY_AFTER,
    OBSERVE_ONLY,
    Deferral,
    HealthSignal,
    OpenDuration,
    Switch,
    TenantRef,
    deferred_by_breaker,
    deferred_by_observe_only,
    deferred_by_pause,
    health_signal,
    observed_until,
    tenant_switch,
)
from shared.switches.repository import SwitchRepository

log = structlog.get_logger(__name__)

#: seconds until a deferred job looks again
JOB_RECHECK = 15.0
#: failed probes double the time that a breaker stays open, to at most this many times the first one
MAX_DURATION_FACTOR = 10
#: extra wait of a tenant that failed before, so that another tenant's step is the probe, in seconds
FAILED_TENANT_DELAY = 5.0


@dataclass(frozen=True)
class Permit:
    """The decision whether a step may call its integration.

    `deferral`: why it must wait. `instead`: its outcome without a call: a dry run does not wait. Without both it may
    call. `is_probe`: its outcome decides about the breaker.
    """

    deferral: Deferral | None = None
    instead: Outcome | None = None
    is_probe: bool = False


class JobDeferred(TemporaryError):
    """A pause or an open breaker defers the job's work. `switch`: its name."""

    def __init__(self, deferral: Deferral) -> None:
        super().__init__(deferral.reason, deferral.message, wait=JOB_RECHECK)
        self.switch = deferral.switch


class Breaker:
    """Circuit breaker and pauses of all integrations. One per process; safe to share between threads."""

    def __init__(
        self,
        *,
        operations: OperationRepository,
        switches: SwitchRepository,
        settings: Settings,
    ) -> None:
        self._operations = operations
        self._switches = switches
        self._limit = settings.breaker_failures
        self._open_duration = OpenDuration(settings.breaker_seconds, settings.breaker_seconds * MAX_DURATION_FACTOR)
        self._probe_seconds = settings.attempt_seconds
        self._fingerprints = settings.credential_fingerprints
        #: integrations that failed in this process since they last answered
        self._failed: set[str] = set()

    def probe_renewed_credentials(self) -> None:
        """Probe a breaker at once if it opened because of other credentials than this process has."""
        for integration, fingerprint in self._fingerprints.items():
            if self._switches.allow_probe_with(integration, fingerprint):
                log.info("integration.credentials_renewed", integration=integration)

    def permit(self, operation_id: str, integration: str) -> Permit:
        """Decide whether a step of this operation may run."""
        switches = self._switches.cached()
        observing = self._observe_only(switches, operation_id)
        if observing is not None:
            return Permit(observing)
        tenant_id = self._tenant_if_needed(switches, operation_id, integration)
        permit = self._permit(switches, integration, tenant_id)
        if permit.deferral is not None and self._is_dry_run(operation_id):
            return Permit(instead=left_out(permit.deferral.cause))
        return permit

    @contextmanager
    def job_call(self, integration: str) -> Iterator[None]:
        """Run a block of a job that calls the integration and belongs to no operation; report how it ended.

        Raises JobDeferred, before the block begins, during a pause and while the breaker is open.
        """
        permit = self._permit(self._switches.cached(), integration, None)
        if permit.deferral is not None:
            raise JobDeferred(permit.deferral)
        try:
            yield
        except Fault as fault:
            self.report(integration, permit, failed(fault))
            raise
        except Exception:
            self.return_unused(integration, permit)
            raise
        self.report(integration, permit, ok())

    def may_have_begun(self, operation: Operation) -> bool:
        """Return whether attempts may have begun that a restored backup does not show."""
        until = observed_until(self._switches.cached())
        return until is not None and operation.created_at <= until

    def return_unused(self, integration: str, permit: Permit) -> None:
        """Return an unused probe: the step did not run."""
        if permit.is_probe:
            self._switches.release_probe(integration)

    def report(
        self, integration: str, permit: Permit, outcome: Outcome, tenant: TenantRef | None = None
    ) -> Switch | None:
        """Record the meaning of an attempt's outcome for the integration's health. `tenant`: None for a job.

        Return the breaker if the attempt failed and the breaker is open now.
        """
        signal = health_signal(outcome)
        if signal is HealthSignal.HEALTHY:
            self._on_success(integration, permit, tenant)
        elif signal is HealthSignal.NONE:
            self.return_unused(integration, permit)
        else:
            self._failed.add(integration)
            switch = self._on_failure(signal, integration, permit, outcome, tenant)
            if switch.is_open:
                log.warning(
                    "integration.breaker_open",
                    integration=integration,
                    reason=outcome.reason,
                    tenants=[one.tenant.slug for one in switch.failing if not one.is_isolated],
                )
                return switch
        return None

    def _permit(self, switches: Mapping[str, Switch], integration: str, tenant_id: str | None) -> Permit:
        paused = self._find_pause(switches, integration, tenant_id)
        if paused is not None:
            return Permit(paused)
        switch = switches.get(integration)
        if switch is None or not switch.is_open:
            return Permit()
        if self._switches.claim_probe(integration, self._probe_seconds, tenant_id, FAILED_TENANT_DELAY):
            log.info("integration.probed", integration=integration)
            return Permit(is_probe=True)
        until = switch.open_until
        if until is not None and switch.is_failing(tenant_id):
            until += timedelta(seconds=FAILED_TENANT_DELAY)
        return Permit(deferred_by_breaker(switch, self._open_duration.first / 3, until))

    def _observe_only(self, switches: Mapping[str, Switch], operation_id: str) -> Deferral | None:
        """Defer the step in observe-only mode, unless its operation is a dry run."""
        switch = switches.get(OBSERVE_ONLY)
        if switch is None or switch.pause is None:
            return None
        return None if self._is_dry_run(operation_id) else deferred_by_observe_only(switch.pause)

    def _is_dry_run(self, operation_id: str) -> bool:
        operation = self._operations.find(operation_id)
        return operation is not None and operation.is_dry_run

    def _find_pause(self, switches: Mapping[str, Switch], integration: str, tenant_id: str | None) -> Deferral | None:
        for name in (ALL, integration, tenant_switch(tenant_id) if tenant_id else None):
            switch = switches.get(name) if name else None
            if switch is not None and switch.pause is not None:
                return deferred_by_pause(switch, switch.pause)
        return None

    def _tenant_if_needed(self, switches: Mapping[str, Switch], operation_id: str, integration: str) -> str | None:
        """Return the operation's tenant, read only while a tenant's pause or an open breaker needs it."""
        switch = switches.get(integration)
        if not (switch is not None and switch.is_open) and not any(one.is_of_tenant for one in switches.values()):
            return None
        operation = self._operations.find(operation_id)
        return operation.tenant_id if operation else None

    def _on_success(self, integration: str, permit: Permit, tenant: TenantRef | None) -> None:
        switch = self._switches.cached().get(integration)
        if switch is None or not (permit.is_probe or integration in self._failed or _resets_failures(switch, tenant)):
            return
        self._failed.discard(integration)
        # an attempt that began before the breaker opened may end well after it: only the probe decides
        may_close = permit.is_probe or not switch.is_open
        if (
            may_close
            and self._switches.record_answer(integration, tenant, is_probe=permit.is_probe)
            and permit.is_probe
        ):
            log.info("integration.breaker_closed", integration=integration)

    def _on_failure(
        self, signal: HealthSignal, integration: str, permit: Permit, outcome: Outcome, tenant: TenantRef | None
    ) -> Switch:
        cause, detail = outcome.reason or "unreachable", _detail(outcome)
        wait = 0.0
        if signal is HealthSignal.BACK_OFF:
            wait = min(outcome.wait or 0.0, MAX_RETRY_AFTER)
            if tenant is None:
                return self._switches.back_off(integration, cause, detail, wait)
        if signal is HealthSignal.CREDENTIALS_REFUSED:
            log.error("integration.credentials_refused", integration=integration)
            fingerprint = self._fingerprints.get(integration)
            return self._switches.record_refused_credentials(integration, detail, fingerprint, is_probe=permit.is_probe)
        # a wait that one tenant alone is asked for is that tenant's: its step is due after it
        return self._switches.record_failure(
            integration, tenant, cause, detail, self._limit, self._open_duration, wait=wait, is_probe=permit.is_probe
        )


def _resets_failures(switch: Switch, tenant: TenantRef | None) -> bool:
    """Return whether this success ends a series of failures, or this tenant's failures."""
    return switch.failures > 0 or (tenant is not None and switch.is_failing(tenant.id))


def _detail(outcome: Outcome) -> str:
    return (outcome.message or "").removeprefix(reason_message(outcome.reason or "unreachable")).strip()
