"""What is wrong now, and how operations ended, as they are answered."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.http.responses import AnswerModel, ObjectIdText
from api.schemas.switches import BreakerAnswer, PauseAnswer
from shared.integrations.reasons import REASONS
from shared.operations.problems import Kind
from shared.status.model import Example, Finding, Group, Hour, Status, Summary
from shared.switches.model import Switch

#: what each kind beyond a step's own means, and what to do about it
MEANINGS: dict[str, tuple[str, str]] = {
    "not_taken": (
        "The step was sent several times and no worker took it.",
        "Check that workers run and read this integration's queue.",
    ),
    "not_dispatched": (
        "Operations are due and were not sent.",
        "Check that a scheduler runs, that the broker answers, and that workers keep up with their queues.",
    ),
    "drifted": (
        "The product no longer agrees with the record.",
        "Read the tenant's drift, then reconcile the tenant.",
    ),
    "degraded": (
        "The domain is proven, but records that mail needs are missing or wrong.",
        "Have the domain's owner publish the records listed under the tenant's domains.",
    ),
    "failed": (
        "The domain was not proven in time, or its proof is gone.",
        "Have the domain's owner publish the proof, then verify the domain.",
    ),
    "not_begun": (
        "The grace of deleted tenants is over and their removal has not begun.",
        "Look at the purge quota and at observe-only mode.",
    ),
}
_WEBHOOK = (
    "The webhook's receiver does not accept deliveries.",
    "Read its deliveries, then have the receiver repaired.",
)


class ExampleAnswer(AnswerModel):
    """One of a group. `name`: the domain or the webhook's host, where the group is of those."""

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
    def of(cls, example: Example) -> ExampleAnswer:
        return cls(**vars(example))


class GroupAnswer(AnswerModel):
    """All of one kind, integration and reason: how many, since when the oldest, and the oldest few of them."""

    kind: Kind | Finding
    integration: str | None = None
    reason: str
    message: str | None = None
    remedy: str | None = None
    count: int
    oldest: datetime | None = None
    examples: list[ExampleAnswer]

    @classmethod
    def of(cls, group: Group) -> GroupAnswer:
        message, remedy = _meaning(group)
        return cls(
            kind=group.kind,
            integration=group.integration,
            reason=group.reason,
            message=message,
            remedy=remedy,
            count=group.count,
            oldest=group.oldest,
            examples=[ExampleAnswer.of(one) for one in group.examples],
        )


class OpenBreakerAnswer(BreakerAnswer):
    integration: str

    @classmethod
    def for_switch(cls, switch: Switch) -> OpenBreakerAnswer:
        return cls(integration=switch.name, **dict(BreakerAnswer.of(switch)))


class ActivePauseAnswer(PauseAnswer):
    """`integration`: one of them, `all`, or `observe-only`; else `tenant` is there."""

    integration: str | None = None
    tenant: str | None = Field(None, description="the tenant's slug")

    @classmethod
    def for_switch(cls, switch: Switch, tenant: str | None = None) -> ActivePauseAnswer:
        assert switch.pause is not None  # noqa: S101 - only paused ones are listed
        name = None if tenant else switch.name
        return cls(integration=name, tenant=tenant, **dict(PauseAnswer.of(switch.pause)))


class StatusAnswer(AnswerModel):
    """What is wrong now. A pause is no error: with nothing but pauses, `ok` is true."""

    at: datetime
    ok: bool
    tenants: dict[str, int] = Field(description="tenants with a step that is not well, by their most severe kind")
    groups: list[GroupAnswer]
    breakers: list[OpenBreakerAnswer] = Field(description="integrations that are not asked for a while")
    pauses: list[ActivePauseAnswer]

    @classmethod
    def of(cls, status: Status) -> StatusAnswer:
        pauses = [ActivePauseAnswer.for_switch(one) for one in status.pauses]
        pauses += [ActivePauseAnswer.for_switch(one.switch, one.tenant) for one in status.tenant_pauses]
        return cls(
            at=status.at,
            ok=status.is_ok,
            tenants={kind.rstrip("/"): count for kind, count in status.tenants.items()},
            groups=[GroupAnswer.of(group) for group in status.groups],
            breakers=[OpenBreakerAnswer.for_switch(one) for one in status.breakers],
            pauses=pauses,
        )


class OutcomeAnswer(AnswerModel):
    action: str
    status: str
    count: int


class HourAnswer(AnswerModel):
    begins: datetime
    outcomes: list[OutcomeAnswer]
    active_seconds_p50: float | None = Field(None, description="half of the provisions were active within this time")
    active_seconds_p95: float | None = None

    @classmethod
    def of(cls, hour: Hour) -> HourAnswer:
        outcomes = [
            OutcomeAnswer(action=action, status=status, count=count)
            for (action, status), count in sorted(hour.outcomes.items())
        ]
        return cls(
            begins=hour.begins,
            outcomes=outcomes,
            active_seconds_p50=hour.active_p50,
            active_seconds_p95=hour.active_p95,
        )


class SummaryAnswer(AnswerModel):
    """`open`: running operations by action. `problems`: operations that are not well, by their most severe kind."""

    open: dict[str, int]
    problems: dict[str, int]
    hours: list[HourAnswer] = Field(description="oldest first; hours in which nothing ended are left out")

    @classmethod
    def of(cls, summary: Summary) -> SummaryAnswer:
        hours = [HourAnswer.of(hour) for hour in summary.hours]
        return cls(open=dict(summary.open), problems=dict(summary.failing), hours=hours)


def _meaning(group: Group) -> tuple[str | None, str | None]:
    if group.kind is Finding.FAILING_WEBHOOK:
        return _WEBHOOK
    if isinstance(group.kind, Finding) or group.reason in MEANINGS:
        known = MEANINGS.get(group.reason)
        if known is not None:
            return known
    reason = REASONS.get(group.reason)
    return (reason.message, reason.remedy) if reason else (None, None)
