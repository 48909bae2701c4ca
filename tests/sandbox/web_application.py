"""Share between tests of sign-in at the Authentik simulator: a web application, and a browser without script."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urljoin, urlsplit

import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from sandbox.simulators.authentik.server import AuthentikSimulator

CALLBACK, SIGNED_OUT = "http://127.0.0.1:9999/auth/callback", "http://127.0.0.1:9999/"
SCOPE = "openid profile email offline_access"
VERIFIER = "a-verifier-of-at-least-43-characters-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Receiver:
    """An application's back-channel logout endpoint."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        tokens = self.tokens

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                tokens.append(parse_qs(body)["logout_token"][0])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/logout"

    def wait(self, count: int) -> list[str]:
        deadline = time.monotonic() + 10
        while len(self.tokens) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.tokens


class Browser:
    """A browser without script at the simulator, and the application to which it is sent back."""

    def __init__(self, simulator: AuthentikSimulator, client_id: str = "console") -> None:
        self.simulator = simulator
        self.client_id = client_id
        self.http = requests.Session()
        found = f"{simulator.url}/application/o/{client_id}/.well-known/openid-configuration"
        self.found = requests.get(found, timeout=5).json()

    def get(self, url: str) -> requests.Response:
        """Follow redirects until the application or a page is reached."""
        return self._follow(self.http.get(url, allow_redirects=False, timeout=5))

    def submit(self, page: requests.Response, **fields: str) -> requests.Response:
        assert re.search(r'<form method="post">', page.text), page.text
        return self._follow(self.http.post(page.url, data=fields, allow_redirects=False, timeout=5))

    def _follow(self, answer: requests.Response) -> requests.Response:
        while answer.is_redirect:
            target = urljoin(answer.url, answer.headers["Location"])
            if not target.startswith(self.simulator.url):
                break
            answer = self.http.get(target, allow_redirects=False, timeout=5)
        return answer

    def authorize(self, **changes: str) -> requests.Response:
        query = {
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": SCOPE,
            "state": "a state&more",
            "nonce": "n-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changes
        given = {name: value for name, value in query.items() if value}
        return self.get(f"{self.found['authorization_endpoint']}?{urlencode(given)}")

    def sign_in(self, page: requests.Response, username: str = "ann") -> requests.Response:
        return self.submit(page, uid_field=username, password="ann's password")

    def code(self, **changes: str) -> str:
        """Sign in as far as needed and return the code that the application gets."""
        answer = self.authorize(**changes)
        if "uid_field" in answer.text:
            answer = self.sign_in(answer)
        if answer.status_code == 200:
            answer = self.submit(answer)
        return sent_back(answer)["code"]

    def token(self, **form: str) -> requests.Response:
        auth = (self.client_id, form.pop("secret", "secret"))
        return requests.post(self.found["token_endpoint"], data=form, auth=auth, timeout=5)

    def redeem(self, code: str, **changes: str) -> requests.Response:
        form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER} | changes
        return self.token(grant_type="authorization_code", **form)

    def tokens(self) -> dict[str, Any]:
        answer = self.redeem(self.code())
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def refresh(self, token: str) -> requests.Response:
        return self.token(grant_type="refresh_token", refresh_token=token)

    def claims(self, token: str) -> dict[str, Any]:
        keys = KeySet.import_key_set(requests.get(self.found["jwks_uri"], timeout=5).json())
        return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)

    def userinfo(self, token: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(self.found["userinfo_endpoint"], headers=headers, timeout=5)

    def revoke(self, token: str, secret: str = "secret") -> requests.Response:  # noqa: S107
        form = {"token": token, "client_id": self.client_id, "client_secret": secret}
        return requests.post(self.found["revocation_endpoint"], data=form, timeout=5)

    def end_session(self, id_token: str = "", **changes: str) -> requests.Response:
        query = {"id_token_hint": id_token, "post_logout_redirect_uri": SIGNED_OUT, "state": "bye"} | changes
        given = {name: value for name, value in query.items() if value}
        return self.get(f"{self.found['end_session_endpoint']}?{urlencode(given)}")


def sent_back(answer: requests.Response) -> dict[str, str]:
    assert answer.status_code == 302, answer.text
    assert answer.headers["Location"].startswith(CALLBACK)
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query, keep_blank_values=True))
