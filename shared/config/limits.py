"""The settings of limits: times, attempts, circuit breakers, removals, periodic jobs, retention."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class LimitSettings(BaseSettings):
    """The part of Settings that limits operations, steps, breakers and the scheduler's jobs."""

    operation_deadline_seconds: float = Field(
        3600, gt=0, le=7000, description="an operation that has not ended by then fails"
    )
    plan_deadline_seconds: float = Field(60, gt=0, le=600, description="time limit of a dry run")
    drift_check_hours: float = Field(24, ge=0, description="hours between two drift checks of a tenant; 0: none")
    drift_checks_at_a_time: int = Field(
        5, ge=1, le=1000, description="drift checks that one scheduler interval starts at most"
    )
    orphan_scan_hours: float = Field(
        24, ge=0, description="hours between two orphan scans of a product; 0: on request only"
    )
    orphan_quarantine_hours: float = Field(
        168, ge=0, description="hours from the discovery of an orphan until it may be removed"
    )
    removals_per_run: int = Field(
        5, ge=0, description="objects that one run of a step may remove or disable without approval"
    )
    purges_per_day: int = Field(10, ge=0, description="automatic purges of deleted tenants per 24 hours")
    observe_only_on_start: bool = Field(False, description="start in observe-only mode, for the time after a restore")
    delete_grace_days: float = Field(30, ge=0, le=3650, description="days that a deleted tenant can be restored")
    suspended_mail: Literal["refuse", "receive"] = Field(
        "refuse", description="new mail of a suspended tenant: refuse or receive it"
    )
    step_max_attempts: int = Field(40, ge=1, description="attempts of one step")
    attempt_seconds: float = Field(45, gt=0, description="time limit of one attempt")
    call_seconds: float = Field(10, gt=0, description="time limit of one HTTP call, retries included")
    lease_seconds: float = Field(90, gt=0, description="lease of one attempt; more than ATTEMPT_SECONDS")
    retry_base_seconds: float = Field(1, gt=0, description="first back-off between attempts")
    retry_cap_seconds: float = Field(60, gt=0, description="longest back-off between attempts")
    breaker_failures: int = Field(
        5,
        ge=3,
        description="different tenants whose attempts must fail in a row to open an integration's circuit breaker",
    )
    breaker_seconds: float = Field(
        30, gt=0, le=600, description="time that a circuit breaker stays open at first; each failed probe doubles it"
    )
    integration_concurrency: int | None = Field(
        None, ge=1, description="concurrent steps per integration in one worker; without it half of its threads"
    )
    scheduler_interval_seconds: float = Field(2, gt=0, description="seconds between two rounds of the scheduler")
    dispatch_grace_seconds: float = Field(
        5, gt=0, description="seconds until an unclaimed step is published again for the first time"
    )
    backfill_per_minute: float = Field(
        30,
        ge=0,
        le=6000,
        description="reconciles started per minute for tenants that lack a newly configured integration; 0: none",
    )
    bulk_per_minute: float = Field(
        60, gt=0, le=6000, description="tenants that all bulk operations together act on per minute"
    )
    event_keep_days: float = Field(0, ge=0, description="days that events are kept; 0: for ever")
    operation_keep_days: float = Field(0, ge=0, description="days that ended operations are kept; 0: for ever")
    dry_run_keep_days: float = Field(30, gt=0, le=3650, description="days that dry runs of operations are kept")
