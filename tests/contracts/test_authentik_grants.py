"""The identity provider's stand-in: signing a device in (RFC 8628), refresh tokens, and taking them back."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox.simulators.authentik.server import AuthentikStandIn
from tests.stand_ins import fault

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "openid profile email offline_access"


class Provider:
    """The operator application's endpoints, found by discovery."""

    def __init__(self, stand_in: AuthentikStandIn) -> None:
        self.stand_in = stand_in
        stand_in.ensure_person("ann", "app-password", "Ann", "ann@people.test", ["tenant-acme"])
        self.found = requests.get(
            f"{stand_in.url}/application/o/operator/.well-known/openid-configuration", timeout=5
        ).json()

    def start(self, scope: str = SCOPE) -> dict[str, Any]:
        form = {"client_id": "operator", "scope": scope}
        answer = requests.post(self.found["device_authorization_endpoint"], data=form, timeout=5)
        assert answer.status_code == 200
        started: dict[str, Any] = answer.json()
        return started

    def token(self, **form: str) -> requests.Response:
        return requests.post(self.found["token_endpoint"], data={"client_id": "operator", **form}, timeout=5)

    def poll(self, started: dict[str, Any], **form: str) -> requests.Response:
        return self.token(grant_type=DEVICE_GRANT, device_code=started["device_code"], **form)

    def refresh(self, token: str, **form: str) -> requests.Response:
        secret = {"client_secret": "operator-secret"}
        return self.token(**{"grant_type": "refresh_token", "refresh_token": token, **secret, **form})

    def decide(self, started: dict[str, Any], decision: str, username: str = "ann") -> requests.Response:
        form = {"code": started["user_code"], "username": username, "decision": decision}
        return requests.post(started["verification_uri"], data=form, timeout=5)

    def signed_in(self, scope: str = SCOPE) -> dict[str, Any]:
        started = self.start(scope)
        assert self.decide(started, "approve").status_code == 200
        tokens: dict[str, Any] = self.poll(started).json()
        return tokens


@pytest.fixture
def provider(authentik: AuthentikStandIn) -> Provider:
    return Provider(authentik)


def error(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


def test_a_device_waits_until_a_person_approves_and_its_code_is_then_spent(provider: Provider) -> None:
    started = provider.start()
    assert len(started["user_code"]) == 9
    assert started["user_code"].isdigit()
    assert started["verification_uri_complete"] == f"{started['verification_uri']}?code={started['user_code']}"
    assert (started["interval"], started["expires_in"]) == (5, 60)
    assert error(provider.poll(started)) == (400, "authorization_pending")
    assert started["user_code"] in requests.get(started["verification_uri_complete"], timeout=5).text
    assert provider.decide(started, "approve").status_code == 200
    tokens = provider.poll(started).json()
    assert tokens["scope"] == SCOPE
    assert len(tokens["refresh_token"]) == 128
    assert error(provider.poll(started)) == (400, "invalid_grant")


def test_who_denies_is_believed(provider: Provider) -> None:
    started = provider.start()
    provider.decide(started, "deny")
    assert error(provider.poll(started)) == (400, "access_denied")


def test_a_code_that_nobody_approved_in_time_has_expired(provider: Provider) -> None:
    provider.stand_in.oidc.grants.device_life = 0
    started = provider.start()
    assert error(provider.poll(started)) == (400, "expired_token")
    assert provider.decide(started, "approve").status_code == 400


def test_a_code_serves_only_the_client_that_asked_for_it(provider: Provider) -> None:
    started = provider.start()
    provider.decide(started, "approve")
    assert error(provider.poll(started, client_id="portal")) == (400, "invalid_grant")


def test_an_unknown_code_user_or_client_is_refused(provider: Provider) -> None:
    started = provider.start()
    assert provider.decide(started | {"user_code": "000000000"}, "approve").status_code == 400
    assert provider.decide(started, "approve", "nobody").status_code == 400
    answer = requests.post(provider.found["device_authorization_endpoint"], data={"client_id": "x"}, timeout=5)
    assert error(answer) == (400, "invalid_client")


def test_patience_is_asked_for_on_order(provider: Provider, authentik: AuthentikStandIn) -> None:
    fault(authentik, kind="slow_down", path="/token/", count=1)
    fault(authentik, kind="slow_down", path="/device/", after=1, count=1)
    started = provider.start()
    assert error(provider.poll(started)) == (400, "slow_down")
    assert error(provider.poll(started)) == (400, "authorization_pending")
    answer = requests.post(provider.found["device_authorization_endpoint"], data={"client_id": "operator"}, timeout=5)
    assert error(answer) == (429, "slow_down")


def test_without_offline_access_there_is_no_refresh_token(provider: Provider) -> None:
    assert "refresh_token" not in provider.signed_in("openid profile email")


def test_a_refresh_token_rotates_and_sees_the_groups_of_now(provider: Provider, authentik: AuthentikStandIn) -> None:
    first = provider.signed_in()
    authentik.ensure_person("ann", "app-password", "Ann", "ann@people.test", ["tenant-globex"])
    second = provider.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    bearer = {"Authorization": f"Bearer {second['access_token']}"}
    assert requests.get(provider.found["userinfo_endpoint"], headers=bearer, timeout=5).json()["groups"] == [
        "tenant-globex"
    ]
    assert error(provider.refresh(first["refresh_token"])) == (400, "invalid_grant")


def test_refreshing_needs_the_secret_of_a_client_that_has_one_and_widens_nothing(provider: Provider) -> None:
    token = provider.signed_in()["refresh_token"]
    assert error(provider.refresh(token, client_secret="wrong")) == (400, "invalid_client")
    assert error(provider.refresh(token, scope=f"{SCOPE} entitlements")) == (400, "invalid_scope")
    assert provider.refresh(token).status_code == 200


def test_a_revoked_refresh_token_and_a_blocked_persons_are_dead(
    provider: Provider, authentik: AuthentikStandIn
) -> None:
    token = provider.signed_in()["refresh_token"]
    form = {"client_id": "operator", "client_secret": "operator-secret", "token": token}
    assert requests.post(provider.found["revocation_endpoint"], data=form, timeout=5).status_code == 200
    assert error(provider.refresh(token)) == (400, "invalid_grant")
    token = provider.signed_in()["refresh_token"]
    authentik.directory.users_by_name["ann"].is_active = False
    assert error(provider.refresh(token)) == (400, "invalid_grant")
