"""The `switches` collection: breakers and pauses, one row for each integration, paused tenant, or everything.

All workers share them. Rows are few, so each process reads all of them at once, and no more often than it must.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import pymongo
from pymongo import ReturnDocument
from pymongo.database import Database

from shared.db.documents import Document, Transaction, our_errors, present, seconds_from_now
from shared.switches.model import Span, Switch, tenant_of_switch
from shared.switches.pause import Pause

#: how long a process believes what it last read, in seconds: a pause takes hold everywhere within this
TRUST = 1.0

_IS_OPEN: Document = {"$ne": [{"$ifNull": ["$openUntil", None]}, None]}


class Switches:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["switches"]
        self._seen: tuple[float, Mapping[str, Switch]] | None = None

    def seen(self) -> Mapping[str, Switch]:
        """Every switch that was ever used, by name, as it was a second ago at most."""
        known = self._seen
        if known is None or time.monotonic() - known[0] > TRUST:
            known = self._seen = (time.monotonic(), self.all())
        return known[1]

    def all(self, within: float | None = None) -> dict[str, Switch]:
        """The same as it is now. `within`: seconds this may take, if less than usual."""
        with our_errors(), pymongo.timeout(within):
            return {row["_id"]: _switch(row) for row in self._rows.find()}

    def find(self, name: str, session: Transaction | None = None) -> Switch:
        """One of them as it is now, used or not."""
        with our_errors():
            row = self._rows.find_one({"_id": name}, session=session)
        return _switch(row) if row else Switch(name)

    def stopped(self) -> list[str]:
        """Names of those that hold steps back now, breakers that wait for a probe among them."""
        return [name for name, one in self.all().items() if one.pause is not None or one.is_open]

    # -- breakers

    def fail(self, name: str, cause: str, detail: str, limit: int, span: Span, *, is_probe: bool = False) -> Switch:
        """Count an attempt that failed; the `limit`th in a row opens the breaker, as does a failed probe.

        What comes in from attempts that began before it opened changes nothing.
        """
        trips: Document = {"$and": [{"$not": _IS_OPEN}, {"$gte": ["$failures", limit]}]}
        count = {"failures": {"$add": [{"$ifNull": ["$failures", 0]}, 1]}}
        opened = _opened(cause, detail, _span_end(span))
        return self._write(name, [{"$set": count}, _when({"$or": [is_probe, trips]}, opened)])

    def open(self, name: str, cause: str, detail: str, seconds: float) -> Switch:
        """Leave the integration alone for so long, as it asked us to; never for less than was known before."""
        until = {"$max": ["$openUntil", seconds_from_now(seconds)]}
        opened = _opened(cause, detail, until)
        # many are asked so at once, by attempts that began together: that is one opening
        openings = {"$cond": [_IS_OPEN, "$openings", opened["openings"]]}
        return self._write(name, [{"$set": opened | {"openings": openings}}])

    def probe(self, name: str, seconds: float) -> bool:
        """Whether the caller may find out how the integration is: one at a time, each has `seconds` for it."""
        with our_errors():
            done = self._rows.update_one(
                {"_id": name, "openUntil": {"$ne": None}, "$expr": {"$lte": ["$openUntil", "$$NOW"]}},
                [{"$set": {"openUntil": seconds_from_now(seconds)}}],
            )
        return self._changed(done.modified_count)

    def give_back(self, name: str) -> bool:
        """A probe that came to nothing: the next step may."""
        with our_errors():
            condition = {"_id": name, "openUntil": {"$ne": None}}
            done = self._rows.update_one(condition, [{"$set": {"openUntil": "$$NOW"}}])
        return self._changed(done.modified_count)

    def close(self, name: str, *, is_probe: bool) -> bool:
        """The integration answers. Whether anything was held against it.

        Once it is open, only a probe's answer counts: what began before may end well after.
        """
        against = {"openUntil": {"$ne": None}} if is_probe else {"openUntil": None, "failures": {"$gt": 0}}
        cleared = {"openUntil": None, "openedAt": None, "cause": None, "failures": 0, "openings": 0}
        with our_errors():
            done = self._rows.update_one({"_id": name, **against}, {"$set": cleared})
        return self._changed(done.modified_count)

    # -- pauses

    def pause(self, name: str, reason: str, by: str | None, session: Transaction) -> Switch:
        """Let no step begin. Paused already: the new reason counts, from when it was paused first."""
        since = {"$ifNull": ["$pause.since", "$$NOW"]}
        pause = {"reason": {"$literal": reason}, "by": by, "since": since}
        return self._write(name, [{"$set": {"pause": pause}}], session)

    def resume(self, name: str, session: Transaction) -> Switch | None:
        """Let steps begin. An open breaker may be probed at once. None: nothing was known of this switch."""
        change = {"pause": None, "resumedAt": "$$NOW", "openUntil": {"$cond": [_IS_OPEN, "$$NOW", None]}}
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


def _opened(cause: str, detail: str, until: Document) -> Document:
    return {
        "openUntil": until,
        "openedAt": {"$ifNull": ["$openedAt", "$$NOW"]},
        "openings": {"$add": [{"$ifNull": ["$openings", 0]}, 1]},
        "cause": {"$literal": cause},
        "detail": {"$literal": detail},
    }


def _span_end(span: Span) -> Document:
    doubled = {"$multiply": [round(span.first * 1000), {"$pow": [2, {"$ifNull": ["$openings", 0]}]}]}
    return {"$add": ["$$NOW", {"$toLong": {"$min": [round(span.longest * 1000), doubled]}}]}


def _when(condition: Document, fields: Document) -> Document:
    """Set these fields where the condition holds, else leave them as they are."""
    kept = {name: {"$cond": [condition, value, {"$ifNull": [f"${name}", None]}]} for name, value in fields.items()}
    return {"$set": kept}


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
        resumed_at=row.get("resumedAt"),
    )
