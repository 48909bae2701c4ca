"""How operations ended, hour by hour, from one index: outcomes, and how long provisions took."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from pymongo.database import Database

from shared.db.documents import Document, our_errors, seconds_from_now
from shared.operations.model import Mode, OperationStatus
from shared.operations.problems import ANY, HAS_PROBLEM, field_of
from shared.status.model import Hour
from shared.status.problem_repository import TenantIds, in_scope
from shared.workflows.model import Action

HOUR = 3600.0
#: of one hour's provisions so many times are kept for its percentiles
MOST_TIMES = 2000


class OutcomeRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["operations"]

    def open(self, tenant_ids: TenantIds) -> dict[str, int]:
        """Running operations by action, plans apart."""
        condition = {"status": OperationStatus.RUNNING, "mode": {"$ne": Mode.PLAN}, **in_scope(tenant_ids)}
        grouped = {"_id": "$action", "count": {"$sum": 1}}
        with our_errors():
            return {
                row["_id"]: row["count"] for row in self._rows.aggregate([{"$match": condition}, {"$group": grouped}])
            }

    def open_states(self) -> tuple[dict[str, int], float]:
        """Running operations by their most severe problem (`ok`: none), and the age of the oldest, in seconds."""
        condition = {"status": OperationStatus.RUNNING, "mode": {"$ne": Mode.PLAN}}
        grouped = {
            "_id": {"$ifNull": [f"${field_of(ANY)}", "ok/"]},
            "count": {"$sum": 1},
            "first": {"$min": "$createdAt"},
        }
        aged = {"$project": {"count": 1, "age": {"$divide": [{"$subtract": ["$$NOW", "$first"]}, 1000]}}}
        with our_errors():
            rows = list(self._rows.aggregate([{"$match": condition}, {"$group": grouped}, aged]))
        counts = {row["_id"].rstrip("/"): row["count"] for row in rows}
        return counts, max((row["age"] for row in rows), default=0.0)

    def failing(self, tenant_ids: TenantIds) -> dict[str, int]:
        """Operations with a problem, by the most severe kind of it."""
        condition = {field_of(ANY): HAS_PROBLEM, **in_scope(tenant_ids)}
        grouped = {"_id": f"${field_of(ANY)}", "count": {"$sum": 1}}
        with our_errors():
            rows = list(self._rows.aggregate([{"$match": condition}, {"$group": grouped}], hint=f"problems_{ANY}"))
        return {row["_id"].rstrip("/"): row["count"] for row in rows}

    def hours(self, tenant_ids: TenantIds, count: int) -> list[Hour]:
        """The last so many hours in which any operation ended, oldest first."""
        recent = {"$gte": ["$finishedAt", seconds_from_now(-count * HOUR)]}
        condition = {"finishedAt": {"$type": "date"}, "mode": {"$ne": Mode.PLAN}, "$expr": recent}
        is_timed = {"$and": [{"$eq": ["$action", Action.PROVISION]}, {"$eq": ["$status", OperationStatus.SUCCEEDED]}]}
        seconds = {"$divide": [{"$subtract": ["$finishedAt", "$createdAt"]}, 1000]}
        grouped = {
            "_id": {
                "hour": {"$dateTrunc": {"date": "$finishedAt", "unit": "hour"}},
                "action": "$action",
                "status": "$status",
            },
            "count": {"$sum": 1},
            "seconds": {"$firstN": {"input": {"$cond": [is_timed, seconds, "$$REMOVE"]}, "n": MOST_TIMES}},
        }
        pipeline: list[Document] = [{"$match": {**condition, **in_scope(tenant_ids)}}, {"$group": grouped}]
        with our_errors():
            return _hours(list(self._rows.aggregate(pipeline, hint="outcomes")))


def _hours(rows: Sequence[Document]) -> list[Hour]:
    outcomes: dict[datetime, dict[tuple[str, str], int]] = defaultdict(dict)
    times: dict[datetime, list[float]] = defaultdict(list)
    for row in rows:
        key = row["_id"]
        outcomes[key["hour"]][(key["action"], key["status"])] = row["count"]
        times[key["hour"]] += [one for one in row["seconds"] if one is not None]
    return [Hour(hour, outcomes[hour], *_percentiles(times[hour])) for hour in sorted(outcomes)]


def _percentiles(times: Sequence[float]) -> tuple[float | None, float | None]:
    if len(times) < 2:
        return (times[0], times[0]) if times else (None, None)
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return cuts[49], cuts[94]
