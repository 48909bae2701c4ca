"""Choose the server of a contract test: a real one, when the environment names it, or the simulator."""

from __future__ import annotations

import os
import secrets
from typing import Any

import requests


class Server:
    """Plain HTTP against one product. EXTRA_CA_CERTS names the certificates of a private authority."""

    def __init__(self, url: str, *, token: str | None = None, basic: tuple[str, str] | None = None) -> None:
        self.url = url.rstrip("/")
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = os.environ.get("EXTRA_CA_CERTS") or True
        self.session.auth = basic
        if token is not None:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, f"{self.url}{path}", timeout=30, allow_redirects=False, **options)

    def caller(self, *, token: str | None = None, basic: tuple[str, str] | None = None) -> Server:
        """Return the same server for other credentials, or for none."""
        return Server(self.url, token=token, basic=basic)


def real_server(product: str) -> Server | None:
    """`<PRODUCT>_TEST_URL` with `_TEST_TOKEN`, or `_TEST_USERNAME` and `_TEST_PASSWORD`; None without a URL."""
    url = os.environ.get(f"{product}_TEST_URL")
    if url is None:
        return None
    token = os.environ.get(f"{product}_TEST_TOKEN")
    if token is not None:
        return Server(url, token=token)
    return Server(url, basic=(os.environ[f"{product}_TEST_USERNAME"], os.environ[f"{product}_TEST_PASSWORD"]))


def unique(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(5)}"
