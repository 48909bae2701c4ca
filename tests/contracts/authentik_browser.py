"""Share between contract tests of Authentik's providers: an OAuth client made over the API, a person's browser."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

import pytest
import requests
from joserfc import jws, jwt
from joserfc.jwk import KeySet

from tests.contracts.authentik_objects import APPLICATIONS, USERS, Made
from tests.contracts.real_or_simulator import Server, unique

PROVIDERS, MAPPINGS = "/api/v3/providers/oauth2/", "/api/v3/propertymappings/provider/scope/"
KEY_PAIRS, FLOWS = "/api/v3/crypto/certificatekeypairs/", "/api/v3/flows/instances/"
SESSIONS = "/api/v3/core/authenticated_sessions/"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
GRANTS = ["authorization_code", "refresh_token", "client_credentials", DEVICE_GRANT]
CALLBACK, SIGNED_OUT = "http://127.0.0.1:9/auth/callback", "http://127.0.0.1:9/"
SCOPE = "openid profile email offline_access"
VERIFIER = "a-verifier-of-at-least-43-characters-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
DEFAULT_MAPPINGS = tuple(
    f"goauthentik.io/providers/oauth2/scope-{one}" for one in ("openid", "profile", "email", "offline_access")
)


class OAuthClient:
    """An application with its provider. `options` are fields of the provider; `secret` is sent unless it is empty."""

    def __init__(self, server: Server, made: Made, **options: Any) -> None:
        self.server = server
        name = unique("contract")
        body = {
            "name": name,
            "authorization_flow": flow(server, "default-provider-authorization-implicit-consent"),
            "invalidation_flow": flow(server, "default-provider-invalidation-flow"),
            "redirect_uris": [
                {"matching_mode": "strict", "url": CALLBACK},
                {"matching_mode": "strict", "url": SIGNED_OUT, "redirect_uri_type": "logout"},
            ],
            "client_type": "confidential",
            "grant_types": GRANTS,
            "signing_key": key_pair(server),
            "property_mappings": [mapping(server, managed) for managed in DEFAULT_MAPPINGS],
            **options,
        }
        self.provider = made(PROVIDERS, **body)
        self.application = made(APPLICATIONS, key="slug", name=name, slug=name, provider=self.provider["pk"])
        self.id, self.slug = self.provider["client_id"], name
        self.secret = "" if body["client_type"] == "public" else self.provider["client_secret"]

    def change(self, **fields: Any) -> None:
        answer = self.server("PATCH", f"{PROVIDERS}{self.provider['pk']}/", json=fields)
        assert answer.status_code == 200, answer.text

    def discovery(self) -> dict[str, Any]:
        answer = self.server("GET", f"/application/o/{self.slug}/.well-known/openid-configuration")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def post(self, path: str, **form: str) -> requests.Response:
        """POST to an endpoint that all providers share, without the API's credentials."""
        body = {"client_id": self.id, **({"client_secret": self.secret} if self.secret else {}), **form}
        return self.server.caller()("POST", f"/application/o/{path}/", data={k: v for k, v in body.items() if v})

    def token(self, **form: str) -> requests.Response:
        return self.post("token", **form)

    def refresh(self, token: str, **form: str) -> requests.Response:
        return self.token(grant_type="refresh_token", refresh_token=token, **form)

    def userinfo(self, token: str) -> requests.Response:
        return self.server.caller(token=token)("GET", "/application/o/userinfo/")

    def keys(self) -> dict[str, Any]:
        return dict(self.server.caller()("GET", f"/application/o/{self.slug}/jwks/").json())

    def claims(self, token: str) -> dict[str, Any]:
        keys = KeySet.import_key_set(self.keys())  # type: ignore[arg-type]
        return dict(jwt.decode(token, keys, algorithms=["RS256", "ES256"]).claims)


class Person:
    """A user with a password, and a browser of their own."""

    def __init__(self, server: Server, made: Made, **fields: Any) -> None:
        self.server = server
        self.password = unique("long-password")
        self.user = made(USERS, **{"username": unique("person"), "name": "Person", **fields})
        self.set_password(self.password)
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = server.session.verify
        self.text = ""

    def set_password(self, password: str) -> None:
        body = {"password": password}
        assert self.server("POST", f"{USERS}{self.user['pk']}/set_password/", json=body).status_code == 204

    def visit(self, url: str, name: str = "") -> str:
        """Go where the browser is sent, through the flows on the way. Return the last address; `text` has its page."""
        for _ in range(20):
            answer = self.http.get(url, allow_redirects=False, timeout=30)
            self.text = answer.text
            if not answer.is_redirect:
                return url
            url = urljoin(url, answer.headers["Location"])
            while url.startswith(f"{self.server.url}/if/flow/"):
                to = self._run(url, name or self.user["username"])
                if to is None:
                    return url
                url = urljoin(url, to)
            if not url.startswith(self.server.url):
                return url
        raise AssertionError(f"a loop at {url}")

    def _run(self, page: str, name: str) -> str | None:
        """Run a flow by the executor's API. Return where it leads, or None where it stops."""
        parts = urlsplit(page)
        slug = parts.path.split("/")[3]
        path = f"{self.server.url}/api/v3/flows/executor/{slug}/?query={quote(parts.query, safe='')}"
        challenge = self.http.get(path, timeout=30).json()
        for _ in range(10):
            component = challenge["component"]
            solutions: dict[str, dict[str, Any]] = {
                "ak-stage-identification": {"uid_field": name},
                "ak-stage-password": {"password": self.password},
                "ak-stage-consent": {"token": challenge.get("token")},
            }
            if component == "xak-flow-redirect":
                return str(challenge["to"])
            if challenge.get("response_errors") or component not in solutions:
                self.text = str(challenge)
                return None
            headers = {"X-authentik-CSRF": self.http.cookies.get("authentik_csrf") or "", "Referer": page}
            body = {"component": component, **solutions[component]}
            challenge = self.http.post(path, json=body, headers=headers, timeout=30).json()
        raise AssertionError(f"the flow {slug} does not end")

    def authorize(self, client: OAuthClient, name: str = "", **changes: str) -> str:
        query = {
            "client_id": client.id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": SCOPE,
            "state": "a state&more",
            "nonce": "n-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changes
        return self.visit(f"{self.server.url}/application/o/authorize/?{urlencode(query)}", name)

    def tokens(self, client: OAuthClient, **changes: str) -> dict[str, Any]:
        """Sign in to an application by the code flow."""
        arrived = sent_back(self.authorize(client, **changes))
        form = {"code": arrived["code"], "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        answer = client.token(grant_type="authorization_code", **form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def approve(self, started: dict[str, Any]) -> None:
        """Approve a device. Skips when the brand has no device code flow."""
        end = self.visit(started["verification_uri_complete"])
        if "404" in self.text[:200] or urlsplit(end).path == "/if/user/":
            pytest.skip("the brand of this server has no device code flow")


def flow(server: Server, slug: str) -> str:
    [found] = server("GET", FLOWS, params={"slug": slug}).json()["results"]
    return str(found["pk"])


def key_pair(server: Server, name: str = "authentik Self-signed Certificate") -> str:
    found = server("GET", KEY_PAIRS, params={"name": name}).json()["results"]
    return str(next(one["pk"] for one in found if one["name"] == name))


def new_key_pair(server: Server, made: Made, **options: Any) -> str:
    body = {"common_name": unique("contract"), "validity_days": 1, **options}
    answer = server("POST", f"{KEY_PAIRS}generate/", json=body)
    assert answer.status_code == 200, answer.text
    made.also(f"{KEY_PAIRS}{answer.json()['pk']}/")
    return str(answer.json()["pk"])


def mapping(server: Server, managed: str) -> str:
    found = server("GET", MAPPINGS, params={"managed": managed}).json()["results"]
    return str(next(one["pk"] for one in found if one["managed"] == managed))


def sent_back(url: str) -> dict[str, str]:
    assert url.startswith(CALLBACK), url
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def header(token: str) -> dict[str, Any]:
    return dict(jws.extract_compact(token.encode()).headers())


def error(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]
