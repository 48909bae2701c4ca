"""Test the tokens and key sets of Authentik's providers. Docstrings quote observations.

Against a real server: set AUTHENTIK_TEST_URL and AUTHENTIK_TEST_TOKEN (a superuser's API token).
"""

from __future__ import annotations

from collections.abc import Callable

from tests.contracts.authentik_browser import (
    MAPPINGS,
    OAuthClient,
    Person,
    error,
    header,
    mapping,
    new_key_pair,
)
from tests.contracts.authentik_objects import GROUPS, Made
from tests.contracts.real_or_simulator import Server, unique

NewClient = Callable[..., OAuthClient]
NewPerson = Callable[..., Person]


def machine(client: OAuthClient, scope: str = "openid profile email") -> str:
    """An access token of the provider's own account."""
    answer = client.token(grant_type="client_credentials", scope=scope)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def test_after_a_change_of_the_signing_key_the_key_set_has_only_the_new_one(
    authentik_api: Server, made: Made, new_client: NewClient
) -> None:
    """Seen: after PATCH signing_key the list has 1 entry, the old kid gone."""
    client = new_client()
    old = machine(client)
    client.change(signing_key=new_key_pair(authentik_api, made))
    [key] = client.keys()["keys"]
    assert key["kid"] != header(old)["kid"]
    assert header(machine(client))["kid"] == key["kid"]


def test_an_elliptic_curve_key_signs_with_es256(authentik_api: Server, made: Made, new_client: NewClient) -> None:
    """Seen: RSA -> RS256; EC P-256 -> ES256."""
    client = new_client(signing_key=new_key_pair(authentik_api, made, alg="ecdsa"))
    token = machine(client)
    assert header(token)["alg"] == "ES256"
    assert client.claims(token)["aud"] == client.id
    assert client.discovery()["id_token_signing_alg_values_supported"] == ["ES256"]


def test_with_an_encryption_key_tokens_are_jwe(authentik_api: Server, made: Made, new_client: NewClient) -> None:
    """Seen: encryption key -> JWE: 5 parts."""
    client = new_client(encryption_key=new_key_pair(authentik_api, made))
    assert len(machine(client).split(".")) == 5


def test_without_a_signing_key_tokens_are_hs256_and_the_key_set_is_an_empty_object(new_client: NewClient) -> None:
    """Seen: signing_key null -> HS256; JWKS is {} with no keys member."""
    client = new_client(signing_key=None)
    assert header(machine(client))["alg"] == "HS256"
    assert client.keys() == {}


def test_a_provider_without_grant_types_grants_nothing(new_client: NewClient) -> None:
    """Seen: defaults grant_types: []; every token request then fails invalid_grant."""
    client = new_client(grant_types=[])
    assert error(client.token(grant_type="client_credentials")) == (400, "invalid_grant")


def test_a_session_is_named_in_both_tokens_of_a_code_grant(new_client: NewClient, new_person: NewPerson) -> None:
    """Seen: sid is in access and id_token of a code grant."""
    client = new_client()
    tokens = new_person().tokens(client)
    identity, access = client.claims(tokens["id_token"]), client.claims(tokens["access_token"])
    assert identity["sid"] == access["sid"]
    assert (identity["nonce"], identity["aud"], identity["iss"]) == ("n-1", client.id, client.discovery()["issuer"])
    assert (access["azp"], set(access["scope"].split())) == (
        client.id,
        {"openid", "profile", "email", "offline_access"},
    )
    assert not {"azp", "uid", "scope"} & set(identity)


def test_without_claims_in_the_id_token_the_access_token_has_none_of_email_name_and_groups(
    new_client: NewClient, new_person: NewPerson
) -> None:
    """Seen: with include_claims_in_id_token=false the access token has none of email, name, groups."""
    client = new_client(include_claims_in_id_token=False)
    tokens = new_person(email="person@people.test").tokens(client)
    for name in ("access_token", "id_token"):
        assert not {"email", "name", "groups"} & set(client.claims(tokens[name]))
    assert client.userinfo(tokens["access_token"]).json()["email"] == "person@people.test"


def test_two_mappings_that_return_groups_double_every_name(
    authentik_api: Server, made: Made, new_client: NewClient, new_person: NewPerson
) -> None:
    """Seen: groups doubled when two mappings give them."""
    expression = 'return {"groups": [group.name for group in request.user.groups.all()]}'
    own = made(MAPPINGS, name=unique("groups"), scope_name="groups", expression=expression)
    shipped = [mapping(authentik_api, f"goauthentik.io/providers/oauth2/scope-{one}") for one in ("openid", "profile")]
    client, person = new_client(property_mappings=[*shipped, own["pk"]]), new_person()
    group = made(GROUPS, name=unique("tenant"), users=[person.user["pk"]])
    once = client.claims(person.tokens(client, scope="openid profile")["access_token"])["groups"]
    twice = client.claims(person.tokens(client, scope="openid profile groups")["access_token"])["groups"]
    assert (once, twice) == ([group["name"]], [group["name"]] * 2)


def test_the_subject_is_the_hashed_id_by_default(new_client: NewClient, new_person: NewPerson) -> None:
    """Seen: subject mode: with another one an owner signs in as plain member: seen with user_email."""
    person = new_person(email=f"{unique('person')}@people.test")
    hashed, by_email = new_client(), new_client(sub_mode="user_email")
    assert hashed.claims(person.tokens(hashed)["access_token"])["sub"] == person.user["uid"]
    assert by_email.claims(person.tokens(by_email)["access_token"])["sub"] == person.user["email"]


def test_a_global_issuer_has_no_discovery_document_of_its_own(authentik_api: Server, new_client: NewClient) -> None:
    """Seen: issuer_mode global https://HOST/: its discovery https://HOST/.well-known/openid-configuration is 404."""
    client = new_client(issuer_mode="global")
    assert client.discovery()["issuer"] == f"{authentik_api.url}/"
    assert client.claims(machine(client))["iss"] == f"{authentik_api.url}/"
    assert authentik_api.caller()("GET", "/.well-known/openid-configuration").status_code == 404


def test_the_issuer_follows_the_host_of_each_request(authentik_api: Server, new_client: NewClient) -> None:
    """Seen: iss follows Host."""
    client = new_client()
    path = f"/application/o/{client.slug}/.well-known/openid-configuration"
    answer = authentik_api.caller()("GET", path, headers={"Host": "login.platform.test"})
    assert answer.json()["issuer"].split("/")[2] == "login.platform.test"


def test_an_app_password_buys_a_token_of_its_account(
    authentik_api: Server, made: Made, new_client: NewClient, new_person: NewPerson
) -> None:
    """Seen: plus username + password=app password of a service account -> token for that account with its groups."""
    person, identifier = new_person(), unique("password")
    body = {"identifier": identifier, "intent": "app_password", "user": person.user["pk"], "expiring": False}
    made("/api/v3/core/tokens/", key="identifier", **body)
    key = authentik_api("GET", f"/api/v3/core/tokens/{identifier}/view_key/").json()["key"]
    client = new_client()
    form = {"grant_type": "client_credentials", "username": person.user["username"], "scope": "openid profile"}
    assert client.claims(client.token(**form, password=key).json()["access_token"])["sub"] == person.user["uid"]
    assert error(client.token(**form, password="wrong")) == (400, "invalid_grant")
