"""The `switches` collection: breakers and pauses, shared by all processes.

It has one document for each integration, each tenant with a pause or breaker, and each platform-wide switch. There are
few documents, so a process reads all of them at once and caches them for a second.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import pymongo
from pymongo.database import Database

from shared.db.documents import (
    Document,
    Transaction,
    required,
    seconds_from_now,
    translate_errors,
    update_value,
)
from shared.db.mapping import each, mapper
from shared.switches import breaker_updates as updates
from shared.switches.breaker_updates import IS_OPEN
from shared.switches.model import FailingTenant, OpenDuration, Switch, TenantRef, tenant_of_switch

#: seconds for which a process caches the switches: a pause takes effect everywhere within this time
CACHE_SECONDS = 1.0


class SwitchRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._switches = database["switches"]
        self._cached: tuple[float, Mapping[str, Switch]] | None = None

    def cached(self) -> Mapping[str, Switch]:
        """Return every switch in the collection, by name, at most CACHE_SECONDS old."""
        known = self._cached
        if known is None or time.monotonic() - known[0] > CACHE_SECONDS:
            known = self._cached = (time.monotonic(), self.all())
        return known[1]

    def all(self, within: float | None = None) -> dict[str, Switch]:
        """Return every switch as it is now. `within`: a time-out in seconds shorter than the usual one."""
        with translate_errors(), pymongo.timeout(within):
            return {document["_id"]: _switch(document) for document in self._switches.find()}

    def find(self, name: str, session: Transaction | None = None) -> Switch:
        """Return one switch as it is now; one without a document is closed and not paused."""
        with translate_errors():
            document = self._switches.find_one({"_id": name}, session=session)
        return _switch(document) if document else Switch(name)

    def stopped(self) -> list[str]:
        """Return the names of pauses and of breakers that are open or half-open."""
        return [name for name, one in self.all().items() if one.pause is not None or one.is_open]

    def unavailable(self) -> frozenset[str]:
        """Return the names of pauses, and of breakers that are open: a half-open one allows a probe."""
        is_open = {"$gt": ["$openUntil", "$$NOW"]}
        with translate_errors():
            found = self._switches.find({"$or": [{"pause": {"$type": "object"}}, {"$expr": is_open}]}, {"_id": 1})
            return frozenset(document["_id"] for document in found)

    # -- breakers

    def record_failure(
        self,
        name: str,
        tenant: TenantRef | None,
        cause: str,
        detail: str,
        limit: int,
        duration: OpenDuration,
        *,
        wait: float = 0.0,
        is_probe: bool = False,
    ) -> Switch:
        """Record a failed attempt. The breaker opens when `limit` different tenants fail in a row, or a probe fails.

        When the breaker is open already, only a probe's failure extends the time it stays open.
        """
        return self._write(name, updates.failed(tenant, cause, detail, limit, duration, wait=wait, is_probe=is_probe))

    def record_refused_credentials(
        self, name: str, detail: str, fingerprint: str | None, *, is_probe: bool = False
    ) -> Switch:
        """Open the breaker at once. `fingerprint`: a hash of the refused credentials."""
        return self._write(name, updates.credentials_refused(detail, fingerprint, is_probe=is_probe))

    def back_off(self, name: str, cause: str, detail: str, seconds: float) -> Switch:
        """Open the breaker for the time that the integration asked for. This never shortens the time it stays open."""
        return self._write(name, updates.backed_off(cause, detail, seconds))

    def claim_probe(self, name: str, seconds: float, tenant_id: str | None = None, grace: float = 0.0) -> bool:
        """Claim the probe of a half-open breaker for `seconds`. Return whether the caller has it: one at a time.

        A tenant whose own attempts failed can claim it only `grace` seconds later, so that another tenant's step probes
        first.
        """
        waits = {"$cond": [{"$in": [tenant_id, updates.FAILING_IDS]}, round(grace * 1000), 0]}
        due = {"$lte": [{"$add": ["$openUntil", waits]}, "$$NOW"]}
        with translate_errors():
            done = self._switches.update_one(
                {"_id": name, "openUntil": {"$ne": None}, "$expr": due},
                [{"$set": {"openUntil": seconds_from_now(seconds)}}],
            )
        return self._changed(done.modified_count)

    def release_probe(self, name: str) -> None:
        """Release a claimed probe that was not used, so that the next step can probe."""
        with translate_errors():
            condition = {"_id": name, "openUntil": {"$ne": None}}
            done = self._switches.update_one(condition, [{"$set": {"openUntil": "$$NOW"}}])
        self._changed(done.modified_count)

    def allow_probe_with(self, name: str, fingerprint: str) -> bool:
        """Allow a probe at once when the breaker is open because of other credentials than these."""
        condition = {"_id": name, "openUntil": {"$ne": None}, "refused": {"$nin": [None, fingerprint]}}
        with translate_errors():
            done = self._switches.update_one(condition, [{"$set": {"openUntil": "$$NOW"}}])
        return self._changed(done.modified_count)

    def record_answer(self, name: str, tenant: TenantRef | None = None, *, is_probe: bool) -> bool:
        """Record that the integration answered. Return false when there was nothing to change.

        Only a probe closes an open breaker: other attempts may have started before it opened.
        """
        state: Document = {"openUntil": {"$ne": None}} if is_probe else {"openUntil": None}
        with translate_errors():
            done = self._switches.update_one({"_id": name, **state}, updates.answered(tenant))
        return self._changed(done.modified_count)

    # -- pauses

    def pause(self, name: str, reason: str, by: str | None, session: Transaction) -> Switch:
        """Pause this switch. When it is paused already, only replace reason and user; `since` stays."""
        since = {"$ifNull": ["$pause.since", "$$NOW"]}
        pause = {"reason": {"$literal": reason}, "by": by, "since": since}
        return self._write(name, [{"$set": {"pause": pause}}], session)

    def resume(self, name: str, session: Transaction) -> Switch | None:
        """End a pause, and allow a probe of an open breaker at once. Return None for a switch without a document."""
        change = {"pause": None, "resumedAt": "$$NOW", "openUntil": {"$cond": [IS_OPEN, "$$NOW", None]}}
        switch = update_value(self._switches, {"_id": name}, [{"$set": change}], _switch, session)
        if switch is not None and tenant_of_switch(name):
            self._switches.delete_one({"_id": name}, session=session)
        self._cached = None
        return switch

    def _write(self, name: str, pipeline: list[Document], session: Transaction | None = None) -> Switch:
        switch = required(update_value(self._switches, {"_id": name}, pipeline, _switch, session, upsert=True))
        self._cached = None
        return switch

    def _changed(self, documents: int) -> bool:
        self._cached = None if documents else self._cached
        return documents > 0


_failing = mapper(FailingTenant, tenant=mapper(TenantRef, id="tenantId"), is_isolated="isolated")
_switch = mapper(Switch, name="_id", failing=each("failing", _failing))
