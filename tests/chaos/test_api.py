"""Check an API process that is killed after it has recorded an operation and before it has published it."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import redis
import requests

from sandbox.processes import free_port
from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.messaging.queues import QUEUES
from shared.tenants.model import Status
from tests.api.conftest import ADMINS, Client, Issuer
from tests.path.conftest import Platform


def dying_api(platform: Platform, when: str) -> str:
    """Start an API that dies while it publishes; return its URL."""
    port = free_port()
    command = [sys.executable, "-m", "api", "--port", str(port), "--target", "tests.chaos.dying_api:asgi"]
    platform._spawn(command, platform._folder / f"{when}.log", {"DYING_API": when})
    return f"http://127.0.0.1:{port}"


def test_the_scheduler_publishes_operations_that_a_killed_api_recorded(
    make_platform: Callable[..., Platform], redis_url: str, authentik: AuthentikSimulator
) -> None:
    issuer = Issuer(authentik)
    issuer.person("admin", ADMINS)
    url = issuer.url()
    platform = make_platform(redis_url, OIDC_ISSUERS=f"{url}={url}jwks/", OIDC_AUDIENCES="operator=operator")
    broker = redis.Redis.from_url(redis_url)
    apis = {slug: dying_api(platform, slug) for slug in ("before", "half-way")}
    for (slug, api), sent in zip(apis.items(), (0, 1), strict=True):
        platform.until_ready(api)
        admin = Client(api, issuer.token("admin"))
        assert admin("GET", "/users/me").status_code == 200
        with pytest.raises(requests.ConnectionError):
            admin("POST", "/tenants", json={"slug": slug, "name": slug, "domains": [f"{slug}.test"]})
        assert sum(int(broker.llen(queue)) for queue in QUEUES) == sent
    platform.start_worker()
    platform.start_scheduler()
    for slug in apis:
        assert platform.settled(slug).tenant.status is Status.ACTIVE
        assert platform.has_one_of_each(slug)
