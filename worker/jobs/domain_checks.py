"""Check domains in DNS."""

from __future__ import annotations

from functools import partial

from shared.config.settings import Settings
from shared.domains.model import judged, questions_of
from shared.provisioning.domain_monitor import DomainMonitor, DueDomain
from worker.dns_lookup import DnsLookup
from worker.http.deadline import within
from worker.jobs.worker_pool import WorkerPool

#: checks at once. With the scheduler's interval this also limits how many questions a second the resolvers get.
SLOTS = 16


class DomainCheckJob:
    """One per scheduler. Runs the checks that are due."""

    def __init__(self, watch: DomainMonitor, lookup: DnsLookup, settings: Settings, slots: int = SLOTS) -> None:
        self._watch = watch
        self._lookup = lookup
        self._attempt_seconds = settings.attempt_seconds
        self._pool = WorkerPool("domain", slots)

    def push(self) -> int:
        """Start due checks as far as threads are free, and wait for none; return how many operations were started."""
        for due in self._watch.claim(self._pool.free):
            self._pool.submit(partial(self._check, due), domain=due.name, tenant=due.tenant.slug)
        return self._watch.start_reconciles()

    def close(self) -> None:
        self._pool.close()

    def _check(self, due: DueDomain) -> None:
        with within(self._attempt_seconds):
            answers, fault = self._lookup.answered(questions_of(due.tenant, due.name, self._watch.maker))
        self._watch.record(due, judged(due.tenant, due.name, self._watch.maker, answers, fault))
