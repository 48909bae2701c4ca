"""One attempt of one step: claim it, run it, record how it ended. Raises nothing: whatever happens is an outcome."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.integrations.outcomes import Fault, Outcome, Result, failed, sentence, skipped
from shared.messaging.queues import RUN_STEP
from shared.metrics.metrics import LEASES_LOST, STEP_ATTEMPTS, STEP_SECONDS
from shared.operations.deferral_repository import DeferralRepository
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Operation
from shared.operations.repository import Claim, OperationRepository
from shared.provisioning.settlement import Settlement
from shared.switches.model import Deferral, TenantRef
from shared.tenants.repository import TenantRepository
from shared.workflows.model import INTEGRATION_OF_STEP, Action, integration_of
from worker.execution.breaker import Breaker, Permit
from worker.execution.bulkhead import Bulkhead, Message
from worker.execution.step_contexts import StepContexts
from worker.execution.watchdog import Watchdog
from worker.http.deadline import within
from worker.integrations.step_context import StepContext, StepFunction

log = structlog.get_logger(__name__)

#: a retry due within this many seconds is the task's own; a later one is left to the sweep
LONGEST_OWN_RETRY = 60.0


@dataclass(frozen=True)
class StepResult:
    """What the task should do next: `said` is its result, `retry_in` (seconds) asks for the same message again.

    `is_deferred`: the scheduler brings the step back later. `failure`: the reason and message of a step that failed.
    """

    said: str
    retry_in: float | None = None
    is_deferred: bool = False
    failure: tuple[str, str] | None = None


class Runner:
    """One per process; safe to share between threads.

    `clients`: integration name to its client, None when it is not configured. `slots` and
    `watchdog`: what bounds the steps of this process; without them nothing does.
    """

    def __init__(
        self,
        *,
        deferrals: DeferralRepository,
        operations: OperationRepository,
        tenants: TenantRepository,
        settlement: Settlement,
        breaker: Breaker,
        contexts: StepContexts,
        dispatcher: Dispatcher,
        steps: Mapping[Action, Mapping[str, StepFunction]],
        clients: Mapping[str, Any],
        settings: Settings,
        slots: Bulkhead | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._deferrals = deferrals
        self._operations = operations
        self._tenants = tenants
        self._dispatcher = dispatcher
        self._steps = steps
        self._clients = clients
        self._settings = settings
        self._settlement = settlement
        self._breaker = breaker
        self._contexts = contexts
        self._slots = slots
        self._watchdog = watchdog

    def run(
        self, operation_id: str, step: str, dispatch: int, task: str = RUN_STEP, shown: str | None = None
    ) -> StepResult:
        """Run one step if it is there to be run. A late, doubled or stale message finds nothing to claim.

        `task`, `shown`: the message's own, for when it must go back to its queue.
        """
        # a step this build does not know belongs to no integration here, and passes: its operation says so
        integration = INTEGRATION_OF_STEP.get(step)
        if integration is None or self._slots is None:
            return self._gated(operation_id, step, dispatch, integration)
        if not self._slots.take(integration, Message(operation_id, step, dispatch, task, shown)):
            return StepResult("no slot")
        try:
            return self._gated(operation_id, step, dispatch, integration)
        finally:
            waiting = self._slots.give_back(integration)
            if waiting is not None:
                self._dispatcher.put_back(*waiting)

    def start(self) -> None:
        """Prepare for work: a breaker that opened for credentials now replaced may be probed at once."""
        try:
            self._breaker.probe_renewed_credentials()
        except StoreUnavailable:
            # the breaker is then probed when its time is over
            log.warning("breaker.store_unavailable")

    def stop(self) -> None:
        """Put back what was set aside: other workers take it."""
        for message in self._slots.empty() if self._slots is not None else ():
            self._dispatcher.put_back(*message)

    def _gated(self, operation_id: str, step: str, dispatch: int, integration: str | None) -> StepResult:
        try:
            permit = self._breaker.permit(operation_id, integration) if integration else Permit()
            if permit.deferral is not None:
                return self._defer(operation_id, step, dispatch, permit.deferral)
            # from before the lease begins, so that however late anybody answers nothing is done outside after it ends
            with within(self._settings.attempt_seconds):
                claim = self._operations.claim(operation_id, step, dispatch, self._settings.lease_seconds)
                if claim is not None:
                    return self._logged(claim, permit)
            if integration:
                self._breaker.return_unused(integration, permit)
            return StepResult("nothing to do")
        except StoreUnavailable:
            # whatever was claimed is under a lease; the sweep sends it again when that runs out
            log.warning("step.store_unavailable", operation=operation_id, step=step)
            return StepResult("store unavailable")

    def _defer(self, operation_id: str, step: str, dispatch: int, deferral: Deferral) -> StepResult:
        """Leave the step to the scheduler, due when the deferral may be over."""
        operation = self._deferrals.defer(operation_id, step, dispatch, deferral)
        if operation is None:
            return StepResult("nothing to do")
        if operation.step(step).deferrals == 1:
            log.info(
                "step.deferred", operation=operation_id, tenant=operation.tenant_slug, step=step, switch=deferral.switch
            )
            if not operation.is_plan:
                self._tenants.record_steps(operation)
            if operation.dispatch > dispatch:
                self._dispatcher.send(operation)
        return StepResult("deferred", is_deferred=True)

    def _logged(self, claim: Claim, permit: Permit) -> StepResult:
        operation = claim.operation
        facts = {"operation": operation.id, "tenant": operation.tenant_slug, "step": claim.step.name}
        with (
            bound_contextvars(request_id=operation.request_id, attempt=claim.step.attempts, **facts),
            self._watchdog.watching(facts) if self._watchdog is not None else nullcontext(),
        ):
            return self._claimed(claim, permit)

    def _claimed(self, claim: Claim, permit: Permit) -> StepResult:
        integration = INTEGRATION_OF_STEP.get(claim.step.name, "unknown")
        began = time.perf_counter()
        outcome = self._bounded(claim, self._attempt(claim, permit))
        STEP_ATTEMPTS.labels(integration, outcome.result).inc()
        STEP_SECONDS.labels(integration, outcome.result).observe(time.perf_counter() - began)
        retry_in = self._pause(claim.step.attempts, outcome.wait) if outcome.result is Result.RETRY else 0.0
        operation = self._operations.record(claim, outcome, retry_in)
        if operation is None:
            LEASES_LOST.labels(integration).inc()
            log.warning("step.lease_lost", outcome=outcome.result)
            return StepResult("lease lost")
        log.info(f"step.{_EVENTS[outcome.result]}", reason=outcome.reason, message=outcome.message, retry_in=retry_in)
        self._follow(operation, claim)
        if outcome.result is Result.ERROR:
            return StepResult(outcome.result, failure=(outcome.reason or "unknown", outcome.message or ""))
        again = outcome.result is Result.RETRY and operation.is_open
        own = again and retry_in <= LONGEST_OWN_RETRY
        return StepResult(outcome.result, retry_in if own else None, is_deferred=again and not own)

    def _follow(self, operation: Operation, claim: Claim) -> None:
        """What the recorded outcome means beyond its step."""
        if not operation.is_open:
            self._settlement.settle(operation.id)
            return
        if not operation.is_plan:
            self._tenants.record_steps(operation)
        if operation.phase > claim.operation.phase:
            self._dispatcher.send(operation)

    def _attempt(self, claim: Claim, permit: Permit) -> Outcome:
        integration = integration_of(claim.step.name, claim.operation.action)
        function = self._steps.get(claim.operation.action, {}).get(claim.step.name)
        client = self._clients.get(integration) if integration else None
        if claim.step.attempts > self._settings.step_max_attempts:
            outcome = _exhausted(claim.step.message)
        elif integration is None or function is None:
            outcome = Outcome(Result.RETRY, "old_workers", sentence("old_workers"))
        elif client is None:
            outcome = skipped("not_configured")
        else:
            outcome = self._guarded(claim, function, client, integration)
            self._breaker.report(integration, permit, outcome, _tenant_of(claim.operation))
            return outcome
        if integration is not None:
            self._breaker.return_unused(integration, permit)
        return outcome

    def _guarded(self, claim: Claim, function: StepFunction, client: Any, integration: str) -> Outcome:
        tenant = self._tenants.find_by_id(claim.operation.tenant_id)
        if tenant is None:
            return Outcome(Result.ERROR, "bug", sentence("bug", "The tenant's record is gone."))
        work = self._contexts.make(tenant, claim, integration)
        outcome = self._run(function, work, client)
        # what earlier attempts did counts as well, once
        changes = tuple(dict.fromkeys((*claim.step.changes, *work.changes)))
        return replace(outcome, changes=changes, found={} if work.is_plan else work.found)

    def _run(self, function: StepFunction, work: StepContext, client: Any) -> Outcome:
        try:
            return function(work, client)
        except Fault as fault:
            return failed(fault)
        except StoreUnavailable:
            raise
        except Exception:  # the one place where a bug must not escape: it would take the chord with it
            log.exception("step.bug")
            return Outcome(Result.ERROR, "bug", sentence("bug"))

    def _bounded(self, claim: Claim, outcome: Outcome) -> Outcome:
        """No further attempt after the last allowed one."""
        last = claim.step.attempts >= self._settings.step_max_attempts
        return _exhausted(outcome.message) if last and outcome.result is Result.RETRY else outcome

    def _pause(self, attempts: int, asked: float | None) -> float:
        """Seconds until the next attempt: exponential with full jitter, never less than the upstream asked for."""
        ceiling = min(self._settings.retry_cap_seconds, self._settings.retry_base_seconds * 2 ** min(attempts - 1, 16))
        return max(random.uniform(0, ceiling), asked or 0.0)  # noqa: S311 - spreads load, guards nothing


_EVENTS = {Result.OK: "ok", Result.SKIPPED: "skipped", Result.ERROR: "failed", Result.RETRY: "retrying"}


def _tenant_of(operation: Operation) -> TenantRef:
    return TenantRef(operation.tenant_id, operation.tenant_slug)


def _exhausted(last_message: str | None) -> Outcome:
    return Outcome(Result.ERROR, "attempts_exhausted", sentence("attempts_exhausted", last_message or ""))
