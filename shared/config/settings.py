"""Read all settings from the environment into one frozen object. A missing or malformed one stops the start."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from shared.config.addresses import BrokerAddress, Login, problems_of_database_url
from shared.config.integrations import CommaSeparated, IntegrationSettings
from shared.config.limits import LimitSettings
from shared.config.sources import FORMER_NAMES, FileUnreadable, used_former_names
from shared.config.tokens import TokenSettings
from shared.core.address_rules import AddressRule
from shared.core.naming import RESERVED_SLUGS, name_server, slug

#: an origin in the form that browsers send (RFC 6454, section 6.2)
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


class SettingsError(Exception):
    """The settings are invalid; the message names each variable and says what to do."""


class Settings(TokenSettings, IntegrationSettings, LimitSettings):
    """All settings: one field per environment variable, whose name is the field's in capitals.

    `<NAME>_FILE` names a file that holds the value instead.
    """

    # here and not in a base: a base's configuration gives way to the defaults of the bases after it
    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    mongodb_uri: SecretStr = Field(description="connection string of a MongoDB replica set")
    mongodb_database: str = Field("dezky", pattern='^[^ ."$/\\\\\\x00]{1,63}$', description="name of the database")
    redis_url: SecretStr = Field(
        description="address of the broker: redis://, rediss:// or sentinel://, see docs/how-to/scale.md"
    )
    redis_sentinel_master: str | None = Field(None, description="name of the master at the Sentinels of REDIS_URL")
    redis_sentinel_username: str | None = Field(None, description="user name at the Sentinels, not at the servers")
    redis_sentinel_password: SecretStr | None = Field(None, description="password at the Sentinels, not at the servers")

    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="port of the Prometheus metrics; without it none are served"
    )
    # Prometheus scrapes this port from another host
    metrics_host: str = Field("0.0.0.0", description="address that the metrics port binds to")  # noqa: S104

    webhook_allowed_networks: CommaSeparated = Field(
        (), description="private networks (CIDR, comma-separated) that webhooks may reach, also without TLS"
    )
    webhook_call_seconds: float = Field(10, gt=0, le=60, description="time limit of one delivery attempt")
    webhook_concurrency: int = Field(16, ge=1, le=256, description="deliveries that one scheduler sends at a time")
    webhook_keep_days: float = Field(14, ge=4, description="days that deliveries are kept")
    webhook_disable_seconds: float = Field(
        3 * 24 * 3600, gt=0, description="a webhook that fails for this long is disabled"
    )

    default_tenant_slug: str = Field("dezky", description="slug of the tenant that is created at the first start")

    domain_proof: Literal["staff", "required", "off"] = Field(
        "staff",
        description="new domains that need a proof: all but administrators' (staff), all (required), none (off)",
    )
    dns_servers: CommaSeparated = Field(
        (), description="resolvers for domains and webhook receivers, comma-separated; without any the system's"
    )
    domain_proof_days: float = Field(14, gt=0, le=365, description="days until a domain that was never proven fails")
    domain_lost_proof_days: float = Field(
        3, gt=0, le=365, description="days until a domain whose proof disappeared fails"
    )
    domain_first_recheck_seconds: float = Field(
        60, gt=0, le=86400, description="shortest time between two automatic checks of a domain"
    )
    domain_recheck_seconds: float = Field(
        3600, gt=0, le=864000, description="longest time between two automatic checks of a domain"
    )
    domain_check_interval_seconds: float = Field(
        10, ge=0, le=3600, description="shortest time between two requested checks of a domain"
    )

    request_threads: int = Field(
        32, ge=1, le=256, description="threads of one API process; a quarter as many more serve ?wait="
    )

    caller_requests_per_minute: int = Field(
        10000, ge=1, description="requests that one caller may send per minute; a change counts as five"
    )
    address_requests_per_minute: int = Field(
        1000, ge=1, description="requests without a valid token that one address may send per minute"
    )
    trusted_proxies: int = Field(0, ge=0, le=9, description="proxies in front that add to X-Forwarded-For")
    cors_origins: CommaSeparated = Field(
        (), description="origins whose pages may call the API from a browser, comma-separated; without any none may"
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="lowest level that is logged")
    log_format: Literal["json", "console"] = Field("json", description="json for machines, console for people")

    @field_validator("oidc_issuers", "stripe_prices", mode="before")
    @classmethod
    def _pairs(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        parts = [part.strip() for part in given.split(",") if part.strip()]
        halves = [part for part in parts if part.startswith("=") or part.endswith("=")]
        if halves:
            raise ValueError(f"{', '.join(halves)} is an incomplete pair; write key=value")
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
        # the platform's own tenant may have a reserved slug
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
    def _consistent(self) -> Self:
        problems = [*self.problems_of_integrations(), *self.problems_of_tokens()]
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
        """Return the address of the broker."""
        password = self.redis_sentinel_password
        own = Login(self.redis_sentinel_username, password.get_secret_value() if password else None)
        return BrokerAddress.of(self.redis_url.get_secret_value(), self.redis_sentinel_master, own)

    @property
    def first_domain_check_seconds(self) -> float | None:
        """Return the seconds until a new domain's first check; None: only on request, as no proof is required."""
        return self.domain_first_recheck_seconds if self.domain_proof == "required" else None


class ApiSettings(Settings):
    """Settings of the API. It calls no integration, so it needs none of their credentials."""

    def problems_of_credentials(self) -> list[str]:
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
    former = FORMER_NAMES.get(variable.lower(), "").upper()
    if former and former in used_former_names() and not os.environ.get(variable):
        text += f" (set by its former name {former})"
    return f"{variable}: {text}." if variable else f"{text}."
