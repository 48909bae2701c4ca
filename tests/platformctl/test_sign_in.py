"""Sign in, renew tokens, and sign out, with the simulated identity provider and the real API."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from client.sign_in.device import sign_device_in
from client.sign_in.issuer import Issuer, OAuthClient
from platformctl.sign_in.store import SignIn, Store
from platformctl.sign_in.tokens import StoredTokens
from sandbox.simulators.authentik.oidc import OidcClient
from sandbox.simulators.authentik.server import AuthentikSimulator
from tests.api.conftest import Issuer as People
from tests.platformctl.conftest import Cli, person
from tests.simulators import fault

SECRET = {"PLATFORM_CLIENT_SECRET": "operator-secret"}


@pytest.fixture(autouse=True)
def quick(authentik: AuthentikSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentik.oidc.devices, "interval", 1)


@pytest.fixture
def public(authentik: AuthentikSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the program's application a public client, without a secret, as on people's machines."""
    monkeypatch.setitem(authentik.oidc._clients, "operator", OidcClient("operator", "operator", ""))


@pytest.fixture
def signed_in(visitor: Cli, authentik: AuthentikSimulator, public: None) -> Cli:
    with person(authentik):
        assert visitor("login").exit_code == 0
    return visitor


def refreshes(authentik: AuthentikSimulator) -> int:
    return sum("grant_type=refresh_token" in entry["body"] for entry in authentik.journal)


def test_a_person_signs_in_by_approving_a_code(visitor: Cli, authentik: AuthentikSimulator, public: None) -> None:
    with person(authentik):
        done = visitor("login")
    assert done.exit_code == 0, done.output
    assert f"Open {authentik.url}/device?code=" in done.stderr
    assert "Signed in to" in done.stderr
    assert done.stdout == ""
    saved = visitor.saved()
    assert saved["refresh_token"]
    assert saved["access_token"] not in done.output
    assert visitor.json("whoami")["email"] == "admin@people.test"


def test_a_script_signs_in_by_its_client_secret_from_the_environment_or_a_file(visitor: Cli, tmp_path: Path) -> None:
    assert visitor("login", env=SECRET).exit_code == 0
    assert visitor.saved()["grant"] == "client_credentials"
    assert visitor.json("whoami")["name"] == "ak-operator-client_credentials"
    secret = tmp_path / "secret"
    secret.write_text("operator-secret\n")
    done = visitor("login", "--client-secret-file", str(secret), "-o", "json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["name"] == "ak-operator-client_credentials"
    assert "operator-secret" not in visitor.files()[0].read_text()


def test_a_wrong_secret_a_denial_and_an_expired_code_fail_to_sign_in(
    visitor: Cli, authentik: AuthentikSimulator, public: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = visitor("login", env={"PLATFORM_CLIENT_SECRET": "wrong-secret"})
    with person(authentik, approve=False):
        denied = visitor("login")
    monkeypatch.setattr(authentik.oidc.grants, "device_lifetime", 0.5)
    late = visitor("login")
    assert [done.exit_code for done in (wrong, denied, late)] == [5, 5, 5]
    assert "invalid_grant" in wrong.stderr
    assert "wrong-secret" not in wrong.output
    assert "denied" in denied.stderr
    assert "in time" in late.stderr
    assert visitor.files() == []


def test_too_many_sign_ins_within_an_hour_give_an_error_message(
    visitor: Cli, authentik: AuthentikSimulator, public: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentik.oidc.devices, "per_hour", 0)
    done = visitor("login")
    assert (done.exit_code, "too many sign-ins from here this hour" in done.stderr) == (5, True)


@pytest.mark.parametrize("status", [408, 429])
def test_polling_for_a_device_continues_after_a_temporary_refusal(
    authentik: AuthentikSimulator, issuer: People, public: None, status: int
) -> None:
    fault(authentik, kind="status", status=status, path="/token/", count=1)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            [code] = authentik.oidc.grants._devices.values()
            authentik.oidc.grants.decide_device(code.user_code, "admin")

    found = Issuer(issuer.url(), OAuthClient("operator"), retries=0)
    assert sign_device_in(found, "openid", lambda shown: None, sleep).access_token
    assert waits == [1, 2]


def test_after_slow_down_the_device_polls_less_often(
    authentik: AuthentikSimulator, issuer: People, public: None
) -> None:
    fault(authentik, kind="slow_down", path="/token/", count=1)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            [code] = authentik.oidc.grants._devices.values()
            authentik.oidc.grants.decide_device(code.user_code, "admin")

    granted = sign_device_in(Issuer(issuer.url(), OAuthClient("operator")), "openid", lambda shown: None, sleep)
    assert granted.access_token
    assert waits == [1, 6, 6]


def test_a_token_about_to_expire_is_refreshed_and_the_new_refresh_token_kept(
    signed_in: Cli, authentik: AuthentikSimulator
) -> None:
    before = signed_in.saved()
    signed_in.rewrite(expires_at=time.time() + 5)
    assert signed_in("whoami").exit_code == 0
    after = signed_in.saved()
    assert after["refresh_token"] != before["refresh_token"]
    assert after["expires_at"] > time.time() + 60
    assert signed_in("whoami").exit_code == 0
    assert refreshes(authentik) == 1


def test_a_token_that_the_api_refuses_is_refreshed_once_and_the_request_repeated(
    signed_in: Cli, authentik: AuthentikSimulator
) -> None:
    signed_in.rewrite(access_token="no-longer-good")
    assert signed_in.json("whoami")["email"] == "admin@people.test"
    assert refreshes(authentik) == 1


def test_many_commands_at_once_refresh_an_expired_token_once(
    signed_in: Cli, authentik: AuthentikSimulator, issuer: People
) -> None:
    signed_in.rewrite(expires_at=0)
    stale = SignIn(**signed_in.saved())

    def bearer(_: int) -> str:
        source = StoredTokens(stale, Store(signed_in.folder), lambda: Issuer(issuer.url(), OAuthClient("operator")))
        return source.bearer()

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(bearer, range(6)))) == 1
    assert refreshes(authentik) == 1


def test_a_revoked_refresh_token_means_not_signed_in(signed_in: Cli, authentik: AuthentikSimulator) -> None:
    authentik.oidc.grants.clear()
    signed_in.rewrite(expires_at=0)
    done = signed_in("whoami")
    assert done.exit_code == 5
    assert "platformctl login" in done.stderr


def test_an_application_without_refresh_token_signs_in_again_if_its_secret_is_given(visitor: Cli) -> None:
    visitor("login", env=SECRET)
    visitor.rewrite(expires_at=0)
    assert visitor("whoami").exit_code == 5
    assert visitor("whoami", env=SECRET).exit_code == 0
    assert visitor.saved()["expires_at"] > time.time()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_sign_in_that_others_may_read_is_refused(signed_in: Cli, mode: int) -> None:
    [path] = signed_in.files()
    path.chmod(mode)
    done = signed_in("whoami")
    assert done.exit_code == 5
    assert "others" in done.stderr
    assert str(path) in done.stderr


def test_a_damaged_sign_in_is_reported_with_its_file(signed_in: Cli) -> None:
    [path] = signed_in.files()
    path.write_text("{")
    done = signed_in("whoami")
    assert (done.exit_code, str(path) in done.stderr) == (5, True)


def test_a_folder_that_others_may_read_is_made_private_when_a_sign_in_is_saved(visitor: Cli) -> None:
    visitor.folder.mkdir(parents=True)
    visitor.folder.chmod(0o755)
    assert visitor("login", env=SECRET).exit_code == 0
    visitor.saved()


def test_signing_out_removes_the_tokens_and_revokes_the_refresh_token(
    signed_in: Cli, authentik: AuthentikSimulator
) -> None:
    assert signed_in("logout").exit_code == 0
    assert signed_in.files() == []
    assert authentik.oidc.grants._refresh == {}
    assert signed_in("whoami").exit_code == 5
    assert signed_in("logout").exit_code == 5


def test_a_single_sign_in_is_used_by_default_and_one_of_several_must_be_named(visitor: Cli, issuer: People) -> None:
    assert visitor("login", env=SECRET).exit_code == 0
    nothing: dict[str, Any] = {"PLATFORM_API_URL": None, "PLATFORM_ISSUER": None}
    assert visitor("whoami", env=nothing).exit_code == 0
    portal = {"PLATFORM_ISSUER": issuer.url("portal"), "PLATFORM_CLIENT_ID": "portal"}
    assert visitor("login", env={**portal, "PLATFORM_CLIENT_SECRET": "portal-secret"}).exit_code == 0
    unclear = visitor("whoami", env=nothing)
    assert unclear.exit_code == 2
    assert "--issuer" in unclear.stderr
    assert visitor("whoami", env=portal).exit_code == 0


def test_a_document_of_another_issuer_is_refused(visitor: Cli, issuer: People, authentik: AuthentikSimulator) -> None:
    body = json.dumps({"issuer": "https://elsewhere.test/", "token_endpoint": "https://elsewhere.test/token"})
    fault(authentik, kind="status", path="openid-configuration", status=200, body=body, content_type="application/json")
    done = visitor("login", env=SECRET)
    assert done.exit_code == 3
    assert "https://elsewhere.test/" in done.stderr
    assert not any(entry["method"] == "POST" for entry in authentik.journal)


def test_an_issuer_that_does_not_listen_is_unreachable(visitor: Cli) -> None:
    done = visitor("login", "--issuer", "http://127.0.0.1:9/o/x/", env=SECRET)
    assert done.exit_code == 4


def test_missing_settings_and_invalid_urls_are_usage_errors(visitor: Cli, tmp_path: Path) -> None:
    assert visitor("login", env={"PLATFORM_CLIENT_ID": None}).exit_code == 2
    assert visitor("whoami", "--api-url", "ftp://x").exit_code == 2
    assert visitor("whoami", "--api-url", "http://ann:pw@127.0.0.1").exit_code == 2
    empty = tmp_path / "ca.pem"
    empty.write_text("")
    assert visitor("login", "--ca-certs", str(empty), env=SECRET).exit_code == 2


def test_a_given_token_is_used_and_not_stored(visitor: Cli, issuer: People) -> None:
    token = issuer.token("admin")
    assert visitor("whoami", env={"PLATFORM_TOKEN": token}).exit_code == 0
    done = visitor("whoami", env={"PLATFORM_TOKEN": token + "x"})
    assert done.exit_code == 5
    assert token not in done.output
    assert visitor.files() == []


def test_the_representation_of_a_sign_in_contains_no_token(signed_in: Cli) -> None:
    saved = signed_in.saved()
    assert saved["access_token"] not in repr(SignIn(**saved))
    assert saved["refresh_token"] not in repr(SignIn(**saved))


def test_a_netrc_file_does_not_replace_the_token(cli: Cli, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password secret\n")
    netrc.chmod(0o600)
    assert cli("whoami", env={"NETRC": str(netrc)}).exit_code == 0


@pytest.mark.parametrize("end", ["\n", "\r\n", " "])
def test_white_space_around_a_token_is_ignored(cli: Cli, end: str) -> None:
    token = cli.environment["PLATFORM_TOKEN"]
    assert cli("whoami", env={"PLATFORM_TOKEN": f"{token}{end}"}).exit_code == 0


@pytest.mark.parametrize("token", ["two\nlines", "t\u00f6ken", "t\u043eken"])
def test_an_invalid_token_is_reported_without_printing_it(cli: Cli, token: str) -> None:
    done = cli("whoami", env={"PLATFORM_TOKEN": token})
    assert (done.exit_code, "PLATFORM_TOKEN" in done.stderr, token in done.output) == (5, True, False)


@pytest.mark.parametrize("is_read", [False, True])
def test_a_folder_that_cannot_be_used_is_reported_by_name(visitor: Cli, tmp_path: Path, is_read: bool) -> None:
    folder = tmp_path / "folder"
    if is_read:
        (folder / "sign-in.json").mkdir(parents=True)  # whose reading fails for root as well
    else:
        folder.write_text("a file")
    done = visitor("whoami" if is_read else "login", env={**SECRET, "PLATFORM_CONFIG_DIR": str(folder)})
    assert (done.exit_code, str(folder) in done.stderr) == (5, True)


def test_signing_out_while_a_token_is_renewed_leaves_no_sign_in(signed_in: Cli, authentik: AuthentikSimulator) -> None:
    signed_in.rewrite(expires_at=0)
    # the new tokens are issued at once, and the response is slow
    fault(authentik, kind="drip", delay=0.001, path="/token/", contains="grant_type=refresh_token", count=1)
    with signed_in.running("whoami") as renewing:
        while not refreshes(authentik):
            time.sleep(0.02)
        assert signed_in("logout").exit_code == 0
        renewing.wait(20)
    assert signed_in.files() == []
    assert authentik.oidc.grants._refresh == {}


def test_a_running_renewal_does_not_overwrite_a_later_sign_in(visitor: Cli, authentik: AuthentikSimulator) -> None:
    visitor.environment |= SECRET
    assert visitor("login").exit_code == 0
    visitor.rewrite(expires_at=0)
    fault(authentik, kind="drip", delay=0.001, path="/token/", contains="grant_type=client_credentials", count=1)
    authentik.journal.clear()
    with visitor.running("whoami") as renewing:
        while not any("grant_type=client_credentials" in entry["body"] for entry in list(authentik.journal)):
            time.sleep(0.02)
        assert visitor("login").exit_code == 0
        later = visitor.saved()["access_token"]
        renewing.wait(20)
    assert visitor.saved()["access_token"] == later
