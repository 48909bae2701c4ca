"""Describe the processes of a sandbox: command line, environment and readiness check."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from sandbox.environment import (
    CLI_CLIENT,
    CONSOLE_CLIENT,
    OCIS_ACCOUNT,
    SURFACES,
    client_slug,
    console_environment,
    flower_environment,
    ocis_issuer,
    stripe_prices,
    stripe_secrets,
)
from sandbox.layout import Layout
from shared.messaging.messages import QUEUES


@dataclass
class Part:
    """One process: its command line, environment and readiness check."""

    name: str
    command: list[str]
    environment: dict[str, str]
    is_ready: Callable[[], bool]
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    started_at: float = field(default_factory=time.monotonic)


def simulators(layout: Layout) -> list[Part]:
    """Return the simulators, each on its port, with the secrets of this folder."""
    secret = layout.secrets()
    stripe_key, endpoint_secret = stripe_secrets(layout)
    prices = ",".join(pair.partition("=")[2].strip() for pair in stripe_prices(os.environ).split(","))
    base = {**os.environ, "PYTHONUNBUFFERED": "1"}
    rows = {
        "authentik": (
            [],
            {
                "AUTHENTIK_SIMULATOR_TOKEN": secret["authentik_api_token"],
                "AUTHENTIK_SIMULATOR_CLIENTS": json.dumps(oauth_clients(layout)),
            },
        ),
        "stalwart": (["--smtp-port", str(layout.port("smtp"))], {"STALWART_SIMULATOR_KEY": secret["stalwart_token"]}),
        "ocis": (
            ["--issuer", ocis_issuer(layout, os.environ)],
            {"OCIS_SIMULATOR_USERS": f"{OCIS_ACCOUNT}:{secret['ocis_password']}:Admin"},
        ),
        "stripe": (
            ["--endpoint", f"{layout.url('api')}/stripe/events", "--prices", prices],
            {"STRIPE_SIMULATOR_KEY": stripe_key, "STRIPE_SIMULATOR_ENDPOINT_SECRET": endpoint_secret},
        ),
        "dns": (["--dns-port", str(layout.port("resolver"))], {}),
    }
    return [
        Part(
            name,
            [sys.executable, "-m", f"sandbox.simulators.{name}", "--port", str(layout.port(name)), *options],
            base | extra,
            lambda name=name: _listens(layout.port(name)),  # type: ignore[misc]
        )
        for name, (options, extra) in rows.items()
    ]


def oauth_clients(layout: Layout) -> list[dict[str, Any]]:
    """Return the identity provider's clients. The console's redirect URIs allow any port of this machine."""
    secret = layout.secrets()
    secrets = {client_slug(surface): secret["ocis_client_secret"] for surface in SURFACES}
    secrets |= {"ocis": secret["ocis_client_secret"], CLI_CLIENT: "", CONSOLE_CLIENT: secret["console_client_secret"]}
    clients: dict[str, dict[str, Any]] = {
        slug: {"slug": slug, "client_id": slug, "client_secret": value} for slug, value in secrets.items()
    }
    here = r"http://(127\.0\.0\.1|localhost):\d+"
    clients[CONSOLE_CLIENT] |= {
        "redirect_uris": [
            {"url": f"{here}/auth/callback", "matching_mode": "regex"},
            {"url": f"{here}/", "matching_mode": "regex", "redirect_uri_type": "logout"},
        ],
        "logout_uri": f"{layout.url('console')}/auth/back-channel",
        "ends_session": True,
        "access_lifetime": 600,
        "refresh_lifetime": 12 * 3600,
    }
    clients[CLI_CLIENT] |= {"code_lifetime": 600, "asks_consent": True}
    return list(clients.values())


def platform(layout: Layout, environment: dict[str, str]) -> list[Part]:
    """Return API, worker, scheduler, Flower and console in starting order."""
    python = [sys.executable, "-m"]
    celery = ["celery", "-A", "worker.main:app"]
    pool = ["--pool", "threads", "--concurrency", "64", "-Q", ",".join(QUEUES), "--without-gossip"]
    history = ["--persistent=true", f"--db={layout.folder / 'flower.db'}", "--state_save_interval=30000"]
    flower = ["worker.flower", "--address=127.0.0.1", f"--port={layout.port('flower')}", *history]
    return [
        Part(
            "api",
            [*python, "api", "--port", str(layout.port("api"))],
            environment,
            lambda: _answers(f"{layout.url('api')}/health/ready"),
        ),
        Part(
            "worker",
            [*python, *celery, "worker", *pool, "--without-mingle", "-E", "--loglevel", "INFO"],
            environment,
            lambda: b"ready." in layout.log("worker").read_bytes(),
        ),
        Part("scheduler", [*python, "worker.scheduler"], environment, lambda: True),
        Part(
            "flower",
            [*python, *flower],
            environment | flower_environment(layout),
            lambda: _listens(layout.port("flower")),
        ),
        Part(
            "console",
            [*python, "console", "--port", str(layout.port("console"))],
            console_environment(layout, environment),
            lambda: _answers(f"{layout.url('console')}/health/ready"),
        ),
    ]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False
