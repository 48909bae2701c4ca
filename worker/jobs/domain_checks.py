"""Looks at domains in DNS on a few threads of its own, so that resolvers that hang hold up nothing else."""

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

#: looks at once. With the sweep's interval this also bounds how many questions a second the resolvers are asked.
SLOTS = 16


class DomainCheckJob:
    """One per sweep. Domains are claimed only when a thread is free for each, so that no lease runs out in a queue."""

    def __init__(self, watch: DomainMonitor, lookup: DnsLookup, settings: Settings, slots: int = SLOTS) -> None:
        self._watch = watch
        self._lookup = lookup
        self._attempt_seconds = settings.attempt_seconds
        self._slots = slots
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="domain-look")
        self._running: set[Future[None]] = set()

    def push(self) -> int:
        """Start what is due, as far as threads are free, and wait for none of it; how many operations were started."""
        self._running = {look for look in self._running if not look.done()}
        for due in self._watch.claim(self._slots - len(self._running)):
            self._running.add(self._pool.submit(self._look, due))
        return self._watch.start_reconciles()

    def close(self) -> None:
        """End once the looks under way have; each has its time."""
        self._pool.shutdown()

    def _look(self, due: DueDomain) -> None:
        try:
            with within(self._attempt_seconds):
                answers, fault = self._lookup.answered(questions_of(due.tenant, due.name, self._watch.maker))
            self._watch.record(due, judged(due.tenant, due.name, self._watch.maker, answers, fault))
        except StoreUnavailable:
            # the domain is due again when its lease runs out
            log.warning("domain.store_unavailable", domain=due.name)
        except Exception:  # a bug with one domain must not cost the sweep its thread
            log.exception("domain.bug", domain=due.name, tenant=due.tenant.slug)
