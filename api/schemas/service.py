"""Response schemas of health and of problems."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas.models import ResponseModel


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
        {}, description="state of each integration; it does not affect readiness"
    )
    notices: list[Literal["observe_only", "purges_held"]] | None = Field(
        None, description="states that an operator should know; they do not affect readiness"
    )


class FieldErrorResponse(ResponseModel):
    """One invalid field of a request: a JSON pointer into the body (RFC 6901), or `?name` of a query parameter."""

    pointer: str
    detail: str


class ProblemResponse(ResponseModel):
    """An error, in the format of RFC 9457."""

    type: str
    title: str
    status: int
    detail: str = Field(description="what is wrong and what to do")
    instance: str
    code: str = Field(description="stable, snake case; for programs")
    retryable: bool = Field(description="whether the same request may succeed later")
    request_id: str
    operation: str | None = Field(None, description="the id of the conflicting operation")
    record: str | None = Field(None, description="the address of what the first request with this key changed")
    errors: list[FieldErrorResponse] | None = Field(None, description="all invalid fields of the request")
