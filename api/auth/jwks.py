"""Cache an issuer's signing keys: fetch and refresh them, and keep them when a refresh fails."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, RSAKey

log = structlog.get_logger(__name__)

#: seconds between two fetches because of unknown key ids, and until known keys are refreshed
COOL_DOWN = 10.0
MAX_AGE = 600.0
#: how long a request with an unknown key waits for the fetch, and how many requests may wait at once
WAIT_SECONDS = 3.0
MAX_WAITERS = 8
#: keys that are tried for one token at most
MAX_CANDIDATES = 8
MIN_RSA_BITS = 2048

#: algorithm to the key type and, for curves, the curve (RFC 7518 3.1, RFC 8037, RFC 8812, RFC 9864)
_KINDS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "ES256K": ("EC", "secp256k1"),
    "EdDSA": ("OKP", None),
    "Ed25519": ("OKP", "Ed25519"),
    "Ed448": ("OKP", "Ed448"),
}


class KeysUnavailable(Exception):
    """The issuer's keys cannot be fetched now, so its tokens cannot be verified."""

    def __init__(self, retry_after: float = 1.0) -> None:
        super().__init__()
        self.retry_after = max(1, math.ceil(retry_after))


@dataclass(frozen=True)
class SigningKey:
    """One entry of a key set. `kid` as text, None for an entry without one."""

    kid: str | None
    key: Key
    entry: dict[str, Any]

    @classmethod
    def of(cls, entry: Any) -> SigningKey | None:
        """Read an entry; return None for one that cannot verify, so that an unknown kind leaves the others usable."""
        if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC", "OKP"):
            return None
        # some servers publish what a key lacks as null
        entry = {name: value for name, value in entry.items() if value is not None}
        kid = entry.get("kid")
        if isinstance(kid, bool) or not isinstance(kid, str | int | None):
            return None
        try:
            key = JWKRegistry.import_key({name: value for name, value in entry.items() if name != "kid"})
        except (JoseError, ValueError, KeyError, TypeError, OverflowError):
            return None
        if isinstance(key, RSAKey) and key.raw_value.key_size < MIN_RSA_BITS:
            log.warning("keys.too_short", kid=kid, bits=key.raw_value.key_size)
            return None
        return cls(None if kid is None else str(kid), key, entry)

    def fits(self, algorithm: str) -> bool:
        """Return whether this key may verify signatures of the algorithm, by its type, curve, use and `alg`."""
        kty, crv = _KINDS[algorithm]
        operations = self.entry.get("key_ops")
        return (
            self.entry["kty"] == kty
            and crv in (None, self.entry.get("crv"))
            and self.entry.get("use", "sig") == "sig"
            and (operations is None or (isinstance(operations, list) and "verify" in operations))
            and self.entry.get("alg", algorithm) == algorithm
        )


class KeyRing:
    """The keys of one issuer; safe to share between threads. A background thread fetches them."""

    def __init__(self, fetch: Callable[[], Sequence[SigningKey]], clock: Callable[[], float] = time.monotonic) -> None:
        """`fetch`: returns the keys, or raises KeysUnavailable."""
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._waiters = threading.BoundedSemaphore(MAX_WAITERS)
        self._keys: Sequence[SigningKey] = ()
        self._fetching: threading.Event | None = None
        self._tried_at = float("-inf")
        self._fetched_at = float("-inf")
        self._has_failed = False

    def refresh(self) -> None:
        """Fetch the keys in the background, unless that was done within COOL_DOWN."""
        self._begin_fetch()

    def candidates(self, kid: str | None, algorithm: str) -> Iterator[Sequence[Key]]:
        """Yield the keys that may have made a signature, known ones first: those with this id, or without an id.

        A request whose key is known never waits. For an unknown key the key set is fetched, at most once per
        COOL_DOWN. Raises KeysUnavailable when that fails.
        """
        found = self._candidates(kid, algorithm)
        if found:
            if self._clock() - self._fetched_at > MAX_AGE:
                self.refresh()
            yield [one.key for one in found]
            if kid is not None and found[0].kid == kid:
                return
        yield [one.key for one in self._fetch_or_wait(kid, algorithm)]

    def _fetch_or_wait(self, kid: str | None, algorithm: str) -> Sequence[SigningKey]:
        done, is_ours = self._begin_fetch()
        if done is None:
            raise KeysUnavailable(self._seconds_to_next_fetch())
        self._wait(done)
        found = self._candidates(kid, algorithm)
        # a fetch that another request began may be older than the key
        if self._has_failed or not (found or is_ours):
            raise KeysUnavailable(self._seconds_to_next_fetch())
        return found

    def _candidates(self, kid: str | None, algorithm: str) -> Sequence[SigningKey]:
        keys = [one for one in self._keys if one.fits(algorithm) and (kid is None or one.kid in (kid, None))]
        return sorted(keys, key=lambda one: one.kid != kid)[:MAX_CANDIDATES]

    def _begin_fetch(self) -> tuple[threading.Event | None, bool]:
        """Return the running fetch and whether this call began it; None when it is too early for another one."""
        with self._lock:
            if self._fetching is not None:
                return self._fetching, False
            if self._clock() - self._tried_at < COOL_DOWN:
                return None, False
            self._tried_at = self._clock()
            done = self._fetching = threading.Event()
            threading.Thread(target=self._run, args=(done,), name="key fetch", daemon=True).start()
            return done, True

    def _run(self, done: threading.Event) -> None:
        try:
            keys = self._fetch()
        except KeysUnavailable:
            self._has_failed = True
            log.warning("keys.refresh_failed", known=len(self._keys))
        else:
            self._keys, self._has_failed, self._fetched_at = keys, False, self._clock()
        finally:
            with self._lock:
                self._fetching = None
            done.set()

    def _wait(self, done: threading.Event) -> None:
        """Wait for the fetch. Raises KeysUnavailable when it takes too long, or when too many requests wait."""
        if not self._waiters.acquire(blocking=False):
            raise KeysUnavailable
        try:
            if not done.wait(WAIT_SECONDS):
                raise KeysUnavailable
        finally:
            self._waiters.release()

    def _seconds_to_next_fetch(self) -> float:
        return self._tried_at + COOL_DOWN - self._clock()
