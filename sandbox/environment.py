"""Build the processes' settings: the caller's environment takes precedence over the sandbox's own values."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from sandbox.layout import Layout
from shared.config.integrations import DEFAULT_PLANS

SURFACES = ("portal", "partner", "operator")
#: the command line's application: a public client for all surfaces
CLI_CLIENT = "dezky-cli"
#: the web console's application, for all surfaces
CONSOLE_CLIENT = "dezky-console"
OCIS_ACCOUNT = "ocis-provisioner"
FLOWER_USER = "operator"


@dataclass(frozen=True)
class Parts:
    """The parts of the sandbox to start: those that the caller's environment does not replace."""

    mongodb: bool
    valkey: bool
    authentik: bool
    stalwart: bool
    ocis: bool
    stripe: bool
    dns: bool

    @classmethod
    def needed(cls, given: Mapping[str, str]) -> Parts:
        return cls(
            mongodb="MONGODB_URI" not in given,
            valkey="REDIS_URL" not in given,
            # the simulator is also the identity provider that issues the sandbox's tokens
            authentik="AUTHENTIK_API_URL" not in given or "OIDC_ISSUERS" not in given,
            stalwart="STALWART_API_URL" not in given,
            ocis="OCIS_API_URL" not in given,
            stripe="STRIPE_API_KEY" not in given,
            dns="DNS_SERVERS" not in given,
        )

    def names(self) -> list[str]:
        return [name for name, needed in vars(self).items() if needed]


def client_slug(surface: str) -> str:
    """Return the application, client id and audience of a surface."""
    return f"dezky-{surface}"


def issuer(layout: Layout, slug: str) -> str:
    return f"{layout.url('authentik')}/application/o/{slug}/"


def issuers_in_use(layout: Layout, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the simulator's issuers by surface, or real ones by the last part of their path."""
    named = [one.partition("=")[0] for one in environment.get("OIDC_ISSUERS", "").split(",") if one]
    if any(one.startswith(layout.url("authentik")) for one in named):
        return {surface: issuer(layout, client_slug(surface)) for surface in SURFACES}
    return {one.rstrip("/").rpartition("/")[2]: one for one in named}


def _console_issuer(layout: Layout, environment: Mapping[str, str]) -> str:
    """Return the simulator's issuer of the console, or the real one that the API trusts."""
    simulated, found = issuer(layout, CONSOLE_CLIENT), issuers_in_use(layout, environment)
    if simulated in environment.get("OIDC_ISSUERS", ""):
        return simulated
    return found.get(CONSOLE_CLIENT) or next(iter(found.values()), simulated)


def ocis_issuer(layout: Layout, given: Mapping[str, str]) -> str:
    """Return the issuer that the simulated OCIS trusts; at a real Authentik, the one created by our blueprint."""
    if Parts.needed(given).authentik:
        return issuer(layout, "ocis")
    return f"{given['AUTHENTIK_API_URL'].rstrip('/').removesuffix('/api/v3')}/application/o/ocis/"


def _ocis_settings(layout: Layout, given: Mapping[str, str]) -> dict[str, str]:
    """Return the credentials for OCIS: tokens of the simulated Authentik, or else HTTP Basic."""
    account = {"OCIS_USERNAME": OCIS_ACCOUNT, "OCIS_PASSWORD": layout.secrets()["ocis_password"]}
    if not Parts.needed(given).authentik:
        return {"OCIS_API_URL": layout.url("ocis"), **account}
    token_url = f"{layout.url('authentik')}/application/o/token/"
    return {"OCIS_API_URL": layout.url("ocis"), "OCIS_TOKEN_URL": token_url, "OCIS_CLIENT_ID": "ocis", **account}


def stripe_secrets(layout: Layout) -> tuple[str, str]:
    """Return the simulated Stripe's API key, and the secret that it signs its events with."""
    secret = layout.secrets()
    return f"sk_test_{secret['stripe_key']}", f"whsec_{secret['stripe_endpoint']}"


def stripe_prices(given: Mapping[str, str]) -> str:
    """Return the caller's STRIPE_PRICES, or a price for each of the plans in use."""
    return given.get("STRIPE_PRICES") or ",".join(f"{plan}=price_{plan}" for plan in _plans(given))


def _plans(given: Mapping[str, str]) -> list[str]:
    """Return the names of the caller's plans, or the default ones; settings that are invalid are refused later."""
    try:
        text = given.get("PLANS") or Path(given.get("PLANS_FILE") or "").read_text("utf-8-sig")
        found = json.loads(text)
    except (OSError, ValueError):
        return list(DEFAULT_PLANS)
    return list(found) if isinstance(found, dict) else list(DEFAULT_PLANS)


def _stripe_settings(layout: Layout) -> dict[str, str]:
    key, endpoint_secret = stripe_secrets(layout)
    return {
        "STRIPE_API_KEY": key,
        "STRIPE_API_URL": layout.url("stripe"),
        "STRIPE_WEBHOOK_SECRETS": endpoint_secret,
        "STRIPE_PRICES": stripe_prices(os.environ),
    }


def settings_environment(layout: Layout, mongodb_uri: str, redis_url: str) -> dict[str, str]:
    """Return the environment of API, worker, scheduler and Flower."""
    secret = layout.secrets()
    slugs = [*(client_slug(surface) for surface in SURFACES), CLI_CLIENT, CONSOLE_CLIENT]
    audiences = [*(f"{client_slug(surface)}={surface}" for surface in SURFACES), CLI_CLIENT, CONSOLE_CLIENT]
    groups = [
        {"MONGODB_URI": mongodb_uri},
        {"REDIS_URL": redis_url},
        {"OIDC_ISSUERS": ",".join(f"{issuer(layout, slug)}={issuer(layout, slug)}jwks/" for slug in slugs)},
        {"OIDC_AUDIENCES": ",".join(audiences)},
        {"AUTHENTIK_API_URL": layout.url("authentik"), "AUTHENTIK_API_TOKEN": secret["authentik_api_token"]},
        {
            "STALWART_API_URL": layout.url("stalwart"),
            "STALWART_API_TOKEN": secret["stalwart_token"],
            "STALWART_SMTP_URL": f"smtp://{layout.address('smtp')}",
        },
        _ocis_settings(layout, os.environ),
        _stripe_settings(layout),
        {"STAMP_KEYS": secret["stamp"]},
        {"DNS_SERVERS": layout.address("resolver")},
        # during development webhook receivers listen on this machine
        {"WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128"},
        {"LOG_FORMAT": "console"},
    ]
    environment = dict(os.environ)
    for group in groups:
        # the caller must set all variables of a group or none; the first one decides, even when it is empty
        if next(iter(group)) not in environment:
            environment |= {name: environment.get(name, value) for name, value in group.items()}
    return environment | {"PYTHONUNBUFFERED": "1"}


def flower_environment(layout: Layout) -> dict[str, str]:
    password = layout.secrets()["flower_password"]
    return {"FLOWER_BASIC_AUTH": f"{FLOWER_USER}:{password}", "FLOWER_READ_ONLY": "true"}


def console_environment(layout: Layout, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the web console, without the platform's settings, because it uses only the API."""
    secret = layout.secrets()
    given = {
        "CONSOLE_URL": layout.url("console"),
        "CONSOLE_API_URL": layout.url("api"),
        "CONSOLE_ISSUER": _console_issuer(layout, environment),
        "CONSOLE_CLIENT_ID": CONSOLE_CLIENT,
        "CONSOLE_CLIENT_SECRET": secret["console_client_secret"],
        "CONSOLE_SECRET_KEYS": secret["console_key"],
        "CONSOLE_REDIS_URL": another_database(environment["REDIS_URL"]),
        "CONSOLE_LOG_FORMAT": "console",
    }
    return {**given, **os.environ, "PYTHONUNBUFFERED": "1"}


def another_database(redis_url: str) -> str:
    """Return the next database of the same Redis server, to separate sessions from the broker's messages."""
    parts = urlsplit(redis_url)
    number = int(parts.path.strip("/") or 0)
    return urlunsplit(parts._replace(path=f"/{number + 1}"))
