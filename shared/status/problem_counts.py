"""Count problems by sets: many operations have the same set, so one number serves all integrations of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pymongo.collection import Collection

from shared.db.documents import Document, translate_errors
from shared.operations.problems import ANY, ANY_PROBLEMS, COUNTED, Kind

#: up to so many sets each is counted in the index, which costs a tenth of grouping; beyond, grouping is cheaper
FEW_SETS = 20


class ProblemCounts:
    """The number of operations with each problem of an integration, which is `<kind>/<reason>`."""

    def __init__(self, sets: list[tuple[Mapping[str, str], int]]) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        for problems, count in sets:
            self._counts.update({pair: count for pair in problems.items()})

    def tenants(self) -> dict[str, int]:
        """Return how many tenants have a problem, by their most severe kind."""
        found = {kind.value: self._counts[ANY, f"{kind}/"] for kind in Kind}
        return {kind: count for kind, count in found.items() if count}

    def of(self, integration: str) -> dict[str, int]:
        """Return the number of each problem of an integration, in a fixed order."""
        return {value: count for (name, value), count in sorted(self._counts.items()) if name == integration}


def count_problems(collection: Collection[Document], scope: Document) -> ProblemCounts:
    """Count from the index alone. `scope`: a condition on `tenantId`, empty for all tenants."""
    with translate_errors():
        if not scope:
            # the server skips from one set to the next
            sets = collection.distinct("problems", ANY_PROBLEMS)
            if len(sets) <= FEW_SETS:
                return ProblemCounts([(one, _number(collection, one)) for one in sets])
        grouped: list[Document] = [
            {"$match": {**ANY_PROBLEMS, **scope}},
            {"$group": {"_id": "$problems", "count": {"$sum": 1}}},
        ]
        return ProblemCounts(
            [(document["_id"], document["count"]) for document in collection.aggregate(grouped, hint=COUNTED)]
        )


def _number(collection: Collection[Document], problems: Any) -> int:
    return collection.count_documents({"problems": problems}, hint=COUNTED)
