"""The rehearsal of docs/how-to/backup.md: a restored MongoDB, with Redis as it was and with an empty one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import redis
import requests
from pymongo import MongoClient

from sandbox.processes import end
from tests.api.conftest import Issuer, issuer  # noqa: F401
from tests.end_to_end.conftest import Platform, make_platform  # noqa: F401

Backup = Mapping[str, list[dict[str, Any]]]
ISSUER = "operator"


class Api:
    """The HTTP API as an operator calls it."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._headers = url, {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, **body: Any) -> Any:
        answer = requests.request(method, self._url + path, headers=self._headers, json=body or None, timeout=40)
        assert answer.ok, answer.text
        return answer.json()

    def until(self, path: str, is_so: Callable[[Any], bool], seconds: float = 40) -> Any:
        deadline = time.monotonic() + seconds
        while not is_so(found := self("GET", path)):
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        return found


@pytest.fixture
def platform(make_platform, redis_url: str, issuer: Issuer) -> Platform:  # type: ignore[no-untyped-def] # noqa: F811
    url = issuer.url(ISSUER)
    made: Platform = make_platform(
        redis_url, OIDC_ISSUERS=f"{url}={url}jwks/", OIDC_AUDIENCES=f"{ISSUER}={ISSUER}", ORPHAN_SCAN_HOURS="0"
    )
    return made


@pytest.fixture
def api(platform: Platform, issuer: Issuer) -> Api:  # noqa: F811
    url = platform.start_api()
    platform.until_ready(url)
    api = Api(url, issuer.token("admin"))
    api("GET", "/users/me")
    return api


def back_up(platform: Platform) -> Backup:
    with MongoClient[dict[str, Any]](platform.settings.mongodb_uri.get_secret_value()) as client:
        database = client[platform.settings.mongodb_database]
        return {name: list(database[name].find()) for name in database.list_collection_names()}


def restore(platform: Platform, backup: Backup) -> None:
    with MongoClient[dict[str, Any]](platform.settings.mongodb_uri.get_secret_value()) as client:
        database = client[platform.settings.mongodb_database]
        for name in database.list_collection_names():
            database[name].delete_many({})
            if rows := backup.get(name):
                database[name].insert_many(rows)


def step_reasons(operation: Mapping[str, Any]) -> set[str | None]:
    return {step.get("reason") for step in operation["steps"]}


@pytest.mark.parametrize("redis_is_empty", [False, True])
def test_a_restored_backup_changes_nothing_outside_until_an_operator_ends_the_mode(
    platform: Platform, api: Api, redis_url: str, redis_is_empty: bool
) -> None:
    processes = [platform.start_worker(), platform.start_scheduler()]
    assert api("POST", "/tenants?wait=30", slug="acme", name="Acme", domains=["acme.test"])["status"] == "active"
    backup = back_up(platform)
    assert api("POST", "/tenants?wait=30", slug="later", name="Later", domains=["later.test"])["status"] == "active"
    for process in processes:
        process.terminate()
        end(process, 10)

    restore(platform, backup)
    if redis_is_empty:
        redis.Redis.from_url(redis_url).flushdb()
    platform.start_scheduler(OBSERVE_ONLY_ON_START="true")
    api.until("/observe-only", lambda found: bool(found["observeOnly"]))
    platform.start_worker()

    dry_run = api("POST", "/tenants/acme/reconcile?mode=plan&wait=30")["operation"]
    assert (dry_run["mode"], dry_run["status"]) == ("plan", "succeeded")
    operation = api("POST", "/tenants/acme/reconcile")["operation"]["id"]
    api.until(f"/operations/{operation}", lambda found: step_reasons(found) == {"observe_only"})
    api("POST", "/orphans/look")
    orphans = api.until("/orphans", lambda found: len(found) >= 3)
    assert {orphan["cause"] for orphan in orphans} == {"tenant_unknown"}
    assert platform.has_one_of_each("later")

    api("DELETE", "/observe-only")
    ended = api.until(f"/operations/{operation}", lambda found: found["status"] != "running")
    assert ended["status"] == "succeeded"
    assert [tenant["slug"] for tenant in api("GET", "/tenants") if tenant["slug"] != "dezky"] == ["acme"]
    assert platform.has_one_of_each("later")
