"""The issuers' signing keys: fetched, kept, renewed; never dropped because a renewal failed."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from urllib3.exceptions import HTTPError

from shared.core.http import DeadlineAdapter, call_within

log = structlog.get_logger(__name__)

#: an unknown key id makes us look again at most this often, and known keys are renewed this often, in seconds
COOL_DOWN = 10.0
MAX_AGE = 600.0
FETCH_SECONDS = 2.0
CONNECT_SECONDS = 1.0
LARGEST_KEY_SET = 256 * 1024


class KeysUnavailable(Exception):
    """The issuer's keys cannot be fetched now, so nobody can say what an unknown one is worth."""


class KeyRing:
    """One issuer's keys by key id; safe to share between threads, of which one fetches for all."""

    def __init__(self, fetch: Callable[[], Mapping[str, Key]], clock: Callable[[], float] = time.monotonic) -> None:
        """`fetch` gives key id to key, and raises KeysUnavailable."""
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Mapping[str, Key] = {}
        self._tried_at = float("-inf")
        self._fetched_at = float("-inf")
        self._has_failed = False

    def find(self, kid: str) -> Key | None:
        """The key of this id, after one look at the issuer if it is not known. Raises KeysUnavailable."""
        key = self._keys.get(kid)
        if key is not None:
            if self._clock() - self._fetched_at > MAX_AGE:
                self._renew_aside()
            return key
        with self._lock:
            if kid not in self._keys and self._clock() - self._tried_at >= COOL_DOWN:
                self._renew()
            key = self._keys.get(kid)
            if key is None and (self._has_failed or not self._keys):
                raise KeysUnavailable
            return key

    def _renew(self) -> None:
        self._tried_at = self._clock()
        try:
            self._keys = self._fetch()
        except KeysUnavailable:
            self._has_failed = True
            log.warning("keys.renewal_failed", known=len(self._keys))
        else:
            self._has_failed = False
            self._fetched_at = self._clock()

    def _renew_aside(self) -> None:
        """Renew on a thread of its own: a request whose key is known waits for nobody."""
        if self._clock() - self._tried_at < COOL_DOWN or not self._lock.acquire(blocking=False):
            return

        def renew() -> None:
            try:
                self._renew()
            finally:
                self._lock.release()

        threading.Thread(target=renew, name="key renewal", daemon=True).start()


def fetch_keys(issuer: str, jwks_url: str, trust: ssl.SSLContext) -> Mapping[str, Key]:
    """The keys an issuer publishes now; `jwks_url` empty: found by discovery. Takes two seconds at most, however slowly
    the other side drips.

    Raises KeysUnavailable, for a document that is no key set or holds no key we can use as well: that is an issuer in
    trouble, while one that has withdrawn all its keys says so by an empty list.
    """
    with requests.Session() as session, call_within(FETCH_SECONDS):
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, DeadlineAdapter(trust, 1))
        try:
            url = jwks_url or _object(session, f"{issuer.rstrip('/')}/.well-known/openid-configuration")["jwks_uri"]
            return _keys(_object(session, str(url)))
        except (requests.RequestException, HTTPError, OSError, ValueError, KeyError, RecursionError) as problem:
            log.warning("keys.unreachable", issuer=issuer, problem=type(problem).__name__)
            raise KeysUnavailable from None


def _object(session: requests.Session, url: str) -> dict[str, Any]:
    """The JSON object at this address. Raises ValueError or RecursionError for anything else."""
    with session.get(
        url, timeout=(CONNECT_SECONDS, FETCH_SECONDS), stream=True, headers={"Accept": "application/json"}
    ) as answer:
        answer.raise_for_status()
        body = answer.raw.read(LARGEST_KEY_SET + 1, decode_content=True)
        if len(body) > LARGEST_KEY_SET:
            raise ValueError("too large for a key set")
        found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _keys(document: dict[str, Any]) -> Mapping[str, Key]:
    """Raises ValueError, KeyError."""
    entries = document["keys"]
    if not isinstance(entries, list):
        raise ValueError("not a list of keys")
    named = [entry for entry in entries if isinstance(entry, dict) and "kid" in entry]
    found = {str(entry["kid"]): key for entry in named if (key := _key(entry)) is not None}
    if entries and not found:
        raise ValueError("no key that can be used")
    return found


def _key(entry: dict[str, Any]) -> Key | None:
    try:
        return JWKRegistry.import_key(entry)
    except (JoseError, ValueError, KeyError, TypeError):
        return None  # a kind of key we do not know must not cost us those we do
