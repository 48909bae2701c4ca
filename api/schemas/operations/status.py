"""Response schemas of current problems and of operation statistics."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from api.schemas.models import RecordId, ResponseModel
from api.schemas.platform.integrations import BreakerResponse, FailingTenantResponse, PauseResponse
from shared.integrations.reasons import REASONS
from shared.operations.problems import NOT_TAKEN_MESSAGE, NOT_TAKEN_REMEDY, Kind
from shared.status.model import Finding, Group, Status

#: problem kind without a reason in the catalogue, to its message and remedy
MEANINGS: dict[str, tuple[str, str]] = {
    Kind.OVERDUE: (NOT_TAKEN_MESSAGE, NOT_TAKEN_REMEDY),
    Finding.NOT_DISPATCHED: (
        "Operations are due and were not sent.",
        "Check that a scheduler runs, that the broker answers, and that workers keep up with their queues.",
    ),
    Finding.DRIFTED: (
        "The product no longer agrees with the record.",
        "Read the tenant's drift, then reconcile the tenant.",
    ),
    Finding.STUCK_PURGE: (
        "The grace of deleted tenants is over and their removal does not come to its end.",
        "Read the operation's steps; if none has begun, look at the purge quota and at observe-only mode.",
    ),
    Finding.FAILING_WEBHOOK: (
        "The webhook's receiver does not accept deliveries.",
        "List the webhook's deliveries, then have the receiver repaired.",
    ),
}
_DOMAINS: dict[tuple[str, str], tuple[str, str]] = {
    (Finding.DEGRADED_DOMAIN, "degraded"): (
        "The domain is proven, but records that mail needs are missing or wrong.",
        "Have the domain's owner publish the records listed under the tenant's domains.",
    ),
    (Finding.DEGRADED_DOMAIN, "failed"): (
        "The domain was not proven in time, or its proof is gone.",
        "Have the domain's owner publish the proof, then verify the domain.",
    ),
}


class ExampleResponse(ResponseModel):
    """An example of a group. `name`: the domain or the webhook's host, in groups of those."""

    tenant: str | None = Field(None, description="the tenant's slug")
    since: datetime | None = None
    operation: RecordId | None = None
    step: str | None = None
    attempts: int | None = None
    next_attempt_at: datetime | None = None
    message: str | None = None
    remedy: str | None = None
    name: str | None = None
    webhook: RecordId | None = Field(None, description="the webhook's id, in groups of those")


class GroupResponse(ResponseModel):
    """Problems of one kind, integration and reason: their number, and the oldest of them."""

    kind: Kind | Finding
    integration: str | None = None
    reason: str
    message: str | None = None
    remedy: str | None = None
    count: int
    oldest: datetime | None = None
    examples: list[ExampleResponse]

    @model_validator(mode="before")
    @classmethod
    def _read(cls, group: Group) -> dict[str, Any]:
        message, remedy = _meaning(group)
        return {**vars(group), "message": message, "remedy": remedy}


def _not_isolated(failing: list[FailingTenantResponse]) -> list[FailingTenantResponse]:
    return [one for one in failing if not one.isolated]


class OpenBreakerResponse(BreakerResponse):
    """An open breaker. `failing`: the tenants whose attempts opened it, if the caller may see them."""

    integration: str
    failing: Annotated[list[FailingTenantResponse], AfterValidator(_not_isolated)]


class ActivePauseResponse(PauseResponse):
    """A pause of an integration, of `all`, or `observe-only`; or of the `tenant`."""

    integration: str | None = None
    tenant: str | None = Field(None, description="the tenant's slug")


class StatusResponse(ResponseModel):
    """Current problems. Pauses are not problems: they leave `ok` true."""

    at: datetime
    ok: bool
    tenants: dict[str, int] = Field(description="tenants with a problem, by the most severe kind")
    groups: list[GroupResponse]
    breakers: list[OpenBreakerResponse] = Field(description="open circuit breakers")
    pauses: list[ActivePauseResponse]

    @model_validator(mode="before")
    @classmethod
    def _read(cls, status: Status) -> dict[str, Any]:
        pauses = [{**vars(one.pause), "integration": one.name} for one in status.pauses]
        pauses += [{**vars(one.switch.pause), "tenant": one.tenant} for one in status.tenant_pauses]
        return {**vars(status), "ok": status.is_ok, "pauses": pauses}


class OutcomeResponse(ResponseModel):
    action: str
    status: str
    count: int


def _outcomes(counts: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    return [{"action": action, "status": status, "count": count} for (action, status), count in sorted(counts.items())]


class HourResponse(ResponseModel):
    begins: datetime
    outcomes: Annotated[list[OutcomeResponse], BeforeValidator(_outcomes)]
    active_seconds_p50: float | None = Field(
        None, validation_alias="active_p50", description="median time from request to active"
    )
    active_seconds_p95: float | None = Field(None, validation_alias="active_p95")


class SummaryResponse(ResponseModel):
    """`open`: running operations by action. `problems`: operations with a problem, by the most severe kind."""

    open: dict[str, int]
    problems: dict[str, int] = Field(validation_alias="failing")
    hours: list[HourResponse] = Field(description="oldest first; hours in which no operation ended are omitted")


def _meaning(group: Group) -> tuple[str | None, str | None]:
    if group.kind in MEANINGS:
        return MEANINGS[group.kind]
    if (group.kind, group.reason) in _DOMAINS:
        return _DOMAINS[(group.kind, group.reason)]
    reason = REASONS.get(group.reason)
    if reason is None:
        return None, None
    if group.kind is Kind.FAILED and (reason.repeats or reason.retryable):
        # the operations of a group have different actions; a retry of their steps is the same for all
        return reason.message, f"{reason.remedy} Then retry the failed steps.".strip()
    return reason.message, reason.remedy_while_open
