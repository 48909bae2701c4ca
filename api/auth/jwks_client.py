"""Fetch an issuer's key set over HTTP, by its URL or by discovery."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import structlog
from urllib3.exceptions import HTTPError

from api.auth.jwks import KeysUnavailable, SigningKey
from shared.config.tokens import require_safe_address
from shared.core.http import DeadlineAdapter, call_deadline

log = structlog.get_logger(__name__)

#: Authentik takes seconds for its first responses; requests whose key is known never wait for this
FETCH_SECONDS = 10.0
CONNECT_SECONDS = 3.0
MAX_RESPONSE_BYTES = 256 * 1024
MAX_REDIRECTS = 3


def fetch_keys(issuer: str, jwks_url: str, trust: ssl.SSLContext) -> Sequence[SigningKey]:
    """Return the keys that an issuer publishes now. `jwks_url`: empty to use discovery.

    Raises KeysUnavailable, also for a response without a usable key, such as a proxy's error page. An empty key set is
    valid: the issuer has withdrawn all its keys.
    """
    with requests.Session() as session, call_deadline(FETCH_SECONDS):
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, DeadlineAdapter(trust, 1))
        try:
            return _keys(_get(session, jwks_url or _discover_url(session, issuer)))
        except (requests.RequestException, HTTPError, OSError, ValueError, KeyError, RecursionError) as problem:
            log.warning("keys.unreachable", issuer=issuer, problem=type(problem).__name__)
            raise KeysUnavailable from None


def _discover_url(session: requests.Session, issuer: str) -> str:
    """Return the key set's URL (OpenID Connect Discovery 1.0, 4.2 and 4.3). Raises ValueError, KeyError."""
    document = _get(session, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        raise ValueError("the document is another issuer's")
    url = str(document["jwks_uri"])
    require_safe_address(url)
    return url


def _get(session: requests.Session, url: str) -> dict[str, Any]:
    """Return the JSON object at this URL. Raises ValueError or RecursionError for anything else."""
    for _ in range(MAX_REDIRECTS):
        with session.get(
            url,
            timeout=(CONNECT_SECONDS, FETCH_SECONDS),
            stream=True,
            allow_redirects=False,
            headers={"Accept": "application/json"},
        ) as response:
            if response.is_redirect:
                url = _same_origin(url, response.headers["Location"])
                continue
            response.raise_for_status()
            return _object(response.raw.read(MAX_RESPONSE_BYTES + 1, decode_content=True))
    raise ValueError("too many redirects")


def _same_origin(url: str, location: str) -> str:
    """Return the target of a redirect. Raises ValueError for another origin, whose keys must not be trusted."""
    target = urljoin(url, location)
    known, other = urlsplit(url), urlsplit(target)
    if (known.scheme, known.netloc) != (other.scheme, other.netloc):
        raise ValueError("a redirect to another origin")
    return target


def _object(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_RESPONSE_BYTES:
        raise ValueError("too large for a key set")
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _keys(document: dict[str, Any]) -> Sequence[SigningKey]:
    entries = document["keys"]
    if not isinstance(entries, list):
        raise ValueError("not a list of keys")
    found = [key for key in map(SigningKey.of, entries) if key is not None]
    if entries and not found:
        raise ValueError("no key that can be used")
    return found
