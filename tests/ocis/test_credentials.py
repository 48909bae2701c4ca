"""Sign in to OCIS: app tokens, client credentials, and the reason of each refusal."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any, cast

import pytest

from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from shared.config.settings import read_settings
from shared.integrations.outcomes import PermanentError, Result, TemporaryError
from tests.ocis.spaces import client, spaces
from tests.simulators import API_TOKEN, MakeStep, fault
from worker.integrations.ocis.client import OcisClient, connect
from worker.integrations.ocis.space import ensure_files

MACHINE = {"ocis_username": "ocis-provisioner", "ocis_password": "app-password-secret"}


def test_wrong_credentials_a_missing_role_and_a_second_factor_have_different_reasons(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    with pytest.raises(PermanentError, match="bad_credentials"):
        ensure_files(make_step("ocis"), client(ocis, "nobody"))
    ocis.proxy.allow_token("plain", "person", "User")
    ocis._basic_users["person"] = (API_TOKEN, "User")  # type: ignore[index]
    with pytest.raises(PermanentError, match="missing_permission"):
        ensure_files(make_step("ocis"), client(ocis, "person"))
    fault(ocis, kind="mfa")
    with pytest.raises(PermanentError, match="second factor"):
        ensure_files(make_step("ocis"), files)


def test_a_refusal_of_one_tenants_request_is_that_tenants_fault_and_not_our_accounts(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep
) -> None:
    fault(ocis, kind="status", status=401, contains="Acme GmbH")
    with pytest.raises(PermanentError, match="this request alone") as refused:
        ensure_files(make_step("ocis"), files)
    assert refused.value.reason == "missing_permission"
    fault(ocis, kind="status", status=401)
    with pytest.raises(PermanentError, match="bad_credentials"):
        ensure_files(make_step("ocis"), files)


@pytest.mark.parametrize("rule", [{"kind": "graph_down"}, {"kind": "status", "status": 502}, {"kind": "reset"}])
def test_an_outage_is_temporary(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, rule: dict[str, Any]
) -> None:
    fault(ocis, **rule)
    with pytest.raises(TemporaryError):
        ensure_files(make_step("ocis"), files)


def connected(server: OcisSimulator, **given: str) -> OcisClient:
    """Build a client by settings, of which `given` are OCIS' own."""
    others = {"mongodb_uri": "mongodb://unused", "redis_url": "redis://unused", "stamp_keys": "x" * 32}
    return cast(OcisClient, connect(read_settings(ocis_api_url=server.url, **others, **given)))


def by_client_credentials(authentik: AuthentikSimulator, server: OcisSimulator, **given: str) -> OcisClient:
    url = f"{authentik.url}/application/o/token/"
    return connected(server, ocis_token_url=url, ocis_client_id="ocis", **given)


def test_the_machine_account_signs_in_by_client_credentials_and_outlasts_refused_tokens(
    authentik: AuthentikSimulator, make_step: MakeStep, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    authentik.ensure_person("ocis-provisioner", "app-password-secret", entitlements=["ocisAdmin"])
    issuer = f"{authentik.url}/application/o/ocis/"
    with OcisSimulator(issuer=issuer).running() as server:
        files = by_client_credentials(authentik, server, **MACHINE)
        assert ensure_files(make_step("ocis"), files).result is Result.OK
        token_requests = [entry for entry in authentik.journal if entry["path"].endswith("/token/")]
        assert len(token_requests) == 1
        fault(server, kind="status", status=401, count=1)
        assert ensure_files(make_step("ocis"), files).result is Result.OK
        assert len([entry for entry in authentik.journal if entry["path"].endswith("/token/")]) == 2
        # seen: "IdP down: cached tokens go on, new ones get 401: 401 is not proof of bad credentials"
        fault(server, kind="idp_down")
        assert ensure_files(make_step("ocis"), files).result is Result.OK
        server.proxy.forget_tokens()
        with pytest.raises(TemporaryError, match="issued just now"):
            ensure_files(make_step("ocis"), files)
        server.faults.clear()
        assert ensure_files(make_step("ocis"), files).result is Result.OK
    assert "app-password-secret" not in caplog.text


def test_the_first_creates_of_a_new_account_are_waited_for(authentik: AuthentikSimulator, make_step: MakeStep) -> None:
    """Seen: "POST /drives by a fresh autoprovisioned account: an empty 500 for most, 403 for some; then all 201"."""
    authentik.ensure_person("ocis-provisioner", "app-password-secret", entitlements=["ocisSpaceAdmin"])
    issuer = f"{authentik.url}/application/o/ocis/"
    with OcisSimulator(issuer=issuer, role_delays={"ocis-provisioner": 1.5}).running() as server:
        files = by_client_credentials(authentik, server, **MACHINE)
        with pytest.raises(TemporaryError):
            ensure_files(make_step("ocis", is_first=True), files)
        with suppress(TemporaryError):  # the client waits for the role
            ensure_files(make_step("ocis"), files)
        assert ensure_files(make_step("ocis"), files).result is Result.OK
        creates = [one for one in server.journal if (one["method"], one["path"]) == ("POST", "/graph/v1.0/drives")]
        # a busy machine may be too late for the 403
        assert [one["status"] for one in creates] in ([500, 403, 201], [500, 201])
        assert len(spaces(server)) == 1


@pytest.mark.parametrize("password", ["grün", "grün€"])
def test_a_password_may_contain_any_character(make_step: MakeStep, password: str) -> None:
    with OcisSimulator(basic_users={"provisioner": (password, "Admin")}).running() as server:
        files = connected(server, ocis_username="provisioner", ocis_password=password)
        assert ensure_files(make_step("ocis"), files).result is Result.OK


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"kind": "status", "status": 503}, "upstream_error"),
        ({"kind": "status", "status": 405, "body": ""}, "upstream_error"),
        ({"kind": "wrong_body"}, "unexpected_answer"),
        ({"kind": "status", "status": 404, "body": "404 page not found\n"}, "upstream_error"),
        ({"kind": "status", "status": 404}, "upstream_error"),
        ({"kind": "status", "status": 400}, "upstream_error"),
        ({"kind": "status", "status": 403, "body": '{"error":"temporarily_unavailable"}'}, "upstream_error"),
        ({"kind": "status", "status": 401, "body": '{"error":"invalid_client"}'}, "bad_credentials"),
        ({"kind": "status", "status": 200, "body": '{"access_token":"x","expires_in":"soon"}'}, "unexpected_answer"),
        ({"kind": "status", "status": 400, "body": '{"error":"invalid_grant"}'}, "bad_credentials"),
    ],
)
def test_a_failing_token_endpoint_is_not_reported_as_wrong_credentials(
    authentik: AuthentikSimulator, ocis: OcisSimulator, make_step: MakeStep, rule: dict[str, Any], expected: str
) -> None:
    fault(authentik, path="token", **rule)
    files = by_client_credentials(authentik, ocis, ocis_client_secret="ocis-secret")
    with pytest.raises((TemporaryError, PermanentError), match=expected):
        ensure_files(make_step("ocis"), files)
