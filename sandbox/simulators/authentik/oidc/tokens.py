"""Issue and verify the JWTs of Authentik's providers: keys, claims, signatures and lifetimes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc.clients import OidcClient
from sandbox.simulators.authentik.oidc.sessions import Session
from sandbox.simulators.authentik.records import User
from sandbox.simulators.clock import Clock

#: claims of access tokens only: without them the same claims are an id_token
ACCESS_ONLY = ("azp", "uid", "scope")
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_LIFE = 120


@dataclass(frozen=True)
class Issued:
    """An access token that is still known."""

    client_id: str
    expires: datetime
    session: str | None


class Claims:
    """One signing key for each application.

    The times inside a token are real, since those who verify it use the real clock; userinfo and introspection use the
    simulator's clock.
    """

    def __init__(self, directory: Directory, clock: Clock, slugs: Sequence[str]) -> None:
        self._directory = directory
        self._clock = clock
        self._slugs = frozenset(slugs)
        self._issued: dict[str, Issued] = {}
        self._keys: dict[str, RSAKey] = {}

    def clear(self) -> None:
        """Forget every access token."""
        self._issued.clear()

    def key_of(self, slug: str) -> RSAKey:
        """Return the application's key, generated when it is first needed."""
        if slug not in self._keys:
            self._keys[slug] = _first_key(slug)
        return self._keys[slug]

    def rotate_key(self, slug: str) -> str:
        """Replace the signing key; the old one leaves the key set at once."""
        self._keys[slug] = _new_key()
        return str(self._keys[slug].kid)

    def tokens(
        self,
        client: OidcClient,
        user: User,
        scopes: Sequence[str],
        issuer: str,
        *,
        session: Session | None = None,
        nonce: str | None = None,
    ) -> dict[str, Any]:
        """Return a token response. The id_token is the access token without azp, uid and scope."""
        claims = self.claims(client, user, scopes, issuer, session=session)
        if nonce is not None:
            claims["nonce"] = nonce
        identity = {name: value for name, value in claims.items() if name not in ACCESS_ONLY}
        return {
            "access_token": self.sign(client.slug, claims),
            "id_token": self.sign(client.slug, identity),
            "token_type": "Bearer",
            "expires_in": round(client.access_life),
            "scope": " ".join(scopes),
        }

    def claims(
        self, client: OidcClient, user: User, scopes: Sequence[str], issuer: str, *, session: Session | None = None
    ) -> dict[str, Any]:
        """Return the claims of a new access token. Only a browser's session adds `sid` and `amr`."""
        now, token_id = int(time.time()), secrets.token_hex(16)
        life = timedelta(seconds=client.access_life)
        key = session.key if session is not None else None
        self._issued[token_id] = Issued(client.client_id, self._clock.now() + life, key)
        return {
            "iss": issuer,
            "sub": user.uid,
            "aud": client.client_id,
            "exp": now + round(client.access_life),
            "iat": now,
            "auth_time": self._signed_in(session, now),
            "acr": "goauthentik.io/providers/oauth2/default",
            "jti": token_id,
            "azp": client.client_id,
            "uid": secrets.token_hex(20),
            "scope": " ".join(scopes),
            **({"sid": session.sid, "amr": ["pwd"]} if session is not None else {}),
            **(self.about(user, scopes) if client.include_claims_in_id_token else {}),
        }

    def logout_token(self, client: OidcClient, user: User, issuer: str, session: Session) -> str:
        """Return the token of a back-channel logout request."""
        now = int(time.time())
        claims = {
            "iss": issuer,
            "sub": user.uid,
            "aud": client.client_id,
            "iat": now,
            "exp": now + LOGOUT_LIFE,
            "jti": secrets.token_hex(16),
            "events": {LOGOUT_EVENT: {}},
            "sid": session.sid,
        }
        return self.sign(client.slug, claims, {"typ": "logout+jwt"})

    def about(self, user: User, scopes: Sequence[str]) -> dict[str, Any]:
        """Return what the scopes tell about a user at this moment."""
        claims: dict[str, Any] = {}
        if "email" in scopes:
            claims |= {"email": user.email, "email_verified": False}
        if "profile" in scopes:
            groups = [group.name for group in self._directory.groups_of(user)]
            claims |= {
                "name": user.name,
                "preferred_username": user.username,
                "nickname": user.username,
                "groups": groups,
            }
        if "entitlements" in scopes:
            claims |= {"entitlements": user.entitlements, "roles": user.entitlements}
        return claims

    def sign(self, slug: str, claims: Mapping[str, Any], headers: Mapping[str, Any] | None = None) -> str:
        key = self.key_of(slug)
        return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "JWT", **(headers or {})}, dict(claims), key)

    def verified(self, slug: str, token: str) -> dict[str, Any] | None:
        """Return the claims of a token that this application's key signed, expired or not; otherwise None."""
        try:
            return dict(jwt.decode(token, self.key_of(slug), algorithms=["RS256"]).claims)
        except (JoseError, ValueError):
            return None

    def read(self, token: str) -> tuple[User, dict[str, Any]] | None:
        """Return user and claims of a valid access token; None if it is bad, over or revoked, or the user inactive."""
        for slug in list(self._keys):
            claims = self.verified(slug, token)
            if claims is None:
                continue
            users = self._directory.users.values()
            user = next((user for user in users if user.uid == claims["sub"] and user.is_active), None)
            return (user, claims) if user is not None and self._is_valid(claims) else None
        return None

    def revoke_access_token(self, client: OidcClient, token: str) -> None:
        claims = self.verified(client.slug, token) or {}
        if claims.get("aud") == client.client_id:
            self._issued.pop(str(claims.get("jti")), None)

    def end_session(self, session: Session, client_id: str | None = None) -> None:
        """Forget the access tokens of a session, or only those of one application."""
        for token_id, issued in list(self._issued.items()):
            if issued.session == session.key and client_id in (None, issued.client_id):
                del self._issued[token_id]

    def _is_valid(self, claims: Mapping[str, Any]) -> bool:
        issued = self._issued.get(claims["jti"])
        return issued is not None and issued.expires > self._clock.now() and claims["exp"] > time.time()

    def _signed_in(self, session: Session | None, now: int) -> int:
        if session is None or session.signed_in is None:
            return now
        return now - max(0, round((self._clock.now() - session.signed_in).total_seconds()))


@cache
def _first_key(slug: str) -> RSAKey:
    # generating an RSA key costs a tenth of a second of processor time: all simulators of a process start with this one
    return _new_key()


def _new_key() -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": secrets.token_hex(16)}, private=True)
