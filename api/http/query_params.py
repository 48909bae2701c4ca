"""Parse query parameters by one model for each set, and write cursors and links."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, create_model

from api.http.request_body import validate
from api.schemas.fields import EventActions, Moment, ObjectIdText
from shared.accounts.user import UserQuery
from shared.core.errors import FieldError, InvalidInput
from shared.events.model import EventFilter
from shared.integrations.catalog import INTEGRATIONS, SCANNED
from shared.operations.model import Mode
from shared.orphans.model import OrphanQuery, OrphanStatus
from shared.subscriptions.model import SubscriptionQuery, SubscriptionStatus
from shared.tenants.model import Status
from shared.tenants.views import TenantQuery
from shared.webhooks.model import DeliveryQuery, DeliveryStatus

MAX_WAIT = 30.0
DEFAULT_LIMIT, MAX_LIMIT = 50, 200
DAY = 24 * 3600
MAX_GRACE = 7 * DAY


def _digits(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,6}", value):
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return value


def _decimal(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?", value):
        raise ValueError(f"must be a number of seconds from 0 to {MAX_WAIT:.0f}")
    return value


def _yes_or_no(value: Any) -> Any:
    if isinstance(value, str) and value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true" if isinstance(value, str) else value


def _seconds(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,6}", value):
        raise ValueError(f"must be a whole number of seconds from 0 to {MAX_GRACE}")
    return value


class Query(BaseModel):
    """Base of all queries. Unknown parameters are refused: a misspelt one must not pass for an absent one."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class WaitQuery(Query):
    wait: Annotated[float, BeforeValidator(_decimal)] = Field(
        0.0, ge=0, le=MAX_WAIT, description="wait for the operation's end, for at most this many seconds"
    )


class CheckWaitQuery(WaitQuery):
    wait: Annotated[float, BeforeValidator(_decimal)] = Field(
        0.0, ge=0, le=MAX_WAIT, description="wait for the check, for at most this many seconds"
    )


class ReconcileQuery(WaitQuery):
    mode: Mode = Field(Mode.APPLY, description="plan: a dry run that only finds what would change")
    allow_removals: Annotated[bool, BeforeValidator(_yes_or_no)] = Field(
        False, description="approve more removals than one run may make; for platform administrators"
    )


class ListQuery(Query):
    limit: Annotated[int, BeforeValidator(_digits)] = Field(
        DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="maximum number of records"
    )
    cursor: ObjectIdText | None = Field(None, description="from a Link header")


StepState = Literal["pending", "ok", "skipped", "error"]
_STEPS: dict[str, Any] = {
    f"step_{name}": (StepState | None, Field(None, alias=f"step.{name}", description=f"status of the step {name}"))
    for name in INTEGRATIONS
}


#: ids with commas between them, as many as a page can hold
Ids = Annotated[str, StringConstraints(pattern=rf"^[0-9a-f]{{24}}(,[0-9a-f]{{24}}){{0,{MAX_LIMIT - 1}}}$")]


def _split(ids: str | None) -> tuple[str, ...] | None:
    return None if ids is None else tuple(ids.split(","))


class _TenantFilters(ListQuery):
    id: Ids | None = Field(None, description="only the tenants with these ids, with commas between them")
    status: Status | None = None
    plan: Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,64}$")] | None = None
    partner: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")] | None = Field(
        None, description="a partner's id or slug"
    )
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
    def to_domain(self) -> TenantQuery:
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
            ids=_split(self.id),
        )


class UserListQuery(ListQuery):
    id: Ids | None = Field(None, description="only the users with these ids, with commas between them")
    tenant: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")] | None = Field(
        None, description="a tenant's slug"
    )
    partner: ObjectIdText | None = None
    q: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,254}$")] | None = Field(
        None, description="prefix of the e-mail address"
    )

    def to_domain(self) -> UserQuery:
        return UserQuery(self.limit, self.cursor, None, self.partner, self.q, _split(self.id))


class EraseQuery(Query):
    erase: Annotated[bool, BeforeValidator(_yes_or_no)] = Field(
        False, description="also erase the person from events; for platform administrators"
    )


class SubscriptionListQuery(ListQuery):
    tenant: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")] | None = Field(
        None, description="a tenant's slug"
    )
    status: SubscriptionStatus | None = None

    def to_domain(self) -> SubscriptionQuery:
        return SubscriptionQuery(self.limit, self.cursor, None, self.status)


class EventListQuery(ListQuery):
    after: ObjectIdText | None = Field(None, description="events after this position, oldest first; from a Link header")
    tenant: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")] | None = Field(
        None, description="a tenant's slug"
    )
    action: EventActions | None = Field(None, description="one action, or a group such as tenant.*")
    actor: ObjectIdText | None = Field(None, description="the id of the user who acted")
    since: Moment | None = Field(None, description="happened at this time or later")
    until: Moment | None = Field(None, description="happened before this time")

    @property
    def only(self) -> EventFilter:
        """Return the filters of the event feed."""
        return EventFilter(self.action, self.actor, self.since, self.until)


class WebhookListQuery(ListQuery):
    tenant: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")] | None = Field(
        None, description="a tenant's slug"
    )


class DeliveryListQuery(ListQuery):
    status: DeliveryStatus | None = None

    def to_domain(self) -> DeliveryQuery:
        return DeliveryQuery(self.limit, self.cursor, self.status)


class OrphanListQuery(ListQuery):
    integration: Literal[*SCANNED] | None = None  # type: ignore[valid-type]
    status: OrphanStatus | None = None

    def to_domain(self) -> OrphanQuery:
        return OrphanQuery(self.limit, self.cursor, self.integration, self.status)


class TestQuery(Query):
    wait: Annotated[float, BeforeValidator(_decimal)] = Field(
        0.0, ge=0, le=MAX_WAIT, description="wait for the ping, for at most this many seconds"
    )


class RotateQuery(Query):
    grace: Annotated[int, BeforeValidator(_seconds)] = Field(
        DAY, ge=0, le=MAX_GRACE, description="seconds for which the old secret signs beside the new one"
    )


AnyQuery = TypeVar("AnyQuery", bound=Query)


def parse_query(model: type[AnyQuery]) -> AnyQuery:
    """Parse the request's parameters into a model. Raises InvalidInput."""
    if not request.query_string:
        nothing: AnyQuery = _without_parameters(model)
        return nothing
    try:
        request.query_string.decode()
    except UnicodeDecodeError:  # Flask cannot parse such a query
        raise InvalidInput([FieldError("?", "is not UTF-8; percent-encode every parameter")]) from None
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        raise InvalidInput([FieldError(f"?{name}", "is given more than once") for name in twice])
    return validate(model, request.args.to_dict(), "?")


@cache
def _without_parameters(model: type[Query]) -> Any:
    """Return the query of a request without parameters; it is frozen, so all requests share one."""
    return validate(model, {}, "?")


def link(relation: str, **changes: str | None) -> str:
    """Write a link (RFC 8288) to this request's path with changed parameters; None removes one."""
    arguments = {key: value for key, value in {**request.args.to_dict(), **changes}.items() if value is not None}
    return f'<{request.path}?{urlencode(arguments)}>; rel="{relation}"'


def next_link(following: str | None) -> dict[str, str]:
    """Return the Link header of the next page; empty on the last page."""
    return {} if following is None else {"Link": link("next", cursor=following)}
