"""Headers of every answer, CORS, merge patches, and bodies that are refused by their headers."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import requests

from shared.application.store import Repositories
from shared.config.settings import Settings, SettingsError, read_settings
from tests.api.conftest import Client, Issuer, Serve
from tests.api.rights_fixture import RightsFixture

PORTAL = "https://portal.example.org"
PREFLIGHT = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,if-match"}


def allowed(answer: requests.Response) -> str | None:
    return answer.headers.get("Access-Control-Allow-Origin")


def test_no_response_may_be_cached_or_sniffed_as_another_type(root: Client, anonymous: Client) -> None:
    answers = [
        root("GET", "/tenants"),
        root("GET", "/tenants/nothing"),
        root("POST", "/tenants", json={}),
        anonymous("GET", "/tenants"),
        anonymous("GET", "/health/live"),
        anonymous("GET", "/openapi.json"),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 400, 401, 200, 200]
    for answer in answers:
        assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


def test_pages_of_a_configured_origin_may_call_the_api_and_pages_of_others_may_not(
    api_settings: Settings, serve: Serve, store: Repositories, issuer: Issuer
) -> None:
    url = serve(api_settings.model_copy(update={"cors_origins": (PORTAL,)}))
    client, anonymous = Client(url, issuer.token("admin")), Client(url, None)
    preflight = anonymous("OPTIONS", "/tenants/acme", headers={"Origin": PORTAL, **PREFLIGHT})
    assert (preflight.status_code, allowed(preflight), preflight.content) == (204, PORTAL, b"")
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    wanted = {"authorization", "content-type", "if-match", "idempotency-key"}
    assert wanted <= set(preflight.headers["Access-Control-Allow-Headers"].lower().split(", "))
    answer = client("GET", "/users/me", headers={"Origin": PORTAL})
    assert (answer.status_code, allowed(answer), answer.headers["Vary"]) == (200, PORTAL, "Origin")
    assert "Operation-Location" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    # a page may read error responses too
    assert allowed(anonymous("GET", "/tenants", headers={"Origin": PORTAL})) == PORTAL
    for origin in ("https://evil.example", "null", f"{PORTAL}.evil.example", "http://portal.example.org"):
        assert allowed(client("GET", "/users/me", headers={"Origin": origin})) is None
        refused = anonymous("OPTIONS", "/tenants/acme", headers={"Origin": origin, **PREFLIGHT})
        assert (refused.status_code, allowed(refused)) == (401, None)


def test_without_configured_origins_no_page_of_another_origin_may_call_the_api(root: Client, anonymous: Client) -> None:
    assert allowed(root("GET", "/tenants", headers={"Origin": PORTAL})) is None
    assert anonymous("OPTIONS", "/tenants", headers={"Origin": PORTAL, **PREFLIGHT}).status_code == 401


@pytest.mark.parametrize("origin", ["*", "null", "portal.example.org", f"{PORTAL}/", "https://", "https://A.example"])
def test_an_origin_that_no_browser_sends_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(SettingsError, match="CORS_ORIGINS: "):
        read_settings(mongodb_uri="mongodb://one", redis_url="redis://one", cors_origins=origin)


def test_a_merge_patch_changes_the_fields_it_has_and_removes_those_that_are_null(rights: RightsFixture) -> None:
    root, merge = rights.people["admin"], {"Content-Type": "application/merge-patch+json"}

    def patch(body: dict[str, Any]) -> requests.Response:
        return root("PATCH", "/tenants/acme", data=json.dumps(body), headers=merge)

    given = patch({"billingInfo": {"company": "Acme", "vatId": "DE123456789"}})
    assert (given.status_code, given.json()["billingInfo"]["vatId"]) == (200, "DE123456789")
    assert given.headers["Accept-Patch"] == "application/json, application/merge-patch+json"
    taken = patch({"billingInfo": {"vatId": None}})
    assert "vatId" not in taken.json()["billingInfo"]
    assert taken.json()["billingInfo"]["company"] == "Acme"


def test_only_patch_accepts_a_merge_patch_and_a_refusal_names_the_accepted_types(rights: RightsFixture) -> None:
    root = rights.people["admin"]
    merge = {"Content-Type": "application/merge-patch+json"}
    assert root("POST", "/partners", data="{}", headers=merge).status_code == 415
    refused = root("PATCH", "/tenants/acme", data="[]", headers={"Content-Type": "application/json-patch+json"})
    assert (refused.status_code, "merge-patch" in refused.headers["Accept-Patch"]) == (415, True)


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}])
def test_a_post_whose_fields_are_all_optional_needs_no_body_and_one_with_required_fields_does(
    rights: RightsFixture, headers: dict[str, str]
) -> None:
    root = rights.people["admin"]
    suspended = root("POST", "/tenants/acme/suspend", data="", headers=headers)
    assert (suspended.status_code, "suspendReason" in suspended.json()) == (202, False)
    assert root("POST", "/tenants", data="", headers=headers).status_code in (400, 415)
    other_type = root("POST", "/tenants/acme/suspend", data="reason=unpaid", headers={"Content-Type": "text/plain"})
    assert other_type.status_code == 415
    described = root("GET", "/openapi.json").json()["paths"]
    is_required = {
        path: described[path]["post"]["requestBody"]["required"] for path in ("/tenants/{slug}/suspend", "/tenants")
    }
    assert is_required == {"/tenants/{slug}/suspend": False, "/tenants": True}


def test_a_compressed_body_is_refused_with_an_error_message(root: Client) -> None:
    body = gzip.compress(json.dumps({"slug": "acme", "name": "Acme"}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    for path in ("/tenants", "/tenants/acme/reconcile"):
        answer = root("POST", path, data=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
        assert "Content-Encoding" in answer.json()["detail"]
    plain = root("POST", "/tenants", json={"slug": "acme", "name": "A"}, headers={"Content-Encoding": "identity"})
    assert plain.status_code == 201


def test_an_answer_names_fifty_faults_at_most(root: Client) -> None:
    answer = root("POST", "/tenants", json={f"unknown{number}": 1 for number in range(500)})
    assert (answer.status_code, len(answer.json()["errors"])) == (400, 50)
