"""Who a bearer token says is asking. Rights are not read from it: those are in the database."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from api.auth.jwks import KeyRing, KeysUnavailable, fetch_keys
from api.http.problem_details import Problem
from shared.config.settings import SURFACES, Settings
from shared.core.http import trust_of
from shared.provisioning.policy import Caller

LEEWAY = 30
LARGEST_TOKEN = 16 * 1024
#: verified tokens are remembered this long at most, since verifying is most of a small request's cost, in seconds
REMEMBER = 60.0
REMEMBERED = 10_000


def refused(code: str, reason: str) -> Problem:
    """A 401 with its challenge (RFC 6750 section 3). `reason` never repeats anything of the token."""
    challenge = 'Bearer realm="dezky-platform-api"'
    if code != "missing_token":
        challenge += f', error="invalid_token", error_description="{reason}"'
    return Problem(401, code, reason, headers={"WWW-Authenticate": challenge})


class TokenVerifier:
    """Authentik access tokens of the configured issuers and audiences; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._algorithms = list(settings.oidc_algorithms)
        self._audiences = _surfaces_by_audience(settings.oidc_audiences)
        trust = trust_of(settings.extra_ca_certs)
        self._rings: Mapping[str, KeyRing] = {
            issuer: KeyRing(partial(fetch_keys, issuer, jwks_url, trust))
            for issuer, jwks_url in settings.oidc_issuers.items()
        }
        self._lock = threading.Lock()
        self._remembered: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()

    def verify(self, token: str) -> Caller:
        """The caller. Raises Problem: 401 `invalid_token` or `token_expired`, 503 `keys_unavailable`."""
        if len(token) > LARGEST_TOKEN:
            raise refused("invalid_token", "The token is too large.")
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._recall(digest)
        if known is not None:
            return known
        claims = self._verified_claims(token)
        caller = self._caller(claims)
        self._remember(digest, min(time.time() + REMEMBER, float(claims["exp"])), caller)
        return caller

    def _verified_claims(self, token: str) -> dict[str, Any]:
        header, issuer = _unverified(token)
        if header.get("alg") not in self._algorithms:
            raise refused("invalid_token", "The token is signed by an algorithm that is not accepted.")
        ring = self._rings.get(issuer)
        if ring is None:
            raise refused("invalid_token", "The token is of another issuer.")
        try:
            # key locations in the header (jku, x5u, jwk, x5c) are never looked at: the ring is all we trust
            key = ring.find(str(header.get("kid", "")))
        except KeysUnavailable:
            detail = "The identity provider's keys cannot be fetched at the moment; try again shortly."
            raise Problem(503, "keys_unavailable", detail, retryable=True, headers={"Retry-After": "5"}) from None
        if key is None:
            raise refused("invalid_token", "The token is signed by a key its issuer does not publish.")
        try:
            decoded = jwt.decode(token, key, algorithms=self._algorithms)
        except (JoseError, ValueError):
            raise refused("invalid_token", "The token's signature does not hold.") from None
        return dict(decoded.claims)

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        _check_times(claims)
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise refused("invalid_token", "The token names nobody.")
        # Authentik's id_token has the same typ, iss and aud; only an access token has these two
        if not claims.get("azp") or not isinstance(claims.get("scope"), str):
            raise refused("invalid_token", "This is not an access token.")
        groups = claims.get("groups")
        return Caller(
            subject=claims["sub"],
            email=str(claims.get("email") or ""),
            name=str(claims.get("name") or claims.get("preferred_username") or ""),
            groups=tuple(str(name) for name in groups) if isinstance(groups, list) else None,
            surfaces=self._surfaces(claims.get("aud")),
            issued_at=float(claims.get("iat") or 0),
        )

    def _surfaces(self, audience: Any) -> frozenset[str]:
        audiences = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
        named = [self._audiences[one] for one in audiences if isinstance(one, str) and one in self._audiences]
        if not named:
            raise refused("invalid_token", "The token was made for another service.")
        return frozenset().union(*named)

    def _recall(self, digest: bytes) -> Caller | None:
        with self._lock:
            found = self._remembered.get(digest)
            if found is None:
                return None
            if found[0] < time.time():
                del self._remembered[digest]
                return None
            self._remembered.move_to_end(digest)
            return found[1]

    def _remember(self, digest: bytes, until: float, caller: Caller) -> None:
        with self._lock:
            self._remembered[digest] = (until, caller)
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)


def _surfaces_by_audience(audiences: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """An audience without a surface of its own has all of them."""
    return {audience: frozenset({surface} if surface else SURFACES) for audience, surface in audiences.items()}


def _unverified(token: str) -> tuple[dict[str, Any], str]:
    """Header and issuer, believed only as far as choosing the key to verify with."""
    try:
        compact = jws.extract_compact(token.encode("ascii"))
        header = dict(compact.headers())
        claims = _claims(compact.payload)
    except (JoseError, ValueError, RecursionError):
        raise refused("invalid_token", "The token is malformed.") from None
    if "crit" in header:
        raise refused("invalid_token", "The token asks for extensions that are not understood.")
    return header, str(claims.get("iss", ""))


def _claims(payload: bytes) -> dict[str, Any]:
    """The claims as JSON. Raises ValueError for anything but an object, RecursionError for one nested too deep."""
    claims = json.loads(payload)
    if not isinstance(claims, dict):
        raise ValueError("claims are an object")
    return claims


def _check_times(claims: Mapping[str, Any]) -> None:
    now = time.time()
    times = {name: claims.get(name) for name in ("exp", "nbf", "iat")}
    if (
        any(isinstance(v, bool) or not isinstance(v, int | float | None) for v in times.values())
        or times["exp"] is None
    ):
        raise refused("invalid_token", "The token's times make no sense.")
    if float(times["exp"]) + LEEWAY < now:
        raise refused("token_expired", "The token has expired.")
    if max(float(times["nbf"] or 0), float(times["iat"] or 0)) - LEEWAY > now:
        raise refused("invalid_token", "The token is not valid yet.")
