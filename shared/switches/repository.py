"""The `switches` collection: breakers and pauses, one document for each integration, paused tenant, or everything.

All workers share them. There are few documents, so a process reads all of them at once and trusts that for a second.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import pymongo
from pymongo import ReturnDocument
from pymongo.database import Database

from shared.db.documents import Document, Transaction, our_errors, present, seconds_from_now
from shared.switches import breaker_updates as updates
from shared.switches.breaker_updates import IS_OPEN
from shared.switches.model import FailingTenant, Span, Switch, TenantRef, tenant_of_switch
from shared.switches.pause import Pause

#: how long a process trusts its last read, in seconds: a pause takes effect everywhere within this time
TRUST = 1.0


class SwitchRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["switches"]
        self._seen: tuple[float, Mapping[str, Switch]] | None = None

    def seen(self) -> Mapping[str, Switch]:
        """Return every switch ever used, by name, at most a second old."""
        known = self._seen
        if known is None or time.monotonic() - known[0] > TRUST:
            known = self._seen = (time.monotonic(), self.all())
        return known[1]

    def all(self, within: float | None = None) -> dict[str, Switch]:
        """Return every switch as it is now. `within`: seconds this may take, if less than usual."""
        with our_errors(), pymongo.timeout(within):
            return {row["_id"]: _switch(row) for row in self._rows.find()}

    def find(self, name: str, session: Transaction | None = None) -> Switch:
        """Return one switch as it is now, used or not."""
        with our_errors():
            row = self._rows.find_one({"_id": name}, session=session)
        return _switch(row) if row else Switch(name)

    def stopped(self) -> list[str]:
        """Return names of switches that defer steps now, breakers that wait for a probe among them."""
        return [name for name, one in self.all().items() if one.pause is not None or one.is_open]

    # -- breakers

    def fail(
        self,
        name: str,
        tenant: TenantRef | None,
        cause: str,
        detail: str,
        limit: int,
        span: Span,
        *,
        is_probe: bool = False,
    ) -> Switch:
        """Record a failed attempt. The breaker opens when `limit` different tenants fail in a row, or a probe fails.

        Attempts that began before it opened change nothing.
        """
        return self._write(name, updates.failed(tenant, cause, detail, limit, span, is_probe=is_probe))

    def refuse_credentials(
        self, name: str, detail: str, span: Span, fingerprint: str | None, *, is_probe: bool = False
    ) -> Switch:
        """Open the breaker at once. `fingerprint`: of the credentials that were refused."""
        return self._write(name, updates.credentials_refused(detail, span, fingerprint, is_probe=is_probe))

    def open(self, name: str, cause: str, detail: str, seconds: float) -> Switch:
        """Open the breaker for the time the integration asked for; never shorten the time it is open already."""
        return self._write(name, updates.backed_off(cause, detail, seconds))

    def probe(self, name: str, seconds: float, tenant_id: str | None = None, grace: float = 0.0) -> bool:
        """Return whether the caller may probe: one at a time, each within `seconds`.

        A tenant whose own attempts failed gets the probe only `grace` seconds later, so that another tenant's step
        comes first.
        """
        waits = {"$cond": [{"$in": [tenant_id, updates.FAILING_IDS]}, round(grace * 1000), 0]}
        due = {"$lte": [{"$add": ["$openUntil", waits]}, "$$NOW"]}
        with our_errors():
            done = self._rows.update_one(
                {"_id": name, "openUntil": {"$ne": None}, "$expr": due},
                [{"$set": {"openUntil": seconds_from_now(seconds)}}],
            )
        return self._changed(done.modified_count)

    def return_probe(self, name: str) -> bool:
        """Let the next step probe: this probe was not used."""
        with our_errors():
            condition = {"_id": name, "openUntil": {"$ne": None}}
            done = self._rows.update_one(condition, [{"$set": {"openUntil": "$$NOW"}}])
        return self._changed(done.modified_count)

    def probe_with(self, name: str, fingerprint: str) -> bool:
        """Let the next step probe when the breaker is open for credentials other than these."""
        condition = {"_id": name, "openUntil": {"$ne": None}, "refused": {"$nin": [None, fingerprint]}}
        with our_errors():
            done = self._rows.update_one(condition, [{"$set": {"openUntil": "$$NOW"}}])
        return self._changed(done.modified_count)

    def close(self, name: str, tenant: TenantRef | None = None, *, is_probe: bool) -> bool:
        """Record that the integration answered; return whether anything was held against it.

        An open breaker is closed only by a probe: other attempts may have begun before it opened.
        """
        against: Document = {"openUntil": {"$ne": None}} if is_probe else {"openUntil": None}
        with our_errors():
            done = self._rows.update_one({"_id": name, **against}, updates.answered(tenant))
        return self._changed(done.modified_count)

    # -- pauses

    def pause(self, name: str, reason: str, by: str | None, session: Transaction) -> Switch:
        """Pause. When already paused, the new reason counts, since the first pause."""
        since = {"$ifNull": ["$pause.since", "$$NOW"]}
        pause = {"reason": {"$literal": reason}, "by": by, "since": since}
        return self._write(name, [{"$set": {"pause": pause}}], session)

    def resume(self, name: str, session: Transaction) -> Switch | None:
        """End a pause; an open breaker may be probed at once. Return None for a switch that was never used."""
        change = {"pause": None, "resumedAt": "$$NOW", "openUntil": {"$cond": [IS_OPEN, "$$NOW", None]}}
        row = self._rows.find_one_and_update(
            {"_id": name}, [{"$set": change}], return_document=ReturnDocument.AFTER, session=session
        )
        if row is not None and tenant_of_switch(name):
            self._rows.delete_one({"_id": name}, session=session)
        self._seen = None
        return _switch(row) if row else None

    def _write(self, name: str, pipeline: list[Document], session: Transaction | None = None) -> Switch:
        with our_errors():
            row = self._rows.find_one_and_update(
                {"_id": name}, pipeline, upsert=True, return_document=ReturnDocument.AFTER, session=session
            )
        self._seen = None
        return _switch(present(row))

    def _changed(self, rows: int) -> bool:
        self._seen = None if rows else self._seen
        return rows > 0


def _switch(row: Document) -> Switch:
    pause = row.get("pause")
    return Switch(
        name=row["_id"],
        pause=Pause(pause["reason"], pause["since"], pause["by"]) if pause else None,
        open_until=row.get("openUntil"),
        opened_at=row.get("openedAt"),
        cause=row.get("cause"),
        detail=row.get("detail") or "",
        failures=row.get("failures", 0),
        failing=tuple(map(_failing, row.get("failing") or ())),
        resumed_at=row.get("resumedAt"),
    )


def _failing(row: Document) -> FailingTenant:
    return FailingTenant(
        tenant=TenantRef(row["tenantId"], row["slug"]),
        reason=row["reason"],
        since=row["since"],
        at=row["at"],
        is_isolated=row["isolated"],
    )
