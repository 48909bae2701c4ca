"""Test device and refresh grants. Docstrings quote observations.

Against a real server: set AUTHENTIK_TEST_URL and AUTHENTIK_TEST_TOKEN (a superuser's API token). It admits 20 starts of
a device an hour; the test that uses them up runs with AUTHENTIK_TEST_DEVICE_LIMIT=1 only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.contracts.authentik_browser import DEVICE_GRANT, SCOPE, SESSIONS, OAuthClient, Person, error
from tests.contracts.authentik_objects import BINDINGS, GROUPS, USERS, Made
from tests.contracts.real_or_simulator import Server, real_server, unique

NewClient = Callable[..., OAuthClient]
NewPerson = Callable[..., Person]
LONG = {"access_code_validity": "minutes=10"}


def start(client: OAuthClient, scope: str = SCOPE) -> dict[str, Any]:
    answer = client.post("device", scope=scope, client_secret="")
    if answer.status_code == 429:
        pytest.skip("this server admits no more devices this hour")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def start_and_approve(client: OAuthClient, person: Person) -> dict[str, Any]:
    started = start(client)
    person.approve(started)
    return started


def poll(client: OAuthClient, started: dict[str, Any], **form: str) -> Any:
    return client.token(grant_type=DEVICE_GRANT, device_code=started["device_code"], **form)


def test_a_device_waits_until_a_person_approves_and_its_code_is_then_spent(
    new_client: NewClient, new_person: NewPerson
) -> None:
    """Seen: interval 5; code of 9 digits; no secret needed to ask; redeemed -> invalid_grant; no sid, no amr."""
    client, person = new_client(**LONG), new_person()
    started = start(client)
    assert (len(started["user_code"]), started["user_code"].isdigit()) == (9, True)
    assert (started["interval"], started["expires_in"]) == (5, 600)
    assert error(poll(client, started)) == (400, "authorization_pending")
    person.approve(started)
    tokens = poll(client, started).json()
    claims = client.claims(tokens["access_token"])
    assert claims["sub"] == person.user["uid"]
    assert not {"sid", "amr"} & set(claims)
    assert error(poll(client, started)) == (400, "invalid_grant")


def test_a_device_code_is_valid_as_long_as_the_providers_access_code(new_client: NewClient) -> None:
    """Seen: expires_in = the provider's access_code_validity (1 minute by default)."""
    assert start(new_client())["expires_in"] == 60


def test_a_confidential_client_sends_its_secret_to_redeem_and_not_to_ask(
    new_client: NewClient, new_person: NewPerson
) -> None:
    """Seen: a confidential client must send its secret to redeem: without it 400 invalid_client."""
    client = new_client(**LONG)
    started = start_and_approve(client, new_person())
    assert error(poll(client, started, client_secret="")) == (400, "invalid_client")
    assert poll(client, started).status_code == 200


def test_a_public_client_needs_no_secret(new_client: NewClient, new_person: NewPerson) -> None:
    client = new_client(client_type="public", **LONG)
    assert poll(client, start_and_approve(client, new_person())).status_code == 200


def test_a_provider_without_the_grant_type_and_an_unknown_client_are_invalid_clients(new_client: NewClient) -> None:
    """Seen: provider without the grant type -> 400 invalid_client."""
    client = new_client(grant_types=["refresh_token"])
    assert error(client.post("device", scope=SCOPE)) == (400, "invalid_client")
    assert error(client.post("device", scope=SCOPE, client_id="unknown")) == (400, "invalid_client")


def test_an_expired_code_is_an_invalid_grant_for_the_device_and_cannot_be_approved(
    new_client: NewClient, new_person: NewPerson
) -> None:
    """Seen: expired -> invalid_grant, never expired_token; approval after expiry: only the page to type a code."""
    client, person = new_client(access_code_validity="seconds=1"), new_person()
    started = start(client)
    time.sleep(1.5)
    assert error(poll(client, started)) == (400, "invalid_grant")
    person.visit(started["verification_uri_complete"])
    assert error(poll(client, started)) == (400, "invalid_grant")


def test_a_person_who_may_not_use_the_application_leaves_the_device_waiting(
    new_client: NewClient, new_person: NewPerson, made: Made
) -> None:
    """'a person who may not use the application sees "Permission denied" and the device goes on with
    authorization_pending'"""
    client, person = new_client(**LONG), new_person()
    group = made(GROUPS, name=unique("contract"))
    made(BINDINGS, target=client.application["pk"], order=0, group=group["pk"])
    started = start_and_approve(client, person)
    assert "denied" in person.text.lower()
    assert error(poll(client, started)) == (400, "authorization_pending")


def test_a_code_serves_only_the_client_that_requested_it(new_client: NewClient, new_person: NewPerson) -> None:
    """Seen: redeemed or unknown -> invalid_grant."""
    client, other = new_client(**LONG), new_client(**LONG)
    assert error(poll(other, start_and_approve(client, new_person()))) == (400, "invalid_grant")


def test_the_21st_device_within_the_hour_is_refused(new_client: NewClient) -> None:
    """'the 21st within the hour from one address: 429 {"error":"slow_down"}, no Retry-After'"""
    if real_server("AUTHENTIK") is not None and not os.environ.get("AUTHENTIK_TEST_DEVICE_LIMIT"):
        pytest.skip("it would use up this server's device sign-ins of an hour")
    client = new_client()
    answers = [client.post("device", scope=SCOPE) for _ in range(21)]
    assert (answers[-1].status_code, answers[-1].json()) == (429, {"error": "slow_down"})
    assert "Retry-After" not in answers[-1].headers


# -- refresh tokens


def test_without_offline_access_there_is_no_refresh_token(new_client: NewClient, new_person: NewPerson) -> None:
    """Seen: +refresh_token only with scope offline_access; opaque 128 chars."""
    client, person = new_client(), new_person()
    assert "refresh_token" not in person.tokens(client, scope="openid profile")
    assert len(person.tokens(client)["refresh_token"]) == 128


def test_a_refresh_token_is_good_for_one_use_and_sees_the_groups_of_now(
    new_client: NewClient, new_person: NewPerson, made: Made
) -> None:
    """Seen: Refresh rotates every time; the old one is dead at once; Group changes reach tokens at the next refresh."""
    client, person = new_client(), new_person()
    first = person.tokens(client)
    assert client.claims(first["access_token"])["groups"] == []
    group = made(GROUPS, name=unique("tenant"), users=[person.user["pk"]])
    second = client.refresh(first["refresh_token"]).json()
    assert client.claims(second["access_token"])["groups"] == [group["name"]]
    assert error(client.refresh(first["refresh_token"])) == (400, "invalid_grant")
    assert client.refresh(second["refresh_token"]).status_code == 200


def test_refreshing_needs_the_secret_and_widens_nothing(new_client: NewClient, new_person: NewPerson) -> None:
    """Seen: wider scope -> 400 invalid_scope."""
    client = new_client()
    token = new_person().tokens(client, scope="openid profile offline_access")["refresh_token"]
    assert error(client.refresh(token, client_secret="wrong")) == (400, "invalid_client")
    assert error(client.refresh(token, scope="openid profile email offline_access")) == (400, "invalid_scope")
    assert client.refresh(token).status_code == 200


def tokens_of(client: OAuthClient, person: Person, grant: str) -> Any:
    """Return the tokens of a person's sign-in, in a browser or at a device."""
    return person.tokens(client) if grant == "code" else poll(client, start_and_approve(client, person)).json()


@pytest.mark.parametrize("grant", ["code", "device"])
def test_deactivating_a_user_ends_their_refresh_tokens(
    authentik_api: Server, new_client: NewClient, new_person: NewPerson, grant: str
) -> None:
    """Seen: switching the user off does (400 invalid_grant, device too)."""
    client, person = new_client(**LONG), new_person()
    tokens = tokens_of(client, person, grant)
    path = f"{USERS}{person.user['pk']}/"
    for active in (False, True):
        assert authentik_api("PATCH", path, json={"is_active": active}).status_code == 200
    assert error(client.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    if grant == "code":  # of a device it was not seen
        assert client.userinfo(tokens["access_token"]).status_code == 401


@pytest.mark.parametrize("grant", ["code", "device"])
def test_refresh_tokens_survive_the_end_of_all_sessions(
    authentik_api: Server, new_client: NewClient, new_person: NewPerson, grant: str
) -> None:
    """Seen: ending a person's sessions does not end refresh tokens, neither of a device nor of a code grant (200)."""
    client, person = new_client(**LONG), new_person()
    tokens = tokens_of(client, person, grant)
    found = authentik_api("GET", SESSIONS, params={"user__username": person.user["username"]}).json()["results"]
    for session in found:
        assert authentik_api("DELETE", f"{SESSIONS}{session['uuid']}/").status_code == 204
    assert client.refresh(tokens["refresh_token"]).status_code == 200


def test_access_to_the_application_is_not_checked_again_at_a_refresh(
    new_client: NewClient, new_person: NewPerson, made: Made
) -> None:
    """Seen: access policies are not asked at refresh."""
    client, person = new_client(), new_person()
    token = person.tokens(client)["refresh_token"]
    made(BINDINGS, target=client.application["pk"], order=0, group=made(GROUPS, name=unique("contract"))["pk"])
    assert client.refresh(token).status_code == 200
