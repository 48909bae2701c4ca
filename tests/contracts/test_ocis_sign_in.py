"""Sign in to OCIS and OpenCloud with tokens of Authentik and with app tokens. Each test quotes observations.

Against real servers, besides the variables of `test_ocis.py`: OCIS_TEST_TOKEN_URL (Authentik's token endpoint),
OCIS_TEST_CLIENT_ID (OCIS' own provider), OCIS_TEST_ACCOUNT and OCIS_TEST_APP_PASSWORD (a service account without an
e-mail address and with the entitlement of Space Admin). OCIS_MEMBER_TEST_ACCOUNT, OCIS_MEMBER_TEST_APP_PASSWORD and
OCIS_MEMBER_TEST_GROUP: a person with an e-mail address who has never signed in to OCIS, in a group that OCIS knows.
OCIS_FRESH_TEST_ACCOUNT and OCIS_FRESH_TEST_APP_PASSWORD: one without an address who has never signed in either.
OCIS_CREATOR_TEST_ACCOUNT and OCIS_CREATOR_TEST_APP_PASSWORD: as the service account, but it has never signed in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
import requests

from sandbox.simulators.authentik.oidc import OidcClient
from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from tests.contracts.ocis_objects import V1, Spaces
from tests.contracts.real_or_simulator import Server, real_server, unique

USUAL = "openid profile entitlements"
VARIABLES = ("TOKEN_URL", "CLIENT_ID", "ACCOUNT", "APP_PASSWORD")
PERSON = ("ACCOUNT", "APP_PASSWORD")


@dataclass(frozen=True)
class SignIn:
    """Accounts at the identity provider, each with its app password; `member` with a group."""

    ocis: Server
    token_url: str
    client_id: str
    account: tuple[str, str]
    member: tuple[str, str, str] | None
    fresh: tuple[str, str] | None
    creator: tuple[str, str] | None

    def token(self, scope: str = USUAL, account: tuple[str, str] | None = None) -> str:
        name, password = account or self.account
        form = {"grant_type": "client_credentials", "client_id": self.client_id, "username": name, "password": password}
        answer = requests.post(
            self.token_url, data={**form, "scope": scope}, timeout=30, verify=os.environ.get("EXTRA_CA_CERTS") or True
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def get(self, token: str, path: str = f"{V1}/me") -> requests.Response:
        return self.ocis.caller(token=token)("GET", path)


@pytest.fixture(scope="module")
def sign_in(ocis_product: str) -> Iterator[SignIn]:
    real = real_server(ocis_product)
    if real is None:
        yield from _simulated(ocis_product == "OPENCLOUD")
        return
    given = _given(f"{ocis_product}_TEST_", VARIABLES)
    if given is None:
        pytest.skip("the identity provider of this server is not named")
    url, client, account, password = given
    member = _given(f"{ocis_product}_MEMBER_TEST_", (*PERSON, "GROUP"))
    fresh, creator = (_given(f"{ocis_product}_{one}_TEST_", PERSON) for one in ("FRESH", "CREATOR"))
    yield SignIn(  # noqa: PT022 - the simulated one has a teardown
        real,
        url,
        client,
        (account, password),
        (member[0], member[1], member[2]) if member else None,
        (fresh[0], fresh[1]) if fresh else None,
        (creator[0], creator[1]) if creator else None,
    )


def _given(prefix: str, names: Sequence[str]) -> list[str] | None:
    found = [os.environ.get(prefix + name) for name in names]
    return [str(one) for one in found] if None not in found else None


def _simulated(is_opencloud: bool) -> Iterator[SignIn]:
    prefix = "opencloud" if is_opencloud else "ocis"
    authentik = AuthentikSimulator(api_token="x", admin_group="admins", clients=(OidcClient("ocis", "ocis", "secret"),))
    with authentik.running():
        authentik.ensure_person("machine", "of-machine", "Machine", "", (), [f"{prefix}SpaceAdmin"])
        authentik.ensure_person("creator", "of-creator", "Creator", "", (), [f"{prefix}SpaceAdmin"])
        authentik.ensure_person("fresh", "of-fresh", "Fresh", "", (), [f"{prefix}User"])
        for name in ("anna", "bert"):
            address, groups = f"{name}@acme.test", ["tenant-acme"]
            authentik.ensure_person(name, f"of-{name}", name.title(), address, groups, [f"{prefix}User"])
        issuer = f"{authentik.url}/application/o/ocis/"
        delays = {"creator": 0.3}
        with OcisSimulator(issuer=issuer, opencloud=is_opencloud, role_delays=delays).running() as ocis:
            token_url = f"{authentik.url}/application/o/token/"
            made = SignIn(
                Server(ocis.url),
                token_url,
                "ocis",
                ("machine", "of-machine"),
                ("anna", "of-anna", "tenant-acme"),
                ("fresh", "of-fresh"),
                ("creator", "of-creator"),
            )
            # a colleague's sign-in brings the group
            assert made.get(made.token(f"{USUAL} email", ("bert", "of-bert"))).status_code == 200
            yield made


def test_a_machine_account_signs_in_by_client_credentials(sign_in: SignIn) -> None:
    """Seen: "Real Authentik: works as described, public client included." """
    me = sign_in.ocis.caller(token=sign_in.token())("GET", f"{V1}/me", params={"$expand": "appRoleAssignments"})
    assert me.status_code == 200
    assert [one["appRoleId"] for one in me.json()["appRoleAssignments"]] == ["2aadd357-682c-406b-8874-293091995fdd"]


@pytest.mark.parametrize("scope", ["openid entitlements", "openid profile", "openid"])
def test_a_token_without_a_name_or_a_mapped_role_is_an_empty_500(sign_in: SignIn, scope: str) -> None:
    """Seen: "Without `profile`, `entitlements` or a mapped role: empty 500 to everything." """
    answer = sign_in.get(sign_in.token(scope))
    assert (answer.status_code, answer.content) == (500, b"")


def test_a_token_without_openid_is_a_401(sign_in: SignIn) -> None:
    """Seen: "Without `openid`: 401." """
    assert sign_in.get(sign_in.token("profile entitlements")).status_code == 401


def test_a_new_member_sees_the_groups_spaces_from_the_second_request_on(sign_in: SignIn) -> None:
    """Seen: "a new member's *first* request after sign-in does not show the group's spaces, the second does"."""
    if sign_in.member is None:
        pytest.skip("no member who has never signed in is named")
    name, password, group = sign_in.member
    machine = Spaces(sign_in.ocis.caller(token=sign_in.token()))
    space = machine.create()
    id_ = machine("GET", f"{V1}/groups/{group}").json()["id"]
    assert machine.invite(space, id_, "editor", kind="group").status_code == 200
    member = Spaces(sign_in.ocis.caller(token=sign_in.token(f"{USUAL} email", (name, password))))
    assert [member.lists(space), member.lists(space)] == [False, True]
    machine.clean()


def test_an_account_that_was_first_seen_with_a_mail_needs_the_claim(sign_in: SignIn) -> None:
    """Seen: "An account first seen *with* a mail (the web UI does that) gets an empty 500 without the claim"."""
    if sign_in.member is None:
        pytest.skip("no member is named")
    account = sign_in.member[:2]
    assert sign_in.get(sign_in.token(f"{USUAL} email", account)).status_code == 200
    without = sign_in.get(sign_in.token(USUAL, account))
    assert (without.status_code, without.content) == (500, b"")


def test_a_fresh_account_with_an_empty_mail_is_an_empty_500_with_the_scope_email(sign_in: SignIn) -> None:
    """Seen: "A fresh account with an empty mail gets an empty 500 with scope `email`"."""
    if sign_in.fresh is None:
        pytest.skip("no fresh account is named")
    answer = sign_in.get(sign_in.token(f"{USUAL} email", sign_in.fresh))
    assert (answer.status_code, answer.content) == (500, b"")


def test_the_first_creates_of_a_fresh_account_may_fail_and_soon_none_does(sign_in: SignIn) -> None:
    """Seen: "POST /drives by a fresh autoprovisioned account: 201 for some, **empty 500** for most, **403 notAllowed**
    for some, all within the first second or two; then all 201"."""
    if sign_in.creator is None:
        pytest.skip("no service account that has never signed in is named")
    creator = Spaces(sign_in.ocis.caller(token=sign_in.token(account=sign_in.creator)))
    deadline = time.monotonic() + 10
    while (answer := creator.try_create()).status_code != 201:
        if answer.status_code == 500:
            assert answer.content == b""
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "notAllowed")
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [creator.try_create().status_code for _ in range(3)] == [201] * 3
    creator.clean()


def test_an_app_token_is_a_password_for_basic_credentials_and_expires(sign_in: SignIn) -> None:
    """Seen: "They expire (72 h unless told)": an app token is created with an expiry."""
    machine = Spaces(sign_in.ocis.caller(token=sign_in.token()))
    made = machine("POST", "/auth-app/tokens", params={"expiry": "1h"})
    if made.status_code == 404:
        pytest.skip("this server runs without auth-app")
    assert made.status_code in (200, 201)
    name = machine("GET", f"{V1}/me").json()["onPremisesSamAccountName"]
    basic = sign_in.ocis.caller(basic=(name, made.json()["token"]))
    assert basic("GET", f"{V1}/me").status_code == 200
    assert sign_in.ocis.caller(basic=(name, unique("wrong")))("GET", f"{V1}/me").status_code == 401
    assert machine("POST", "/auth-app/tokens").status_code == 400
