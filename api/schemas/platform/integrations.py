"""Response schemas of integrations, pauses and observe-only mode."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.http.responses import ObjectIdText, ResponseModel
from shared.integrations.outcomes import sentence
from shared.switches.model import FailingTenant, Switch
from shared.switches.pause import Pause
from shared.tenants.model import Tenant


class PauseResponse(ResponseModel):
    reason: str
    since: datetime
    by: ObjectIdText | None = Field(None, description="the user's id")

    @classmethod
    def of(cls, pause: Pause) -> PauseResponse:
        return cls(reason=pause.reason, since=pause.since, by=pause.by)


class BreakerResponse(ResponseModel):
    """A circuit breaker. `open`: steps are deferred until a probe, from `openUntil` on, succeeds."""

    state: Literal["closed", "open"]
    failures: int = Field(description="attempts in a row that found the integration unavailable")
    since: datetime | None = None
    open_until: datetime | None = None
    reason: str | None = None
    message: str | None = None

    @classmethod
    def of(cls, switch: Switch) -> BreakerResponse:
        if not switch.is_open:
            return cls(state="closed", failures=switch.failures)
        return cls(
            state="open",
            failures=switch.failures,
            since=switch.opened_at,
            open_until=switch.open_until,
            reason=switch.cause,
            message=sentence(switch.cause, switch.detail) if switch.cause else None,
        )


class FailingTenantResponse(ResponseModel):
    tenant: str = Field(description="the tenant's slug")
    reason: str = Field(description="reason of the latest failed attempt")
    since: datetime = Field(description="first failed attempt since the integration last answered this tenant")
    at: datetime = Field(description="latest failed attempt")
    isolated: bool = Field(description="the integration answers other tenants, so these failures open no breaker")

    @classmethod
    def of(cls, one: FailingTenant) -> FailingTenantResponse:
        return cls(tenant=one.tenant.slug, reason=one.reason, since=one.since, at=one.at, isolated=one.is_isolated)


class IntegrationResponse(ResponseModel):
    """An integration, or `all`. `pause` is present while an operator has paused it."""

    name: str
    paused: bool
    pause: PauseResponse | None = None
    breaker: BreakerResponse
    failing: list[FailingTenantResponse] = Field(description="tenants whose latest attempts found it unavailable")

    @classmethod
    def of(cls, switch: Switch) -> IntegrationResponse:
        return cls(
            name=switch.name,
            paused=switch.pause is not None,
            pause=PauseResponse.of(switch.pause) if switch.pause else None,
            breaker=BreakerResponse.of(switch),
            failing=[FailingTenantResponse.of(one) for one in switch.failing],
        )


class ObserveOnlyResponse(ResponseModel):
    observe_only: bool
    reason: str | None = None
    since: datetime | None = None
    by: ObjectIdText | None = Field(None, description="the user's id; absent when the service entered the mode itself")

    @classmethod
    def of(cls, switch: Switch) -> ObserveOnlyResponse:
        pause = switch.pause
        if pause is None:
            return cls(observe_only=False, by=None)
        return cls(observe_only=True, reason=pause.reason, since=pause.since, by=pause.by)


class TenantPauseResponse(ResponseModel):
    tenant: str = Field(description="the tenant's slug")
    paused: bool
    pause: PauseResponse | None = None

    @classmethod
    def of(cls, tenant: Tenant, switch: Switch) -> TenantPauseResponse:
        pause = PauseResponse.of(switch.pause) if switch.pause else None
        return cls(tenant=tenant.slug, paused=pause is not None, pause=pause)
