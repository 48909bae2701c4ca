"""Check an API process that is killed after a commit: before it knows of it, or before it publishes an operation."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import redis
import requests

from sandbox.processes import free_port
from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.messaging.messages import QUEUES
from shared.tenants.model import Status
from tests.api.conftest import ADMINS, Client, Issuer
from tests.end_to_end.conftest import Platform
from tests.hosts.conftest import tokens_of
from tests.mongo_proxy import Loss, MongoProxy
from tests.waiting import until


def issuer_of(authentik: AuthentikSimulator) -> Issuer:
    issuer = Issuer(authentik)
    issuer.person("admin", ADMINS)
    return issuer


def dying_api(platform: Platform, when: str) -> str:
    """Start an API that dies while it publishes; return its URL."""
    port = free_port()
    command = [sys.executable, "-m", "api", "--port", str(port), "--target", "tests.chaos.dying_api:asgi"]
    platform._spawn(command, platform._folder / f"{when}.log", {"DYING_API": when})
    return f"http://127.0.0.1:{port}"


def test_the_scheduler_publishes_operations_that_a_killed_api_recorded(
    make_platform: Callable[..., Platform], redis_url: str, authentik: AuthentikSimulator
) -> None:
    issuer = issuer_of(authentik)
    platform = make_platform(redis_url, **tokens_of(issuer))
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


def test_what_an_api_committed_before_it_was_killed_is_not_done_again_for_a_repeated_request(
    make_platform: Callable[..., Platform], redis_url: str, authentik: AuthentikSimulator, mongo_proxy: MongoProxy
) -> None:
    issuer = issuer_of(authentik)
    platform = make_platform(redis_url, **tokens_of(issuer))
    rows = platform.store.connection.client[platform.settings.mongodb_database]
    sent = {
        # first: it also numbers the events of those before it, by another commit
        "/webhooks": {"url": "https://hooks.platform.test/"},
        "/tenants": {"slug": "acme", "name": "Acme"},
        "/purges/allow": {"count": 3},
    }

    def post(api: str, path: str) -> requests.Response:
        headers = {"Idempotency-Key": path}
        return Client(api, issuer.token("admin"))("POST", path, json=sent[path], headers=headers)

    def codes(api: str) -> dict[str, str]:
        return {path: post(api, path).json()["code"] for path in sent}

    killed = platform.start_api(MONGODB_URI=mongo_proxy.uri)
    process = platform._running[-1]
    platform.until_ready(killed)
    # the commit of the tenant that the service creates for itself would count as one of those below
    until(lambda: platform.store.tenants.find(platform.settings.default_tenant_slug))
    admin = Client(killed, issuer.token("admin"))
    assert [admin("GET", path).status_code for path in ("/users/me", "/events")] == [200, 200]
    mongo_proxy.loss = Loss.SILENCE
    answers: list[Future[requests.Response]] = []
    with ThreadPoolExecutor(len(sent)) as pool:
        for path in sent:
            answers.append(pool.submit(post, killed, path))
            until(lambda: mongo_proxy.lost == len(answers))
        os.killpg(process.pid, signal.SIGKILL)
        assert all(isinstance(answer.exception(30), requests.ConnectionError) for answer in answers)
    mongo_proxy.mend()

    api = platform.start_api()
    platform.until_ready(api)
    assert codes(api) == dict.fromkeys(sent, "idempotency_key_in_progress")
    rows["idempotency"].update_many({}, [{"$set": {"leaseUntil": "$$NOW"}}])
    assert codes(api) == dict.fromkeys(sent, "already_done")
    assert (rows["tenants"].count_documents({"slug": "acme"}), rows["webhooks"].count_documents({})) == (1, 1)
    assert Client(api, issuer.token("admin"))("GET", "/purges").json()["extra"] == 3
