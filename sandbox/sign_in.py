"""Sign in to the console with the requests that a browser would send."""

from __future__ import annotations

import requests

SECONDS = 20


class SignInError(Exception):
    """The identity provider's simulator did not sign the person in."""


def sign_in(console_url: str, username: str, password: str) -> requests.Session:
    """Return a session with the console's cookie. Raises SignInError."""
    session = requests.Session()
    session.trust_env = False
    page = session.get(f"{console_url}/auth/sign-in", timeout=SECONDS)
    page = session.post(page.url, data={"uid_field": username, "password": password}, timeout=SECONDS)
    if "consent" in page.url:
        page = session.post(page.url, timeout=SECONDS)
    if not page.ok or not page.url.startswith(console_url):
        place = page.url.partition("?")[0]
        raise SignInError(f"The sign-in of {username} ended at {place}, status {page.status_code}.")
    return session
