"""Query parameters of the routes of tenants, their domains and events."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, create_model

from api.schemas.fields import EventActions, Moment, ObjectIdText
from api.schemas.models import MAX_WAIT, Ids, ListQuery, SlugText, WaitQuery, WaitSeconds, YesOrNo, split_ids
from shared.events.model import EventFilter
from shared.integrations.catalog import INTEGRATIONS
from shared.operations.model import Mode
from shared.tenants.model import Status
from shared.tenants.views import TenantQuery

StepState = Literal["pending", "ok", "skipped", "error"]
_STEPS: dict[str, Any] = {
    f"step_{name}": (StepState | None, Field(None, alias=f"step.{name}", description=f"status of the step {name}"))
    for name in INTEGRATIONS
}


class CheckWaitQuery(WaitQuery):
    wait: WaitSeconds = Field(0.0, ge=0, le=MAX_WAIT, description="wait for the check, for at most this many seconds")


class ReconcileQuery(WaitQuery):
    mode: Mode = Field(Mode.APPLY, description="plan: a dry run that only finds what would change")
    allow_removals: YesOrNo = Field(
        False, description="approve more removals than one run may make; for platform administrators"
    )


class _TenantFilters(ListQuery):
    id: Ids | None = Field(None, description="only the tenants with these ids, with commas between them")
    status: Status | None = None
    plan: Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,64}$")] | None = None
    partner: SlugText | None = Field(None, description="a partner's id or slug")
    q: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,254}$")] | None = Field(
        None,
        description="prefix of the slug, a word of the name, a domain, the owner's address or the partner's slug",
    )
    paused: Literal["true"] | None = Field(None, description="only tenants whose steps an operator has paused")
    sort: Literal["newest", "oldest", "slug"] = Field("newest", description="the order of the list")
    drift: Literal["any", *INTEGRATIONS] | None = Field(  # type: ignore[valid-type]
        None, description="only tenants for which the latest drift check found changes"
    )


class TenantListQuery(create_model("_TenantSteps", __base__=_TenantFilters, **_STEPS)):  # type: ignore[misc]
    def to_value(self) -> TenantQuery:
        steps = {name: state for name in INTEGRATIONS if (state := getattr(self, f"step_{name}")) is not None}
        return TenantQuery(
            limit=self.limit,
            after=self.cursor,
            status=self.status,
            plan=self.plan,
            partner=self.partner,
            steps=steps,
            search=self.q,
            paused=self.paused == "true",
            drifted=self.drift,
            sort=self.sort,
            ids=split_ids(self.id),
        )


class EventListQuery(ListQuery):
    after: ObjectIdText | None = Field(None, description="events after this position, oldest first; from a Link header")
    tenant: SlugText | None = Field(None, description="a tenant's slug")
    action: EventActions | None = Field(None, description="one action, or a group such as tenant.*")
    actor: ObjectIdText | None = Field(None, description="the id of the user who acted")
    since: Moment | None = Field(None, description="happened at this time or later")
    until: Moment | None = Field(None, description="happened before this time")

    @property
    def only(self) -> EventFilter:
        """Return the filters of the event feed."""
        return EventFilter(self.action, self.actor, self.since, self.until)
