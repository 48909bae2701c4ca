"""Response schemas of current problems and of operation statistics."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.http.responses import ObjectIdText, ResponseModel
from api.schemas.platform.integrations import BreakerResponse, FailingTenantResponse, PauseResponse
from shared.integrations.reasons import REASONS
from shared.operations.problems import Kind
from shared.status.model import Example, Finding, Group, Hour, Status, Summary
from shared.switches.model import Switch

#: problem kind without a reason in the catalogue, to its message and remedy
MEANINGS: dict[str, tuple[str, str]] = {
    Kind.OVERDUE: (
        "The step was sent several times and no worker took it.",
        "Check that workers run and read this integration's queue.",
    ),
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
        "Read its deliveries, then have the receiver repaired.",
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
    operation: ObjectIdText | None = None
    step: str | None = None
    attempts: int | None = None
    next_attempt_at: datetime | None = None
    message: str | None = None
    remedy: str | None = None
    name: str | None = None

    @classmethod
    def of(cls, example: Example) -> ExampleResponse:
        return cls(**vars(example))


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

    @classmethod
    def of(cls, group: Group) -> GroupResponse:
        message, remedy = _meaning(group)
        return cls(
            kind=group.kind,
            integration=group.integration,
            reason=group.reason,
            message=message,
            remedy=remedy,
            count=group.count,
            oldest=group.oldest,
            examples=[ExampleResponse.of(one) for one in group.examples],
        )


class OpenBreakerResponse(BreakerResponse):
    """An open breaker. `failing`: the tenants whose attempts opened it, if the caller may see them."""

    integration: str
    failing: list[FailingTenantResponse]

    @classmethod
    def for_switch(cls, switch: Switch) -> OpenBreakerResponse:
        failing = [FailingTenantResponse.of(one) for one in switch.failing if not one.is_isolated]
        return cls(integration=switch.name, failing=failing, **dict(BreakerResponse.of(switch)))


class ActivePauseResponse(PauseResponse):
    """A pause of an integration, of `all`, or `observe-only`; or of the `tenant`."""

    integration: str | None = None
    tenant: str | None = Field(None, description="the tenant's slug")

    @classmethod
    def for_switch(cls, switch: Switch, tenant: str | None = None) -> ActivePauseResponse:
        assert switch.pause is not None  # noqa: S101 - only paused ones are listed
        name = None if tenant else switch.name
        return cls(integration=name, tenant=tenant, **dict(PauseResponse.of(switch.pause)))


class StatusResponse(ResponseModel):
    """Current problems. Pauses are not problems: they leave `ok` true."""

    at: datetime
    ok: bool
    tenants: dict[str, int] = Field(description="tenants with a problem, by the most severe kind")
    groups: list[GroupResponse]
    breakers: list[OpenBreakerResponse] = Field(description="open circuit breakers")
    pauses: list[ActivePauseResponse]

    @classmethod
    def of(cls, status: Status) -> StatusResponse:
        pauses = [ActivePauseResponse.for_switch(one) for one in status.pauses]
        pauses += [ActivePauseResponse.for_switch(one.switch, one.tenant) for one in status.tenant_pauses]
        return cls(
            at=status.at,
            ok=status.is_ok,
            tenants=dict(status.tenants),
            groups=[GroupResponse.of(group) for group in status.groups],
            breakers=[OpenBreakerResponse.for_switch(one) for one in status.breakers],
            pauses=pauses,
        )


class OutcomeResponse(ResponseModel):
    action: str
    status: str
    count: int


class HourResponse(ResponseModel):
    begins: datetime
    outcomes: list[OutcomeResponse]
    active_seconds_p50: float | None = Field(None, description="median time from request to active")
    active_seconds_p95: float | None = None

    @classmethod
    def of(cls, hour: Hour) -> HourResponse:
        outcomes = [
            OutcomeResponse(action=action, status=status, count=count)
            for (action, status), count in sorted(hour.outcomes.items())
        ]
        return cls(
            begins=hour.begins,
            outcomes=outcomes,
            active_seconds_p50=hour.active_p50,
            active_seconds_p95=hour.active_p95,
        )


class SummaryResponse(ResponseModel):
    """`open`: running operations by action. `problems`: operations with a problem, by the most severe kind."""

    open: dict[str, int]
    problems: dict[str, int]
    hours: list[HourResponse] = Field(description="oldest first; hours in which no operation ended are omitted")

    @classmethod
    def of(cls, summary: Summary) -> SummaryResponse:
        hours = [HourResponse.of(hour) for hour in summary.hours]
        return cls(open=dict(summary.open), problems=dict(summary.failing), hours=hours)


def _meaning(group: Group) -> tuple[str | None, str | None]:
    if group.kind in MEANINGS:
        return MEANINGS[group.kind]
    if (group.kind, group.reason) in _DOMAINS:
        return _DOMAINS[(group.kind, group.reason)]
    reason = REASONS.get(group.reason)
    return (reason.message, reason.remedy) if reason else (None, None)
