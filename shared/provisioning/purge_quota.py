"""Purge quota: the daily limit of automatic purges, which a platform administrator can raise."""

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
from shared.rights import policy
from shared.rights.operator_policy import may_see_switches
from shared.rights.policy import Actor
from shared.tenants.read_repository import TenantCounts

log = structlog.get_logger(__name__)

NEEDS_PLATFORM_ADMIN = "Only a platform administrator may purge tenants."


class QuotaUsedUp(Exception):
    """No more automatic purge may start today."""


@dataclass(frozen=True)
class PurgeQuota:
    """Use of the quota.

    `used`: automatic purges started in the last 24 hours, of `per_day`. `extra`: additional ones still allowed.
    `waiting`: tenants that are due for a purge. `exhausted_since`: since when they wait because the quota is used up.
    """

    per_day: int
    used: int
    extra: int
    waiting: int
    exhausted_since: datetime | None


@dataclass(frozen=True, kw_only=True)
class PurgeQuotaService:
    connection: MongoConnection
    daily_quota: DailyQuota
    events: EventRepository
    tenant_counts: TenantCounts
    settings: Settings

    def state(self, actor: Actor) -> PurgeQuota:
        """Return the quota and its use. Raises Forbidden."""
        policy.require(may_see_switches(actor), NEEDS_PLATFORM_ADMIN)
        return self._state()

    def allow(self, count: int, actor: Actor) -> PurgeQuota:
        """Allow `count` additional automatic purges. Raises Forbidden."""
        policy.require(policy.may_purge_tenant(actor), NEEDS_PLATFORM_ADMIN)

        def work(session: Transaction) -> None:
            self.daily_quota.add_extra(count, session)
            self.events.append(NewEvent("purges.allow", actor.author, after={"count": count}), session)

        self.connection.transaction(work)
        return self._state()

    def take(self, session: Transaction) -> None:
        """Use one purge of the quota within the transaction that starts it. Raises QuotaUsedUp."""
        if not self.daily_quota.take(self.settings.purges_per_day, session):
            raise QuotaUsedUp

    def record_used_up(self) -> None:
        """Record that tenants wait for the quota, with an event the first time."""
        waiting = self.tenant_counts.count_purgeable()
        after = {"waiting": waiting, "perDay": self.settings.purges_per_day}

        def work(session: Transaction) -> bool:
            is_first = self.daily_quota.mark_exhausted(session)
            if is_first:
                self.events.append(NewEvent("purges.held", Author(None, "purges"), after=after), session)
            return is_first

        if self.connection.transaction(work):
            log.warning("purges.quota_exhausted", **after)

    def _state(self) -> PurgeQuota:
        found = self.daily_quota.find()
        waiting = self.tenant_counts.count_purgeable()
        return PurgeQuota(
            self.settings.purges_per_day, found.used, found.extra, waiting, found.exhausted_since if waiting else None
        )


def is_exhausted(daily_quota: DailyQuota, tenant_counts: TenantCounts) -> bool:
    """Return whether tenants wait because the purge quota is used up."""
    return daily_quota.find().exhausted_since is not None and tenant_counts.count_purgeable(1) > 0
