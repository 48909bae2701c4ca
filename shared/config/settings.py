"""All settings, read once from the environment into one frozen object. A missing or malformed one stops the start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from shared.config.broker_url import BrokerAddress, Login
from shared.config.database_url import problems_of_database_url
from shared.config.files import FileUnreadable
from shared.config.integrations import CommaSeparated, ProductSettings
from shared.config.tokens import TokenSettings
from shared.core.address_rules import AddressRule
from shared.core.naming import RESERVED_SLUGS, name_server, slug

#: as a browser writes it (RFC 6454, 6.2)
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


class SettingsError(Exception):
    """The environment does not make sense; the message names each variable and says what to do."""


class Settings(TokenSettings, ProductSettings):
    """One field per environment variable, by the same name in capitals; those of the products are inherited.

    `<NAME>_FILE` names a file that holds the value instead.
    """

    mongodb_uri: SecretStr
    mongodb_database: str = Field("dezky", pattern=r'^[^ ."$/\\\x00]{1,63}$')
    redis_url: SecretStr
    redis_sentinel_master: str | None = Field(None, description="what the Sentinels of REDIS_URL call the master")
    redis_sentinel_username: str | None = None
    redis_sentinel_password: SecretStr | None = Field(None, description="the Sentinels' own, not the master's")

    backfill_per_minute: float = Field(
        30, ge=0, le=6000, description="reconciles started for an integration that was not configured before; 0: none"
    )

    metrics_port: int | None = Field(None, ge=1, le=65535, description="Prometheus scrapes there; not set: nowhere")
    metrics_host: str = "0.0.0.0"  # noqa: S104 - it is scraped from elsewhere, on a port that nothing else is on

    event_keep_days: float = Field(0, ge=0, description="how long events are kept; 0: for ever")
    operation_keep_days: float = Field(0, ge=0, description="how long ended operations are kept; 0: for ever")

    bulk_per_minute: float = Field(60, gt=0, le=6000, description="tenants that bulk operations act on, all together")

    webhook_allowed_networks: CommaSeparated = Field((), description="CIDR; webhooks may go there though not public")
    webhook_call_seconds: float = Field(10, gt=0, le=60)
    webhook_slots: int = Field(16, ge=1, le=256, description="how many events one sweep sends at a time")
    webhook_keep_days: float = Field(14, ge=4, description="how long deliveries are kept; longer than they are tried")
    webhook_disable_seconds: float = Field(3 * 24 * 3600, gt=0, description="failing for so long switches one off")

    default_tenant_slug: str = "dezky"

    domain_proof: Literal["staff", "required", "off"] = Field(
        "staff",
        description="whether mail waits for the proof of a new domain; staff: unless a platform administrator adds it",
    )
    dns_servers: CommaSeparated = Field((), description="resolvers for domains and receivers; else the system's")
    domain_proof_days: float = Field(14, gt=0, le=365, description="how long the first proof is waited for")
    domain_lost_proof_days: float = Field(3, gt=0, le=365, description="how long a proof that vanished is")
    domain_first_recheck_seconds: float = Field(60, gt=0, le=86400)
    domain_recheck_seconds: float = Field(3600, gt=0, le=864000)
    domain_check_pause_seconds: float = Field(10, ge=0, le=3600, description="least time between asked-for checks")

    request_threads: int = Field(
        32, ge=1, le=256, description="threads of one API process; a quarter as many more wait for operations"
    )

    caller_requests_per_minute: int = Field(
        10_000, ge=1, description="requests that one caller may send; one that changes something counts as five"
    )
    address_requests_per_minute: int = Field(
        1_000, ge=1, description="requests without a valid token that one address may send"
    )
    trusted_proxies: int = Field(
        0, ge=0, le=9, description="proxies in front that add to X-Forwarded-For; their callers' addresses are limited"
    )
    cors_origins: CommaSeparated = Field((), description="origins whose browsers may call the API directly, or none")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    operation_deadline_seconds: float = Field(3600, gt=0, le=7000)
    plan_deadline_seconds: float = Field(60, gt=0, le=600, description="how long finding out a plan may take")
    drift_look_hours: float = Field(24, ge=0, description="how often each tenant is looked at for drift; 0 for never")
    drift_looks_at_a_time: int = Field(5, ge=1, le=1000, description="how many such looks run at a time")
    orphan_look_hours: float = Field(24, ge=0, description="how often orphans are looked for; 0: when asked for only")
    orphan_quarantine_hours: float = Field(168, ge=0, description="how long an orphan is watched before it can go")
    removals_per_run: int = Field(5, ge=0, description="how much one run of a step may remove without leave")
    purges_per_day: int = Field(10, ge=0, description="how many removals of tenants a day begin by themselves")
    observe_only_on_start: bool = Field(False, description="change nothing outside until an operator says so")
    delete_grace_days: float = Field(30, ge=0, le=3650, description="how long a deleted tenant can be restored")
    suspended_mail: Literal["refuse", "receive"] = Field(
        "refuse", description="what becomes of mail to a suspended tenant's domains"
    )
    step_max_attempts: int = Field(40, ge=1)
    attempt_seconds: float = Field(45, gt=0)
    call_seconds: float = Field(10, gt=0)
    lease_seconds: float = Field(90, gt=0)
    retry_base_seconds: float = Field(1, gt=0)
    retry_cap_seconds: float = Field(60, gt=0)
    breaker_failures: int = Field(
        5, ge=3, description="so many different tenants whose steps fail in a row open an integration's breaker"
    )
    breaker_seconds: float = Field(
        30, gt=0, le=600, description="how long a breaker stays open at first; each failed probe doubles it"
    )
    integration_slots: int | None = Field(
        None, ge=1, description="a worker's slots for one integration; half of all without it"
    )
    sweep_interval_seconds: float = Field(2, gt=0)
    dispatch_grace_seconds: float = Field(5, gt=0, description="how long a sent step may stay unclaimed at first")

    @field_validator("oidc_issuers", "stripe_prices", mode="before")
    @classmethod
    def _pairs(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        parts = [part.strip() for part in given.split(",") if part.strip()]
        halves = [part for part in parts if part.startswith("=") or part.endswith("=")]
        if halves:
            raise ValueError(f"{', '.join(halves)} is half of a pair")
        return {key.strip(): value.strip() for key, _, value in (part.partition("=") for part in parts)}

    @field_validator(
        "oidc_algorithms",
        "stamp_keys",
        "stripe_webhook_secrets",
        "dns_servers",
        "webhook_allowed_networks",
        "cors_origins",
        mode="before",
    )
    @classmethod
    def _list(cls, given: Any) -> Any:
        return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given

    @field_validator("default_tenant_slug")
    @classmethod
    def _slug(cls, given: str) -> str:
        # the platform's own tenant may have one of the names that are kept for the platform
        return given if given in RESERVED_SLUGS else slug(given)

    @field_validator("dns_servers")
    @classmethod
    def _name_servers(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for text in given:
            name_server(text)
        return given

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        bad = [text for text in given if not ORIGIN.fullmatch(text)]
        if bad:
            raise ValueError(f"{', '.join(bad)} is not an origin such as https://portal.example.org, without a path")
        return given

    @field_validator("webhook_allowed_networks")
    @classmethod
    def _networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        AddressRule.of(given)  # raises ValueError
        return given

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problems = [*self.problems_of_products(), *self.problems_of_tokens()]
        problems.extend(problems_of_database_url(self.mongodb_uri.get_secret_value()))
        if self.lease_seconds <= self.attempt_seconds:
            problems.append("LEASE_SECONDS must be greater than ATTEMPT_SECONDS")
        if self.domain_proof == "required" and not self.stamp_keys:
            problems.append("STAMP_KEYS must be set when DOMAIN_PROOF is required: proofs are made with it")
        try:
            _ = self.broker
        except ValueError as problem:
            problems.append(f"REDIS_URL {problem}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def broker(self) -> BrokerAddress:
        """Where the broker is."""
        password = self.redis_sentinel_password
        own = Login(self.redis_sentinel_username, password.get_secret_value() if password else None)
        return BrokerAddress.of(self.redis_url.get_secret_value(), self.redis_sentinel_master, own)

    @property
    def first_look_seconds(self) -> float | None:
        """When a new domain is looked at first; None: when somebody asks, as nothing waits for its proof."""
        return self.domain_first_recheck_seconds if self.domain_proof == "required" else None


class ApiSettings(Settings):
    """Settings of the API. It calls no product, so it needs to be given no credentials of one."""

    def problems_of_access(self) -> list[str]:
        return []


S = TypeVar("S", bound=Settings)


def read_settings(**overrides: Any) -> Settings:
    """Read the settings of a worker or scheduler from the environment, `overrides` first.

    Raises SettingsError, a sentence for each variable at fault.
    """
    return _read(Settings, overrides)


def read_api_settings(**overrides: Any) -> ApiSettings:
    """Read the settings of the API in the same way."""
    return _read(ApiSettings, overrides)


def _read(kind: type[S], overrides: Mapping[str, Any]) -> S:
    try:
        return kind(**overrides)
    except FileUnreadable as problem:
        raise SettingsError(f"{problem}.") from None
    except ValidationError as problem:
        raise SettingsError(
            "\n".join(_sentence(dict(error)) for error in problem.errors(include_input=False))
        ) from None


def _sentence(error: dict[str, Any]) -> str:
    variable = "_".join(str(part) for part in error["loc"][:1]).upper()
    if error["type"] == "missing":
        return f"{variable} is not set."
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"{variable}: {text}." if variable else f"{text}."
