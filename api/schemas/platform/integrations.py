"""Request and response schemas of integrations, pauses, observe-only mode and the purge quota."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasPath, Field, model_validator

from api.schemas.fields import WHOLE, Name
from api.schemas.models import OMIT_EMPTY, RecordId, RequestModel, ResponseModel, example
from shared.diagnostics.model import VERSION, CheckStatus, Diagnosis
from shared.integrations.outcomes import reason_message
from shared.switches.model import Switch
from shared.tenants.model import Tenant


class PauseRequest(RequestModel):
    """The reason for a pause; every deferred step shows it."""

    model_config = example({"reason": "maintenance of the mail server"})

    reason: Name


class PauseResponse(ResponseModel):
    reason: str
    since: datetime
    by: RecordId | None = Field(None, description="the user's id")


class BreakerResponse(ResponseModel):
    """A circuit breaker. `open`: steps are deferred until a probe, from `openUntil` on, succeeds."""

    state: Literal["closed", "open"]
    failures: int = Field(description="attempts in a row that found the integration unavailable")
    since: datetime | None = None
    open_until: datetime | None = None
    reason: str | None = None
    message: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, switch: Switch) -> dict[str, Any]:
        shown = {"integration": switch.name, "failures": switch.failures, "failing": switch.failing}
        if not switch.is_open:
            return {**shown, "state": "closed"}
        return {
            **shown,
            "state": "open",
            "since": switch.opened_at,
            "open_until": switch.open_until,
            "reason": switch.cause,
            "message": reason_message(switch.cause, switch.detail) if switch.cause else None,
        }


class FailingTenantResponse(ResponseModel):
    tenant: str = Field(validation_alias=AliasPath("tenant", "slug"), description="the tenant's slug")
    reason: str = Field(description="reason of the latest failed attempt")
    since: datetime = Field(description="first failed attempt since the integration last answered this tenant")
    at: datetime = Field(description="latest failed attempt")
    isolated: bool = Field(
        validation_alias="is_isolated",
        description="the integration answers other tenants, so these failures open no breaker",
    )


class ReachabilityResponse(ResponseModel):
    """The result of the newest diagnostics run that called the integration."""

    status: CheckStatus
    message: str
    remedy: Annotated[str | None, OMIT_EMPTY] = None
    version: str | None = Field(None, description="the version that it reports")
    seconds: float | None = Field(None, description="how long it took to answer")
    checked_at: datetime = Field(description="when that run called it")

    @classmethod
    def found_by(cls, run: Diagnosis | None, integration: str) -> ReachabilityResponse | None:
        """Return the check of its version, None if no run has called it."""
        checks = (one for one in (run.checks if run else ()) if one.area == integration and one.name == VERSION)
        check = next(checks, None)
        if check is None or run is None or run.finished_at is None:
            return None
        return cls.of({**vars(check), "checked_at": run.finished_at})


class IntegrationResponse(ResponseModel):
    """An integration, or `all`. `pause` is present while an operator has paused it."""

    name: str
    paused: bool
    pause: PauseResponse | None = None
    breaker: BreakerResponse
    failing: list[FailingTenantResponse] = Field(description="tenants whose latest attempts found it unavailable")
    reachability: ReachabilityResponse | None = Field(
        None, description="what the newest diagnostics run found; absent in answers to a pause and to its end"
    )

    @model_validator(mode="before")
    @classmethod
    def _read(cls, switch: Switch) -> dict[str, Any]:
        return {**vars(switch), "paused": switch.pause is not None, "breaker": switch}

    def checked_by(self, run: Diagnosis | None) -> IntegrationResponse:
        """Return the same with the result of a diagnostics run."""
        return self.model_copy(update={"reachability": ReachabilityResponse.found_by(run, self.name)})


class ObserveOnlyRequest(RequestModel):
    """The reason for observe-only mode; every deferred step shows it."""

    model_config = example({"reason": "the database was restored from a backup"})

    reason: Name


class ObserveOnlyResponse(ResponseModel):
    observe_only: bool
    reason: str | None = None
    since: datetime | None = None
    by: RecordId | None = Field(None, description="the user's id; absent when the service entered the mode itself")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, switch: Switch) -> dict[str, Any]:
        return {"observe_only": True, **vars(switch.pause)} if switch.pause else {"observe_only": False}


class TenantPauseResponse(ResponseModel):
    tenant: str = Field(description="the tenant's slug")
    paused: bool
    pause: PauseResponse | None = None

    @classmethod
    def of_tenant(cls, tenant: Tenant, switch: Switch) -> TenantPauseResponse:
        return cls.of({"tenant": tenant.slug, "paused": switch.pause is not None, "pause": switch.pause})


class RaiseQuotaRequest(RequestModel):
    """Additional automatic purges for today."""

    model_config = example({"count": 5})

    count: Annotated[int, Field(ge=1, le=1000), WHOLE]


class PurgeQuotaResponse(ResponseModel):
    """The daily limit of automatic purges, and its use."""

    per_day: int = Field(description="purges that may start in a day (PURGES_PER_DAY)")
    begun: int = Field(validation_alias="used", description="automatic purges started in the last 24 hours")
    extra: int = Field(description="additional purges that somebody has allowed")
    waiting: int = Field(description="tenants whose `purgeAfter` has passed")
    held_since: datetime | None = Field(
        None, validation_alias="exhausted_since", description="since when the quota is used up while tenants wait"
    )
