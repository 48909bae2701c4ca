"""Test sign-in to a web application and sign-out. Docstrings quote observations.

Against a real server: set AUTHENTIK_TEST_URL and AUTHENTIK_TEST_TOKEN (a superuser's API token).
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from tests.contracts.authentik_browser import (
    CALLBACK,
    SESSIONS,
    SIGNED_OUT,
    VERIFIER,
    OAuthClient,
    Person,
    error,
    flow,
    sent_back,
)
from tests.contracts.authentik_objects import Made
from tests.contracts.real_or_simulator import Server, unique

NewClient = Callable[..., OAuthClient]
NewPerson = Callable[..., Person]


def end_session(person: Person, client: OAuthClient, id_token: str) -> str:
    query = {"id_token_hint": id_token, "post_logout_redirect_uri": SIGNED_OUT, "state": "good bye"}
    return person.visit(f"{client.discovery()['end_session_endpoint']}?{urlencode(query)}")


def test_a_code_is_redeemed_once_with_its_verifier(new_client: NewClient, new_person: NewPerson) -> None:
    """Seen: replayed code -> invalid_grant."""
    client, person = new_client(), new_person()
    arrived = sent_back(person.authorize(client))
    assert arrived["state"] == "a state&more"
    form = {"grant_type": "authorization_code", "code": arrived["code"], "redirect_uri": CALLBACK}
    assert error(client.token(**form, code_verifier="wrong" * 10)) == (400, "invalid_grant")
    other = sent_back(person.authorize(client))["code"]
    form["code"] = other
    assert client.token(**form, code_verifier=VERIFIER).status_code == 200
    assert error(client.token(**form, code_verifier=VERIFIER)) == (400, "invalid_grant")


def test_pkce_cannot_be_enforced_but_is_not_dropped_either(new_client: NewClient, new_person: NewPerson) -> None:
    """Seen: PKCE cannot be enforced by the provider."""
    client, person = new_client(), new_person()
    for verifier, status in ((VERIFIER, 400), ("", 200)):
        code = sent_back(person.authorize(client, code_challenge="", code_challenge_method="plain"))["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        assert client.token(**form, code_verifier=verifier).status_code == status


@pytest.mark.parametrize("changes", [{"redirect_uri": "http://127.0.0.1:9/elsewhere"}, {"client_id": "unknown"}])
def test_an_unknown_redirect_uri_or_client_gets_no_redirect(
    new_client: NewClient, new_person: NewPerson, changes: dict[str, str]
) -> None:
    client, person = new_client(), new_person()
    assert person.authorize(client, **changes).startswith(person.server.url)


def test_an_unsupported_grant_type_is_returned_to_the_application(new_client: NewClient, new_person: NewPerson) -> None:
    client, person = new_client(grant_types=["refresh_token"]), new_person()
    assert sent_back(person.authorize(client))["error"] == "invalid_request"


def test_sign_in_uses_the_oldest_account_of_an_address_whatever_the_case(
    new_client: NewClient, new_person: NewPerson
) -> None:
    """Seen: sign-in matches username OR e-mail case-insensitively, first by id: two accounts with one address = the
    younger can never sign in."""
    address = f"{unique('Mixed')}@People.test"
    older, younger, client = new_person(email=address), new_person(username=address.lower()), new_client()
    assert sent_back(older.authorize(client, address.upper()))["code"]
    assert not younger.authorize(client, address.lower()).startswith(CALLBACK)


def test_refresh_tokens_survive_the_end_of_a_session_and_access_tokens_do_not(
    authentik_api: Server, new_client: NewClient, new_person: NewPerson
) -> None:
    """Seen: ending a person's sessions (DELETE authenticated_sessions) does not end refresh tokens, only userinfo with
    that access token (401)."""
    client, person = new_client(), new_person()
    tokens = person.tokens(client)
    found = authentik_api("GET", SESSIONS, params={"user__username": person.user["username"]}).json()["results"]
    assert found
    for session in found:
        assert authentik_api("DELETE", f"{SESSIONS}{session['uuid']}/").status_code == 204
    assert client.userinfo(tokens["access_token"]).status_code == 401
    assert client.refresh(tokens["refresh_token"]).status_code == 200


def test_end_session_redirects_with_state_and_leaves_the_refresh_token(
    new_client: NewClient, new_person: NewPerson
) -> None:
    """Seen: end-session redirects with state; Refresh tokens survive end-session."""
    client, person = new_client(), new_person()
    tokens = person.tokens(client)
    assert end_session(person, client, tokens["id_token"]) == f"{SIGNED_OUT}?state=good%20bye"
    assert client.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("slug", "ends"), [("default-provider-invalidation-flow", False), ("default-invalidation-flow", True)]
)
def test_the_invalidation_flow_decides_whether_the_session_ends(
    authentik_api: Server, new_client: NewClient, new_person: NewPerson, slug: str, ends: bool
) -> None:
    """Seen: default-provider-invalidation-flow leaves the Authentik session open, default-invalidation-flow ends it."""
    client, person = new_client(invalidation_flow=flow(authentik_api, slug)), new_person()
    end_session(person, client, person.tokens(client)["id_token"])
    person.password = "not the password any more"
    assert person.authorize(client, scope="openid").startswith(CALLBACK) is not ends


def test_revocation_ends_each_kind_of_token(new_client: NewClient, new_person: NewPerson) -> None:
    """Seen: revocation makes userinfo 401 and refresh 400."""
    client = new_client()
    tokens = new_person().tokens(client)
    for name in ("access_token", "refresh_token"):
        assert client.post("revoke", token=tokens[name]).status_code == 200
    assert client.userinfo(tokens["access_token"]).status_code == 401
    assert error(client.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert client.post("revoke", token="unknown").status_code == 200


def test_a_new_groups_claim_is_seen_by_userinfo_at_once(
    new_client: NewClient, new_person: NewPerson, made: Made
) -> None:
    """Seen: userinfo and introspection recompute/see at once."""
    client, person = new_client(), new_person()
    token = person.tokens(client)["access_token"]
    group = made("/api/v3/core/groups/", name=unique("tenant"), users=[person.user["pk"]])
    assert client.userinfo(token).json()["groups"] == [group["name"]]
