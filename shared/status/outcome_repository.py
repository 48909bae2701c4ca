"""Results of operations by hour, and durations of provisions. A covering index answers the queries."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from pymongo.database import Database

from shared.db.documents import Document, seconds_from_now, translate_errors
from shared.operations.model import Mode, OperationStatus
from shared.operations.problems import ANY, field_of
from shared.status.model import Hour
from shared.status.problem_repository import TenantIds, in_scope
from shared.workflows.model import Action

HOUR = 3600.0
#: upper limit of durations in one hour's percentiles
MAX_DURATIONS = 2000


class OutcomeRepository:
    def __init__(self, database: Database[Document]) -> None:
        self._operations = database["operations"]

    def open(self, tenant_ids: TenantIds) -> dict[str, int]:
        """Return the number of running operations by action, without dry runs."""
        condition = {"status": OperationStatus.RUNNING, "mode": {"$ne": Mode.DRY_RUN}, **in_scope(tenant_ids)}
        grouped = {"_id": "$action", "count": {"$sum": 1}}
        with translate_errors():
            return {
                document["_id"]: document["count"]
                for document in self._operations.aggregate([{"$match": condition}, {"$group": grouped}])
            }

    def open_states(self) -> tuple[dict[str, int], float]:
        """Return counts of running operations by most severe problem (`ok`: none), and the oldest's age in seconds."""
        condition = {"status": OperationStatus.RUNNING, "mode": {"$ne": Mode.DRY_RUN}}
        grouped = {
            "_id": {"$ifNull": [f"${field_of(ANY)}", "ok/"]},
            "count": {"$sum": 1},
            "first": {"$min": "$createdAt"},
        }
        aged = {"$project": {"count": 1, "age": {"$divide": [{"$subtract": ["$$NOW", "$first"]}, 1000]}}}
        with translate_errors():
            documents = list(self._operations.aggregate([{"$match": condition}, {"$group": grouped}, aged]))
        counts = {document["_id"].rstrip("/"): document["count"] for document in documents}
        return counts, max((document["age"] for document in documents), default=0.0)

    def hours(self, tenant_ids: TenantIds, count: int) -> list[Hour]:
        """Return the last `count` hours, oldest first, without hours in which no operation ended."""
        recent = {"$gte": ["$finishedAt", seconds_from_now(-count * HOUR)]}
        condition = {"finishedAt": {"$type": "date"}, "mode": {"$ne": Mode.DRY_RUN}, "$expr": recent}
        is_timed = {"$and": [{"$eq": ["$action", Action.PROVISION]}, {"$eq": ["$status", OperationStatus.SUCCEEDED]}]}
        seconds = {"$divide": [{"$subtract": ["$finishedAt", "$createdAt"]}, 1000]}
        grouped = {
            "_id": {
                "hour": {"$dateTrunc": {"date": "$finishedAt", "unit": "hour"}},
                "action": "$action",
                "status": "$status",
            },
            "count": {"$sum": 1},
            "seconds": {"$firstN": {"input": {"$cond": [is_timed, seconds, "$$REMOVE"]}, "n": MAX_DURATIONS}},
        }
        pipeline: list[Document] = [{"$match": {**condition, **in_scope(tenant_ids)}}, {"$group": grouped}]
        with translate_errors():
            return _hours(list(self._operations.aggregate(pipeline, hint="outcomes")))


def _hours(documents: Sequence[Document]) -> list[Hour]:
    outcomes: dict[datetime, dict[tuple[str, str], int]] = defaultdict(dict)
    durations: dict[datetime, list[float]] = defaultdict(list)
    for document in documents:
        key = document["_id"]
        outcomes[key["hour"]][(key["action"], key["status"])] = document["count"]
        durations[key["hour"]] += [one for one in document["seconds"] if one is not None]
    return [Hour(hour, outcomes[hour], *_percentiles(durations[hour])) for hour in sorted(outcomes)]


def _percentiles(durations: Sequence[float]) -> tuple[float | None, float | None]:
    if len(durations) < 2:
        return (durations[0], durations[0]) if durations else (None, None)
    cuts = statistics.quantiles(durations, n=100, method="inclusive")
    return cuts[49], cuts[94]
