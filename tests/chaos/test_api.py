"""An API process that is killed between what it has recorded and what it would have sent."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import redis
import requests

from sandbox.processes import free_port
from sandbox.stand_ins.authentik.server import AuthentikStandIn
from shared.dispatch.names import QUEUES
from shared.domain.tenant import Status
from tests.api.conftest import ADMINS, Client, Issuer
from tests.path.conftest import Platform


@pytest.mark.parametrize(("when", "sent"), [("before", 0), ("half-way", 1)])
def test_what_an_api_recorded_and_did_not_send_before_it_was_killed_is_swept(
    make_platform: Callable[..., Platform], redis_url: str, authentik: AuthentikStandIn, when: str, sent: int
) -> None:
    issuer = Issuer(authentik)
    issuer.person("admin", ADMINS)
    url = issuer.url()
    platform = make_platform(redis_url, OIDC_ISSUERS=f"{url}={url}jwks/", OIDC_AUDIENCES="operator=operator")
    port = free_port()
    granian = ["granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command = [sys.executable, "-m", *granian, "--blocking-threads", "2", "tests.chaos.odd_apis:app"]
    platform._spawn(command, platform._folder / "odd-api.log", {"ODD_API": when})
    platform.until_ready(f"http://127.0.0.1:{port}")
    admin = Client(f"http://127.0.0.1:{port}", issuer.token("admin"))
    assert admin("GET", "/users/me").status_code == 200
    with pytest.raises(requests.ConnectionError):
        admin("POST", "/tenants", json={"slug": "acme", "name": "Acme GmbH", "domains": ["acme.test"]})
    broker = redis.Redis.from_url(redis_url)
    assert sum(int(broker.llen(queue)) for queue in QUEUES) == sent
    platform.start_worker()
    platform.start_sweep()
    assert platform.settled("acme").tenant.status is Status.ACTIVE
    assert platform.has_one_of_each("acme")
