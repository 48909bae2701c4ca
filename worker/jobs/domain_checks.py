"""Check domains in DNS on a few own threads, so that resolvers that hang delay no other job."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from shared.config.settings import Settings
from shared.core.errors import StoreUnavailable
from shared.domains.model import judged, questions_of
from shared.provisioning.domain_monitor import DomainMonitor, DueDomain
from worker.dns_lookup import DnsLookup
from worker.http.deadline import within

log = structlog.get_logger(__name__)

#: checks at once. With the scheduler's interval this also limits how many queries a second the resolvers get.
CONCURRENCY = 16


class DomainCheckJob:
    """One per scheduler. Claims a domain only when a thread is free for it, so that no lease runs out in a queue."""

    def __init__(
        self, monitor: DomainMonitor, lookup: DnsLookup, settings: Settings, concurrency: int = CONCURRENCY
    ) -> None:
        self._monitor = monitor
        self._lookup = lookup
        self._attempt_seconds = settings.attempt_seconds
        self._concurrency = concurrency
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="domain-check")
        self._running: set[Future[None]] = set()

    def push(self) -> int:
        """Start due checks while threads are free; return how many operations were started."""
        self._running = {check for check in self._running if not check.done()}
        for due in self._monitor.claim(self._concurrency - len(self._running)):
            self._running.add(self._pool.submit(self._check, due))
        return self._monitor.start_reconciles()

    def close(self) -> None:
        """Wait until running checks have ended; each has a deadline."""
        self._pool.shutdown()

    def _check(self, due: DueDomain) -> None:
        try:
            with within(self._attempt_seconds):
                answers, fault = self._lookup.answered(questions_of(due.tenant, due.name, self._monitor.maker))
            self._monitor.record(due, judged(due.tenant, due.name, self._monitor.maker, answers, fault))
        except StoreUnavailable:
            # the domain is due again when its lease runs out
            log.warning("domain.store_unavailable", domain=due.name)
        except Exception:  # a bug with one domain must not end the scheduler's thread
            log.exception("domain.bug", domain=due.name, tenant=due.tenant.slug)
