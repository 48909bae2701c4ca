"""Sign in at Authentik as a browser does, by the authorization code flow with PKCE."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import requests

from tools.chaos.load.members import PASSWORD
from tools.chaos.platform.environment import CALLBACK

SECONDS = 15
MAX_REDIRECTS = 10
VERIFIER = "a verifier of at least forty-three characters".replace(" ", "-")
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Browser:
    """One person's browser, with its cookies."""

    def __init__(self, authentik_url: str, username: str) -> None:
        self._url = authentik_url
        self._username = username
        self._session = requests.Session()
        self._session.trust_env = False

    def opens(self, client_id: str) -> bool:
        """Return whether the person gets into an application."""
        return self._code(client_id) is not None

    def token(self, client_id: str) -> str | None:
        """Return an access token for an application, or None when the person is refused."""
        code = self._code(client_id)
        if code is None:
            return None
        form = {"grant_type": "authorization_code", "client_id": client_id, "client_secret": "chaos", "code": code}
        form |= {"redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        response = requests.post(f"{self._url}/application/o/token/", data=form, timeout=SECONDS)
        return str(response.json()["access_token"]) if response.ok else None

    def userinfo(self, token: str) -> dict[str, Any] | None:
        headers = {"Authorization": f"Bearer {token}"}
        response = requests.get(f"{self._url}/application/o/userinfo/", headers=headers, timeout=SECONDS)
        return dict(response.json()) if response.ok else None

    def _code(self, client_id: str) -> str | None:
        query = {
            "client_id": client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid profile email entitlements",
            "state": "state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        response = self._follow("GET", f"{self._url}/application/o/authorize/?{urlencode(query)}")
        if "uid_field" in response.text:
            form = {"uid_field": self._username, "password": PASSWORD}
            response = self._follow("POST", response.url, form)
        return parse_qs(urlsplit(response.headers.get("Location", "")).query).get("code", [None])[0]

    def _follow(self, method: str, url: str, form: dict[str, str] | None = None) -> requests.Response:
        """Follow redirects until a page, or the redirect to the application."""
        response = self._session.request(method, url, data=form, allow_redirects=False, timeout=SECONDS)
        for _ in range(MAX_REDIRECTS):
            target = urljoin(response.url, response.headers.get("Location", ""))
            if not response.is_redirect or not target.startswith(self._url):
                break
            response = self._session.get(target, allow_redirects=False, timeout=SECONDS)
        return response
