"""Fault injection: rules for the requests that fail, the kind of failure, and its frequency."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

#: faults of every simulator; a product adds its own
COMMON_KINDS = frozenset(
    {
        "latency",
        "hang",
        "drip",
        "reset",
        "lost",
        "status",
        "applied_then_status",
        "rate_limited",
        "wrong_body",
        "empty_body",
    }
)


class Fault(BaseModel):
    """One rule. All given conditions must match; a rule without conditions matches every request.

    kind:
        latency              correct response after `delay` seconds
        hang                 not executed; no response for `delay` seconds (default 3600), then the connection closes
        drip                 correct response, one byte per `delay` seconds (default 1)
        reset                not executed; the connection is aborted
        lost                 executed, then the connection is aborted before the response
        status               not executed; response `status` (default 503) with `body` (default: a proxy's HTML page)
        applied_then_status  executed, then as `status`
        rate_limited         not executed; 429 with `Retry-After: retry_after`
        wrong_body           executed; 200 with a body that is not JSON
        empty_body           executed; 200 with an empty body
        ignored              not executed, but a success response; for requests that may change state
        stale_reads          executed, but reads do not show it for `delay` seconds (default 1); same requests
        other kinds          applied by the product's own code
    """

    model_config = ConfigDict(extra="forbid")

    kind: str
    method: str | None = Field(None, description="HTTP method, exact")
    path: str | None = Field(None, description="regular expression searched in the path with its query")
    contains: str | None = Field(None, description="regular expression searched in the request body")
    after: int = Field(0, ge=0, description="how many matching requests are served first")
    count: int | None = Field(
        None, ge=1, description="how many requests fail; without it all, until the rule is removed"
    )
    probability: float = Field(1.0, ge=0, le=1)
    delay: float | None = Field(None, ge=0, description="seconds")
    status: int = 503
    retry_after: int = 1
    body: str | None = None
    content_type: str = "text/html"
    headers: dict[str, str] = {}

    _seen: int = PrivateAttr(0)
    _done: int = PrivateAttr(0)

    def matches(self, method: str, path: str, body: str) -> bool:
        return (
            (self.method is None or self.method == method)
            and (self.path is None or re.search(self.path, path) is not None)
            and (self.contains is None or re.search(self.contains, body) is not None)
        )

    def spent(self) -> bool:
        return self.count is not None and self._done >= self.count

    def inject(self, chance: random.Random) -> bool:
        """Count this matching request; tell whether it fails."""
        self._seen += 1
        if self._seen <= self.after or self.spent() or chance.random() >= self.probability:
            return False
        self._done += 1
        return True


class FaultPlan:
    """The active rules in their order; the first one that matches is applied."""

    def __init__(self, kinds: frozenset[str] = COMMON_KINDS) -> None:
        self.kinds = kinds
        self._chance = random.Random(0)
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a rule. Raises ValueError for a kind that this simulator does not know."""
        if fault.kind not in self.kinds:
            raise ValueError(f"unknown fault kind {fault.kind!r}; known: {', '.join(sorted(self.kinds))}")
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def list(self) -> list[dict[str, Any]]:
        return [fault.model_dump(exclude_defaults=True) | {"injected": fault._done} for fault in self._faults]

    def inject(self, kinds: Iterable[str], method: str = "", path: str = "", body: str = "") -> Fault | None:
        """Return the first rule of these kinds that matches, or None."""
        wanted = frozenset(kinds)
        for fault in self._faults:
            if fault.kind in wanted and fault.matches(method, path, body) and fault.inject(self._chance):
                return fault
        return None
