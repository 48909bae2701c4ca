"""Run one attempt of one step: claim it, run it, record its outcome. Never raises: every fault becomes an outcome."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.integrations.outcomes import Fault, Outcome, Result, failed, left_out, reason_message, skipped
from shared.messaging.messages import RUN_STEP
from shared.metrics.metrics import LEASES_LOST, STEP_ATTEMPTS, STEP_SECONDS
from shared.operations.deferral_repository import DeferralRepository
from shared.operations.dispatcher import Dispatcher
from shared.operations.model import Claim, Operation
from shared.operations.repository import OperationRepository
from shared.provisioning.settlement import Settlement
from shared.switches.model import Deferral, TenantRef, open_breaker
from shared.tenants.repository import TenantRepository
from shared.workflows.model import INTEGRATION_OF_STEP, Action, integration_of
from worker.execution.breaker import Breaker, Permit
from worker.execution.bulkhead import Bulkhead, Message
from worker.execution.retry_policy import RetryPolicy, exhausted
from worker.execution.step_contexts import StepContexts
from worker.execution.watchdog import Watchdog
from worker.http.deadline import within
from worker.integrations.step_context import StepContext, StepFunction

log = structlog.get_logger(__name__)

#: Celery retries a task that is due within this many seconds; the scheduler publishes a later one
MAX_TASK_RETRY = 60.0


@dataclass(frozen=True)
class StepResult:
    """Tell the task what to do next. `summary`: its result. `retry_in`: retry the same message after so many seconds.

    `is_deferred`: the scheduler publishes the step again later. `failure`: reason and message of an attempt that did
    not succeed. `has_ended`: the operation has ended and is settled.
    """

    summary: str
    retry_in: float | None = None
    is_deferred: bool = False
    failure: tuple[str, str] | None = None
    has_ended: bool = False


@dataclass(kw_only=True)
class Runner:
    """Runs the attempts of one process; safe to share between threads.

    `clients`: integration name to its client, None when it is not configured. `bulkhead` and `watchdog` limit
    concurrency and duration; without them there is no limit.
    """

    deferrals: DeferralRepository
    operations: OperationRepository
    tenants: TenantRepository
    settlement: Settlement
    breaker: Breaker
    contexts: StepContexts
    dispatcher: Dispatcher
    steps: Mapping[Action, Mapping[str, StepFunction]]
    clients: Mapping[str, Any]
    settings: Settings
    bulkhead: Bulkhead | None = None
    watchdog: Watchdog | None = None

    def __post_init__(self) -> None:
        self._retries = RetryPolicy(
            self.settings.step_max_attempts, self.settings.retry_base_seconds, self.settings.retry_cap_seconds
        )

    def run(
        self, operation_id: str, step: str, dispatch: int, task: str = RUN_STEP, args_shown: str | None = None
    ) -> StepResult:
        """Run one step if it is open and due. A late, duplicate or stale message finds nothing to claim.

        `task`, `args_shown`: those of the message, needed when it must return to its queue.
        """
        # a step that this build does not know has no integration here; its outcome says so
        integration = INTEGRATION_OF_STEP.get(step)
        if integration is None or self.bulkhead is None:
            return self._run_if_permitted(operation_id, step, dispatch, integration)
        if not self.bulkhead.acquire(integration, Message(operation_id, step, dispatch, task, args_shown)):
            return StepResult("bulkhead full")
        try:
            return self._run_if_permitted(operation_id, step, dispatch, integration)
        finally:
            waiting = self.bulkhead.release(integration)
            if waiting is not None:
                self.dispatcher.requeue(*waiting)

    def start(self) -> None:
        """Probe a breaker at once if its credentials were replaced since it opened. Raises StoreUnavailable."""
        self.breaker.probe_renewed_credentials()

    def stop(self) -> None:
        """Return waiting messages to their queues, where other workers take them."""
        for message in self.bulkhead.drain() if self.bulkhead is not None else ():
            self.dispatcher.requeue(*message)

    def _run_if_permitted(self, operation_id: str, step: str, dispatch: int, integration: str | None) -> StepResult:
        try:
            permit = self.breaker.permit(operation_id, integration) if integration else Permit()
            if permit.deferral is not None:
                return self._defer(operation_id, step, dispatch, permit.deferral)
            # starts before the lease, so that a slow answer never leads to calls after the lease has ended
            with within(self.settings.attempt_seconds):
                claim = self.operations.claim(operation_id, step, dispatch, self.settings.lease_seconds)
                if claim is not None:
                    return self._run_with_log_context(claim, permit)
            if integration:
                self.breaker.return_unused(integration, permit)
            return StepResult("nothing to do")
        except StoreUnavailable:
            # a claimed step is under a lease; the scheduler publishes it again when the lease runs out
            log.warning("step.store_unavailable", operation=operation_id, step=step)
            return StepResult("store unavailable")

    def _defer(self, operation_id: str, step: str, dispatch: int, deferral: Deferral) -> StepResult:
        """Defer the step until the breaker or pause may be over; the scheduler publishes it then."""
        operation = self.deferrals.defer(operation_id, step, dispatch, deferral)
        if operation is None:
            return StepResult("nothing to do")
        if operation.step(step).deferrals == 1:
            log.info(
                "step.deferred", operation=operation_id, tenant=operation.tenant_slug, step=step, switch=deferral.switch
            )
            if not operation.is_dry_run:
                self.tenants.record_steps(operation)
            if operation.dispatch > dispatch:
                self.dispatcher.publish(operation)
        return StepResult("deferred", is_deferred=True, failure=(deferral.reason, deferral.message))

    def _run_with_log_context(self, claim: Claim, permit: Permit) -> StepResult:
        operation = claim.operation
        facts = {"operation": operation.id, "tenant": operation.tenant_slug, "step": claim.step.name}
        with (
            bound_contextvars(request_id=operation.request_id, attempt=claim.step.attempts, **facts),
            self.watchdog.watching(facts) if self.watchdog is not None else nullcontext(),
        ):
            return self._run_and_record(claim, permit)

    def _run_and_record(self, claim: Claim, permit: Permit) -> StepResult:
        integration = INTEGRATION_OF_STEP.get(claim.step.name, "unknown")
        began = time.perf_counter()
        outcome = self._retries.apply(claim.step.attempts, self._attempt(claim, permit))
        STEP_ATTEMPTS.labels(integration, outcome.result).inc()
        STEP_SECONDS.labels(integration, outcome.result).observe(time.perf_counter() - began)
        retry_in = self._retries.delay(claim.step.attempts, outcome) if outcome.result is Result.RETRY else 0.0
        operation = self.operations.record(claim, outcome, retry_in)
        if operation is None:
            LEASES_LOST.labels(integration).inc()
            log.warning("step.lease_lost", outcome=outcome.result)
            return StepResult("lease lost")
        log.info(f"step.{_EVENTS[outcome.result]}", reason=outcome.reason, message=outcome.message, retry_in=retry_in)
        self._continue_operation(operation, claim)
        failure = (outcome.reason or "unknown", outcome.message or "")
        if outcome.result is Result.ERROR:
            return StepResult(outcome.result, failure=failure, has_ended=not operation.is_open)
        again = outcome.result is Result.RETRY and operation.is_open
        is_task_retry = again and retry_in <= MAX_TASK_RETRY
        return StepResult(
            outcome.result,
            retry_in if is_task_retry else None,
            is_deferred=again and not is_task_retry,
            failure=failure if again else None,
            has_ended=not operation.is_open,
        )

    def _continue_operation(self, operation: Operation, claim: Claim) -> None:
        """Settle a closed operation; else update the tenant, and publish the next stage when one begins."""
        if not operation.is_open:
            self.settlement.settle(operation.id)
            return
        if not operation.is_dry_run:
            self.tenants.record_steps(operation)
        if operation.stage > claim.operation.stage:
            self.dispatcher.publish(operation)

    def _attempt(self, claim: Claim, permit: Permit) -> Outcome:
        integration = integration_of(claim.step.name, claim.operation.action)
        function = self.steps.get(claim.operation.action, {}).get(claim.step.name)
        client = self.clients.get(integration) if integration else None
        if self._retries.is_exhausted(claim.step.attempts):
            outcome = exhausted(claim.step.message, claim.step.reason)
        elif integration is None or function is None:
            outcome = Outcome(Result.RETRY, "old_workers", reason_message("old_workers"))
        elif client is None:
            outcome = skipped("not_configured")
        elif permit.instead is not None:
            outcome = permit.instead
        else:
            outcome = self._call_step(claim, function, client, integration)
            opened = self.breaker.report(integration, permit, outcome, _tenant_of(claim.operation))
            if opened is not None and claim.operation.is_dry_run and outcome.result is Result.RETRY:
                return left_out(open_breaker(opened))
            return outcome
        if integration is not None:
            self.breaker.return_unused(integration, permit)
        return outcome

    def _call_step(self, claim: Claim, function: StepFunction, client: Any, integration: str) -> Outcome:
        context = self.contexts.make(claim, integration)
        if context is None:
            return Outcome(Result.ERROR, "bug", reason_message("bug", "The tenant's record no longer exists."))
        outcome = self._call(function, context, client)
        # changes of earlier attempts are kept, each once
        changes = tuple(dict.fromkeys((*claim.step.changes, *context.changes)))
        return replace(outcome, changes=changes, found={} if context.is_dry_run else context.found)

    def _call(self, function: StepFunction, context: StepContext, client: Any) -> Outcome:
        try:
            return function(context, client)
        except Fault as fault:
            return failed(fault)
        except StoreUnavailable:
            raise
        except Exception:  # the one place where a bug must not escape: it would fail the whole chord
            log.exception("step.bug")
            return Outcome(Result.ERROR, "bug", reason_message("bug"))


_EVENTS = {Result.OK: "ok", Result.SKIPPED: "skipped", Result.ERROR: "failed", Result.RETRY: "retrying"}


def _tenant_of(operation: Operation) -> TenantRef:
    return TenantRef(operation.tenant_id, operation.tenant_slug)
