"""Emergency tokens: an administrator's recorded access for minutes while the identity provider is down."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.application.store import Repositories
from shared.config.settings import Settings
from tests.api.conftest import Client

ROOT = Path(__file__).parents[2]
Issue = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def issue(settings: Settings) -> Issue:
    def run(email: str, *options: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
            "MONGODB_DATABASE": settings.mongodb_database,
            "REDIS_URL": settings.redis_url.get_secret_value(),
        }
        command = [sys.executable, "-m", "api.emergency", email, "--reason", "Authentik is down", *options]
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)

    return run


def test_a_token_works_without_the_identity_provider_and_changes_no_record(
    root: Client, issue: Issue, store: Repositories, authentik: AuthentikSimulator
) -> None:
    before = root("GET", "/users/me").json()
    done = issue("admin@people.test")
    assert done.returncode == 0, done.stderr
    emergency = Client(root.url, done.stdout.strip())
    assert emergency("GET", "/tenants").status_code == 200
    assert emergency("GET", "/users/me").json() == before
    (event,) = [one for one in root("GET", "/events").json() if one["action"] == "access.emergency_token_issued"]
    assert event["after"]["reason"] == "Authentik is down"
    assert done.stdout.strip() not in str(event)


def test_an_administrator_who_never_signed_in_keeps_all_rights_and_is_found_whatever_the_case(
    root: Client, issue: Issue, store: Repositories
) -> None:
    acme = root("POST", "/tenants", json={"slug": "acme", "name": "Acme"}).json()["_id"]
    body = {"authentikSubjectId": "ann", "email": "Ann.Admin@People.test", "name": "Ann", "platformAdmin": True}
    made = root("POST", "/users", json=body | {"tenantIds": [acme]}).json()
    done = issue("ann.admin@people.test")
    assert done.returncode == 0, done.stderr
    assert Client(root.url, done.stdout.strip())("GET", "/users/me").json() == made
    assert [one["name"] for one in root("GET", "/users?q=ann.adm").json()] == ["Ann"]


def test_a_token_ends_with_its_time_or_its_owners_right(root: Client, issue: Issue, store: Repositories) -> None:
    token = issue("admin@people.test").stdout.strip()
    emergency = Client(root.url, token)
    store.connection.database["users"].update_many({}, {"$set": {"platformAdmin": False}})
    assert emergency("POST", "/partners", json={"slug": "north", "name": "North"}).status_code == 403
    store.connection.database["emergency_tokens"].update_many({}, [{"$set": {"expiresAt": "$$NOW"}}])
    refused = emergency("GET", "/tenants")
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert token not in refused.text


@pytest.mark.parametrize("token", ["dezky_emergency_", "dezky_emergency_guess", "dezky_emergency_" + "x" * 20_000])
def test_an_unknown_token_is_refused(root: Client, token: str) -> None:
    assert Client(root.url, token)("GET", "/tenants").status_code == 401


def test_only_a_platform_administrator_gets_one_and_not_for_long(root: Client, issue: Issue) -> None:
    unknown = issue("stranger@people.test")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "No platform administrator has the address" in unknown.stderr
    assert issue("admin@people.test", "--minutes", "600").returncode == 2
