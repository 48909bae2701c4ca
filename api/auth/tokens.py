"""Verify access tokens of the configured issuers. Rights are in the database and never read from tokens."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog
from authlib.oauth2.rfc6750 import BearerTokenValidator, InvalidTokenError
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.registry import HeaderParameter

from api.auth.claims import caller_of, check_expiry, parse_claims
from api.auth.jwks import KeyRing
from api.auth.jwks_client import fetch_keys
from shared.accounts.emergency_token import PREFIX, EmergencyGrant
from shared.config.settings import Settings
from shared.config.tokens import SURFACES, Audience
from shared.core.http import tls_context
from shared.rights.policy import Caller

log = structlog.get_logger(__name__)

MAX_TOKEN_LENGTH = 16 * 1024
#: verified tokens are cached this long at most, since verifying is most of a small request's cost, in seconds
CACHE_SECONDS = 60.0
CACHE_SIZE = 10_000


class AccessTokenValidator(BearerTokenValidator):  # type: ignore[misc]
    """Verifies access tokens by the issuer's keys; safe to share between threads."""

    def __init__(self, settings: Settings, emergency: Callable[[str], EmergencyGrant | None]) -> None:
        """`emergency`: returns the grant of an emergency token."""
        super().__init__(realm="dezky-platform-api")
        self._emergency = emergency
        self._algorithms = list(settings.oidc_algorithms)
        # unknown header parameters are ignored; a key id may be a number, as in the key set
        self._registry = jws.JWSRegistry(
            {"kid": HeaderParameter("Key ID", _check_kid)}, self._algorithms, strict_check_header=False
        )
        self._audiences = settings.oidc_audiences
        trust = tls_context(settings.extra_ca_certs)
        self._rings: Mapping[str, KeyRing] = {
            issuer: KeyRing(partial(fetch_keys, issuer, jwks_url, trust))
            for issuer, jwks_url in settings.oidc_issuers.items()
        }
        if not settings.accepts_tokens:
            log.warning(
                "tokens.none_accepted", remedy="set OIDC_ISSUERS and OIDC_AUDIENCES; until then every token is refused"
            )
        self._lock = threading.Lock()
        self._callers: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()

    def fetch_keys(self) -> None:
        """Fetch all issuers' keys in the background, so that the first requests find them."""
        for ring in self._rings.values():
            ring.refresh()

    def authenticate_token(self, token_string: str) -> Caller:
        """Return the caller that the token names. Raises InvalidTokenError, KeysUnavailable."""
        if len(token_string) > MAX_TOKEN_LENGTH:
            raise InvalidTokenError("The token is too large.")
        if token_string.startswith(PREFIX):
            return self._emergency_caller(token_string)
        digest = hashlib.sha256(token_string.encode("utf-8", "surrogatepass")).digest()
        known = self._cached(digest)
        if known is not None:
            return known
        claims = self._verified_claims(token_string)
        caller = caller_of(claims, partial(_surfaces, self._audiences, str(claims["iss"])))
        self._cache_caller(digest, caller)
        return caller

    def validate_token(self, token: Caller, scopes: Any, request: Any) -> None:
        """Raise TokenExpired for a cached token that expired since. Scopes are ignored."""
        check_expiry(token.expires_at)

    def _emergency_caller(self, token: str) -> Caller:
        """Return the caller of an emergency token.

        It is not cached, so that it can be revoked. It has no issue time, so it updates no user record."""
        grant = self._emergency(token)
        if grant is None:
            raise InvalidTokenError("The emergency token is unknown or has expired.")
        log.warning("emergency_token.used", subject=grant.subject)
        expires_at = grant.expires_at.timestamp()
        return Caller(grant.subject, grant.email, grant.name, None, frozenset(SURFACES), 0.0, expires_at)

    def _verified_claims(self, token: str) -> dict[str, Any]:
        compact, claims = self._parse(token)
        header = compact.headers()
        if header["alg"] not in self._algorithms:
            raise InvalidTokenError("The token is signed by an algorithm that is not accepted.")
        ring = self._rings.get(str(claims.get("iss", "")))
        if ring is None:
            raise InvalidTokenError("The token was issued by another issuer.")
        # keys named in the header (jku, x5u, jwk, x5c) are never used: only the issuer's key ring is trusted
        kid = header.get("kid")
        for keys in ring.candidates(None if kid is None else str(kid), header["alg"]):
            if any(self._is_signed(compact, key) for key in keys):
                return claims
        raise InvalidTokenError("The token's signature does not fit any key that its issuer publishes.")

    def _parse(self, token: str) -> tuple[jws.CompactSignature, dict[str, Any]]:
        """Parse the token without verifying it, to choose the keys."""
        try:
            compact = jws.extract_compact(token.encode("ascii"), registry=self._registry)
            self._registry.check_header(compact.headers())
            claims = parse_claims(compact.payload)
        except (JoseError, ValueError, RecursionError, TypeError):
            raise InvalidTokenError("The token is malformed.") from None
        if "crit" in compact.headers():
            raise InvalidTokenError("The token asks for extensions that are not understood.")
        return compact, claims

    def _is_signed(self, compact: jws.CompactSignature, key: Any) -> bool:
        try:
            return jws.validate_compact(compact, key, registry=self._registry)
        except (JoseError, ValueError, TypeError):
            return False

    def _cached(self, digest: bytes) -> Caller | None:
        with self._lock:
            found = self._callers.get(digest)
            if found is None:
                return None
            if found[0] < time.time():
                del self._callers[digest]
                return None
            self._callers.move_to_end(digest)
            return found[1]

    def _cache_caller(self, digest: bytes, caller: Caller) -> None:
        until = min(time.time() + CACHE_SECONDS, caller.expires_at)
        with self._lock:
            self._callers[digest] = (until, caller)
            if len(self._callers) > CACHE_SIZE:
                self._callers.popitem(last=False)


def _surfaces(accepted: tuple[Audience, ...], issuer: str, audience: Any) -> frozenset[str]:
    """Return the surfaces that a token of this issuer may use. Raises InvalidTokenError for another service's token."""
    names = {audience} if isinstance(audience, str) else {one for one in _list(audience) if isinstance(one, str)}
    found = [one for one in accepted if one.name in names and one.issuer in (None, issuer)]
    if not found:
        raise InvalidTokenError("The token was made for another service.")
    return frozenset().union(*({one.surface} if one.surface else SURFACES for one in found))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _check_kid(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("must be a text or a number")
