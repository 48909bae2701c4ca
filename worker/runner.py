"""One attempt of one step: claim it, run it, record how it ended. Raises nothing: whatever happens is an outcome."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from shared.control_plane.settlement import settle
from shared.dispatch.sender import Dispatcher
from shared.domain.errors import StoreUnavailable
from shared.domain.faults import BREAKER_REASON, Fault, Outcome, Result, failed, sentence, skipped
from shared.domain.operation import Action, Operation
from shared.domain.recipes import integration_of
from shared.domain.stamp import Stamper
from shared.domain.tenant import Tenant
from shared.settings import Settings
from shared.store.breakers import Breaker
from shared.store.opening import Store
from shared.store.operations import Claim
from worker.deadline import within
from worker.steps.account import account_of
from worker.steps.work import StepFunction, Work

log = structlog.get_logger(__name__)

#: a retry due within this many seconds is the task's own; a later one is left to the sweep
LONGEST_OWN_RETRY = 60.0
#: how long an integration that refuses our credentials is left alone, and how long one probe of it may take, in seconds
BREAKER_OPEN = 60.0
BREAKER_PROBE = 20.0


@dataclass(frozen=True)
class Verdict:
    """What the task should do next: `said` is its result, `retry_in` (seconds) asks for the same message again."""

    said: str
    retry_in: float | None = None


class Runner:
    """One per process; safe to share between threads.

    `clients`: integration name to its client, None when it is not configured.
    """

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        steps: Mapping[Action, Mapping[str, StepFunction]],
        clients: Mapping[str, Any],
        settings: Settings,
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._steps = steps
        self._clients = clients
        self._settings = settings
        self._needs_proof = settings.domain_proof == "required"

    def run(self, operation_id: str, step: str, dispatch: int) -> Verdict:
        """Run one step if it is there to be run. A late, doubled or stale message finds nothing to claim."""
        try:
            claim = self._store.operations.claim(operation_id, step, dispatch, self._settings.lease_seconds)
            if claim is None:
                return Verdict("nothing to do")
            operation = claim.operation
            with bound_contextvars(
                request_id=operation.request_id,
                operation=operation.id,
                tenant=operation.tenant_slug,
                step=step,
                attempt=claim.step.attempts,
            ):
                return self._claimed(claim)
        except StoreUnavailable:
            # whatever was claimed is under a lease; the sweep sends it again when that runs out
            log.warning("step.store_unavailable", operation=operation_id, step=step)
            return Verdict("store unavailable")

    def _claimed(self, claim: Claim) -> Verdict:
        outcome = self._bounded(claim, self._attempt(claim))
        retry_in = self._pause(claim.step.attempts, outcome.wait) if outcome.result is Result.RETRY else 0.0
        operation = self._store.operations.record(claim, outcome, retry_in)
        if operation is None:
            log.warning("step.lease_lost", outcome=outcome.result)
            return Verdict("lease lost")
        log.info(f"step.{_EVENTS[outcome.result]}", reason=outcome.reason, message=outcome.message, retry_in=retry_in)
        self._follow(operation, claim)
        own = outcome.result is Result.RETRY and operation.is_open and retry_in <= LONGEST_OWN_RETRY
        return Verdict(outcome.result, retry_in if own else None)

    def _follow(self, operation: Operation, claim: Claim) -> None:
        """What the recorded outcome means beyond its step."""
        if not operation.is_open:
            settle(self._store, operation.id)
            return
        if not operation.is_plan:
            self._store.tenants.record_steps(operation)
        if operation.phase > claim.operation.phase:
            self._dispatcher.send(operation)

    def _attempt(self, claim: Claim) -> Outcome:
        if claim.step.attempts > self._settings.step_max_attempts:
            return _exhausted(claim.step.message)
        integration = integration_of(claim.step.name, claim.operation.action)
        function = self._steps.get(claim.operation.action, {}).get(claim.step.name)
        if integration is None or function is None:
            return Outcome(Result.RETRY, "not_ready", "These workers are older than the operation; newer ones run it.")
        client = self._clients.get(integration)
        if client is None:
            return skipped("not_configured")
        breaker = self._store.breakers.look(integration, BREAKER_PROBE)
        if breaker.reason is not None and not breaker.may_probe:
            return Outcome(Result.ERROR, breaker.reason, sentence(breaker.reason, breaker.detail))
        outcome = self._guarded(claim, function, client, integration)
        self._mind_breaker(integration, breaker, outcome)
        return outcome

    def _guarded(self, claim: Claim, function: StepFunction, client: Any, integration: str) -> Outcome:
        tenant = self._store.tenants.find_by_id(claim.operation.tenant_id)
        if tenant is None:
            return Outcome(Result.ERROR, "bug", sentence("bug", "The tenant's record is gone."))
        work = self._work(tenant, claim, integration)
        outcome = self._run(function, work, client)
        # what earlier attempts did counts as well, once
        return replace(outcome, changes=tuple(dict.fromkeys((*claim.step.changes, *work.changes))))

    def _run(self, function: StepFunction, work: Work, client: Any) -> Outcome:
        try:
            with within(self._settings.attempt_seconds):
                return function(work, client)
        except Fault as fault:
            return failed(fault)
        except StoreUnavailable:
            raise
        except Exception:  # the one place where a bug must not escape: it would take the chord with it
            log.exception("step.bug")
            return Outcome(Result.ERROR, "bug", sentence("bug"))

    def _work(self, tenant: Tenant, claim: Claim, integration: str) -> Work:
        operation = claim.operation
        on_record = dict(tenant.remote)

        def save(**fields: Any) -> None:
            changed = {name: value for name, value in fields.items() if on_record.get(name) != value}
            if changed and not operation.is_plan:
                self._store.tenants.save_remote(tenant.id, operation.generation, changed)
                on_record.update(changed)

        return Work(
            tenant=tenant,
            plan=self._settings.plans.get(tenant.plan) or next(iter(self._settings.plans.values())),
            stamper=Stamper(integration, self._settings.stamp_key_texts),
            save=save,
            member_role=self._settings.ocis_member_role,
            proven=self._store.domains.proven_of(tenant.id) if self._needs_proof else None,
            email_stage=self._settings.authentik_email_stage,
            suspended_mail=self._settings.suspended_mail,
            account=account_of(self._store, operation, claim.step, self._settings.stripe_prices.get(tenant.plan)),
            is_plan=operation.is_plan,
        )

    def _mind_breaker(self, integration: str, breaker: Breaker, outcome: Outcome) -> None:
        if outcome.reason == BREAKER_REASON:
            detail = (outcome.message or "").removeprefix(sentence(BREAKER_REASON)).strip()
            log.error("integration.credentials_refused", integration=integration)
            self._store.breakers.open(integration, BREAKER_REASON, detail, BREAKER_OPEN)
        elif breaker.may_probe and outcome.result is Result.OK:
            self._store.breakers.close(integration)
            log.info("integration.credentials_accepted", integration=integration)

    def _bounded(self, claim: Claim, outcome: Outcome) -> Outcome:
        """No further attempt after the last allowed one."""
        last = claim.step.attempts >= self._settings.step_max_attempts
        return _exhausted(outcome.message) if last and outcome.result is Result.RETRY else outcome

    def _pause(self, attempts: int, asked: float | None) -> float:
        """Seconds until the next attempt: exponential with full jitter, never less than the upstream asked for."""
        ceiling = min(self._settings.retry_cap_seconds, self._settings.retry_base_seconds * 2 ** min(attempts - 1, 16))
        return max(random.uniform(0, ceiling), asked or 0.0)  # noqa: S311 - spreads load, guards nothing


_EVENTS = {Result.OK: "ok", Result.SKIPPED: "skipped", Result.ERROR: "failed", Result.RETRY: "retrying"}


def _exhausted(last_message: str | None) -> Outcome:
    return Outcome(Result.ERROR, "attempts_exhausted", sentence("attempts_exhausted", last_message or ""))
