"""Removals of tenants that begin by themselves: at most so many a day, and an operator's word for more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog

from shared.config.settings import Settings
from shared.db.connection import MongoConnection
from shared.db.daily_quota import DailyQuota
from shared.db.documents import Transaction
from shared.events.model import Author, NewEvent
from shared.events.repository import EventRepository
from shared.rights import policy as access
from shared.rights.operator_policy import may_see_switches
from shared.rights.policy import Actor
from shared.tenants.counts import TenantCounts

log = structlog.get_logger(__name__)

DAY = 86400.0
NAME = "purges"
PURGING = "Removing tenants for good takes a platform administrator."


class NoTurnLeft(Exception):
    """As many removals have begun by themselves as may in a day."""


@dataclass(frozen=True)
class PurgePace:
    """`begun` in the last day, of `per_day`; `extra`: how many more may; `waiting`: tenants whose grace is over.

    `exhausted_since`: the day's were used up while others wait.
    """

    per_day: int
    begun: int
    extra: int
    waiting: int
    exhausted_since: datetime | None


class PurgeQuotaService:
    def __init__(
        self,
        *,
        connection: MongoConnection,
        daily_quota: DailyQuota,
        events: EventRepository,
        tenant_counts: TenantCounts,
        settings: Settings,
    ) -> None:
        self._connection = connection
        self._daily_quota = daily_quota
        self._events = events
        self._tenant_counts = tenant_counts
        self._per_day = settings.purges_per_day

    def pace(self, actor: Actor) -> PurgePace:
        """The day's quota and how much of it is used. Raises Forbidden."""
        access.require(may_see_switches(actor), PURGING)
        return self._pace()

    def allow(self, count: int, actor: Actor) -> PurgePace:
        """Let so many more begin by themselves, now. Raises Forbidden."""
        access.require(access.may_purge_tenant(actor), PURGING)

        def work(session: Transaction) -> None:
            self._daily_quota.add_extra(NAME, count, DAY, session)
            self._events.append(NewEvent("purges.allow", actor.author, after={"count": count}), session)

        self._connection.transaction(work)
        return self._pace()

    # -- the sweep's

    def take(self, session: Transaction) -> None:
        """Take a turn for one that begins by itself in this transaction. Raises NoTurnLeft."""
        if not self._daily_quota.take(NAME, self._per_day, DAY, session):
            raise NoTurnLeft

    def hold(self) -> None:
        """One found no turn left. The first is told of."""
        waiting = self._tenant_counts.count_purgeable()
        after = {"waiting": waiting, "perDay": self._per_day}

        def work(session: Transaction) -> bool:
            is_news = self._daily_quota.mark_exhausted(NAME, session)
            if is_news:
                self._events.append(NewEvent("purges.held", Author(None, "purges"), after=after), session)
            return is_news

        if self._connection.transaction(work):
            log.warning("purges.held", **after)

    def _pace(self) -> PurgePace:
        found = self._daily_quota.find(NAME, DAY)
        waiting = self._tenant_counts.count_purgeable()
        return PurgePace(self._per_day, found.used, found.extra, waiting, found.exhausted_since if waiting else None)


def are_deferred(daily_quota: DailyQuota, tenant_counts: TenantCounts) -> bool:
    """Tell whether tenants wait because the day's purge quota is used up."""
    return daily_quota.find(NAME, DAY).exhausted_since is not None and tenant_counts.count_purgeable(1) > 0
