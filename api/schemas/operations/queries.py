"""Query parameters of the routes about all operations."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, create_model

from api.schemas.fields import Moment
from api.schemas.models import ListQuery, Query, SlugText, whole_number
from shared.integrations.catalog import INTEGRATIONS
from shared.operations.model import OperationStatus
from shared.operations.problems import Kind
from shared.status.model import OperationQuery
from shared.workflows.model import Action

ReasonText = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,64}$")]
MAX_HOURS = 24 * 14

_STEPS: dict[str, Any] = {
    f"step_{name}": (
        Kind | None,
        Field(None, alias=f"step.{name}", description=f"kind of the latest operation's problem with {name}"),
    )
    for name in INTEGRATIONS
}


class _OperationFilters(ListQuery):
    status: OperationStatus | None = None
    action: Action | None = None
    problem: Kind | None = Field(None, description="kind of the most severe problem of a tenant's latest operation")
    reason: ReasonText | None = Field(
        None, description="reason of a problem of some step of a tenant's latest operation"
    )
    tenant: SlugText | None = Field(None, description="a tenant's slug")
    since: Moment | None = Field(None, description="recorded at this time or later")
    until: Moment | None = Field(None, description="recorded before this time")


class OperationListQuery(create_model("_OperationSteps", __base__=_OperationFilters, **_STEPS)):  # type: ignore[misc]
    def to_value(self) -> OperationQuery:
        """Return the query for the read model."""
        problems = {name: kind for name in INTEGRATIONS if (kind := getattr(self, f"step_{name}")) is not None}
        return OperationQuery(
            limit=self.limit,
            after=self.cursor,
            status=self.status,
            action=self.action,
            kind=self.problem,
            reason=self.reason,
            problems=problems,
            since=self.since,
            until=self.until,
        )


class SummaryQuery(Query):
    hours: Annotated[int, whole_number(1, MAX_HOURS)] = Field(24, ge=1, le=MAX_HOURS, description="how many hours back")
    tenant: SlugText | None = Field(None, description="a tenant's slug")
