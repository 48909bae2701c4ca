"""What the service says of itself, and how it says no."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.http.responses import ResponseModel
from shared.provisioning.purge_quota import PurgePace


class HealthResponse(ResponseModel):
    status: Literal["ok"] = "ok"
    service: str | None = None
    version: str | None = None


class ReadinessResponse(ResponseModel):
    status: Literal["ok", "degraded", "unavailable"] = Field(
        description="degraded: requests are accepted and wait for the broker; unavailable: nothing can be served"
    )
    checks: dict[str, Literal["up", "down"]] = Field(
        description="MongoDB and the broker; `issuers` is down when no OIDC_ISSUERS and OIDC_AUDIENCES are set"
    )
    integrations: dict[str, Literal["ok", "failing", "paused"]] = Field(
        {}, description="whether steps are held back, by integration; never a reason not to be ready"
    )
    notices: list[Literal["observe_only", "purges_held"]] | None = Field(
        None, description="what an operator should know of; never a reason not to be ready"
    )


class PurgePaceResponse(ResponseModel):
    """Removals of deleted tenants that begin by themselves."""

    per_day: int = Field(description="how many may begin in a day, by the settings")
    begun: int = Field(description="how many have in the last 24 hours")
    extra: int = Field(description="how many more somebody has allowed")
    waiting: int = Field(description="tenants whose `purgeAfter` has passed")
    held_since: datetime | None = Field(None, description="since when the day's are used up while others wait")

    @classmethod
    def of(cls, pace: PurgePace) -> PurgePaceResponse:
        return cls(
            per_day=pace.per_day,
            begun=pace.begun,
            extra=pace.extra,
            waiting=pace.waiting,
            held_since=pace.held_since,
        )


class FlawResponse(ResponseModel):
    """One fault of a request: a JSON pointer into the body (RFC 6901), or `?name` of a query parameter."""

    pointer: str
    detail: str


class ProblemResponse(ResponseModel):
    """Every error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str = Field(description="what is wrong and what to do")
    instance: str
    code: str = Field(description="stable, snake case: what programs should look at")
    retryable: bool = Field(description="whether the same request may succeed later")
    request_id: str
    operation: str | None = Field(None, description="the id of the operation in the way")
    errors: list[FlawResponse] | None = Field(None, description="all faults of the request at once")
