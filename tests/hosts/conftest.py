"""The platform on several hosts: servers that fail over, and requests that continue during it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from shared.tenants.model import Status
from tests.api.conftest import Client, Issuer, issuer  # noqa: F401
from tests.end_to_end.conftest import Platform, make_platform  # noqa: F401
from tests.hosts.clusters import MASTER, ReplicaSet, WatchedValkey

SERVER_PASSWORD = "p:w@of/servers"
SENTINEL_PASSWORD = "password-of-sentinels"


@pytest.fixture(scope="module")
def replica_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Each test restores it."""
    made = ReplicaSet(tmp_path_factory.mktemp("replica-set"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedValkey]:
    """Each test leaves all five running."""
    made = WatchedValkey(tmp_path_factory.mktemp("watched"), SERVER_PASSWORD, SENTINEL_PASSWORD)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def sentinel_settings(watched: WatchedValkey) -> dict[str, str]:
    return {"REDIS_SENTINEL_MASTER": MASTER, "REDIS_SENTINEL_PASSWORD": SENTINEL_PASSWORD}


def tokens_of(issuer: Issuer) -> dict[str, str]:  # noqa: F811
    """Return settings of an API that accepts this issuer's tokens for operators."""
    url = issuer.url()
    return {"OIDC_ISSUERS": f"{url}={url}jwks/", "OIDC_AUDIENCES": "operator=operator"}


class SignUps:
    """Create tenants on a separate thread; each request is repeated with its key until it is accepted."""

    def __init__(self, client: Client, pause: float = 0.4) -> None:
        self._client = client
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sign-ups", daemon=True)
        self.accepted: list[str] = []
        #: how often each status was answered; problems by their code
        self.answers: Counter[int | str] = Counter()

    def __enter__(self) -> SignUps:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join(60)

    def wait_for(self, more: int, seconds: float = 30) -> None:
        """Wait until so many more are accepted than now."""
        wanted, deadline = len(self.accepted) + more, time.monotonic() + seconds
        while len(self.accepted) < wanted:
            assert time.monotonic() < deadline, f"{len(self.accepted)} of {wanted} accepted; {self.answers}"
            time.sleep(0.02)

    def _run(self) -> None:
        while not self._stop.is_set():
            slug = f"acme{len(self.accepted)}"
            while not self._sign_up(slug):
                time.sleep(0.2)
            self.accepted.append(slug)
            time.sleep(self._pause)

    def _sign_up(self, slug: str) -> bool:
        body = {"slug": slug, "name": slug.title(), "domains": [f"{slug}.test"]}
        try:
            answer = self._client("POST", "/tenants", json=body, headers={"Idempotency-Key": slug})
        except requests.ConnectionError:  # a kept connection was closed as the request left
            self.answers["unanswered"] += 1
            return False
        said = answer.status_code if answer.ok else answer.json()["code"]
        self.answers[said] += 1
        return said in (201, "already_done")


@pytest.fixture
def operator(issuer: Issuer) -> Callable[[str], Client]:  # noqa: F811
    """Return an administrator's client of the API at a URL."""

    def sign_in(url: str) -> Client:
        client = Client(url, issuer.token("admin"))
        assert client("GET", "/users/me").status_code == 200
        return client

    return sign_in


def every_tenant_is_active(platform: Platform, slugs: list[str], seconds: float = 60) -> None:
    for slug in slugs:
        view = platform.settled(slug, seconds)
        assert view.tenant.status is Status.ACTIVE, view


def every_tenant_is_whole(platform: Platform, slugs: list[str], seconds: float = 60) -> None:
    """Require that each is active and exists once in every product, with one operation and one event of each kind."""
    every_tenant_is_active(platform, slugs, seconds)
    for slug in slugs:
        assert platform.has_one_of_each(slug), platform.upstream(slug)
    rows = platform.store.connection.client[platform.settings.mongodb_database]
    assert rows["tenants"].count_documents({"slug": {"$in": slugs}}) == len(slugs)
    assert rows["operations"].count_documents({"tenantSlug": {"$in": slugs}}) == len(slugs)
    for action in ("tenant.created", "operation.succeeded"):
        assert rows["events"].count_documents({"tenant": {"$in": slugs}, "action": action}) == len(slugs)


def readiness(url: str) -> tuple[int, dict[str, str]]:
    answer = requests.get(f"{url}/health/ready", timeout=20)
    return answer.status_code, answer.json()["checks"]
