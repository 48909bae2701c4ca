"""Settings of the platform in a chaos run: shorter times than in production, so that recovery fits into minutes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.config.settings import Settings

#: all settings that differ from production; `worker_settings.VISIBILITY` does too
SHORTENED: dict[str, str] = {
    "RETRY_BASE_SECONDS": "0.2",
    "RETRY_CAP_SECONDS": "2",
    "SCHEDULER_INTERVAL_SECONDS": "0.5",
    "DISPATCH_GRACE_SECONDS": "1.5",
    # longer than an attempt and the longest call to the database together
    "LEASE_SECONDS": "10",
    "ATTEMPT_SECONDS": "4",
    "CALL_SECONDS": "2",
    "BREAKER_SECONDS": "0.5",
    "PLAN_DEADLINE_SECONDS": "20",
    # no drift checks: at the end no operation may be open
    "DRIFT_CHECK_HOURS": "0",
}


@dataclass(frozen=True)
class Secrets:
    """Secrets of one run."""

    authentik: str = field(default_factory=lambda: secrets.token_hex(16))
    stalwart: str = field(default_factory=lambda: secrets.token_hex(16))
    ocis: str = field(default_factory=lambda: secrets.token_hex(16))
    stamp: str = field(default_factory=lambda: secrets.token_hex(16))


def plain_environment() -> dict[str, str]:
    """Return this process's environment without settings of the platform: a run uses only its own servers."""
    ours = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name not in ours} | {"PYTHONUNBUFFERED": "1"}


def platform_environment(urls: Mapping[str, str], keys: Secrets, deadline: float) -> dict[str, str]:
    """Return the environment of API, workers and schedulers.

    `urls`: of mongodb, redis, smtp and each product; `deadline`: of an operation, in seconds.
    """
    issuer = f"{urls['authentik']}/application/o/dezky-operator/"
    return (
        plain_environment()
        | {
            "MONGODB_URI": urls["mongodb"],
            "REDIS_URL": urls["redis"],
            "OIDC_ISSUERS": f"{issuer}={issuer}jwks/",
            "OIDC_AUDIENCES": "dezky-operator=operator",
            "AUTHENTIK_API_URL": urls["authentik"],
            "AUTHENTIK_API_TOKEN": keys.authentik,
            "STALWART_API_URL": urls["stalwart"],
            "STALWART_API_TOKEN": keys.stalwart,
            "STALWART_SMTP_URL": urls["smtp"],
            "OCIS_API_URL": urls["ocis"],
            "OCIS_USERNAME": "provisioner",
            "OCIS_PASSWORD": keys.ocis,
            "STAMP_KEYS": keys.stamp,
            "OPERATION_DEADLINE_SECONDS": str(deadline),
            "REQUEST_THREADS": "8",
            "CALLER_REQUESTS_PER_MINUTE": "1000000",
            "LOG_LEVEL": "INFO",
            "LOG_FORMAT": "console",
        }
        | SHORTENED
    )
