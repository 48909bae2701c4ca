"""The tokens of Authentik's OIDC providers: keys, claims, signatures. Knows nothing of HTTP or of who may sign in."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from sandbox.stand_ins.authentik.directory import Directory
from sandbox.stand_ins.authentik.records import User

TOKEN_LIFE = 3600
#: in access tokens only: without them the same claims are an id_token
ACCESS_ONLY = ("azp", "uid", "scope")


@dataclass(frozen=True)
class OidcClient:
    """An application with its provider. `slug` stands in the issuer; the audience is the client id."""

    slug: str
    client_id: str
    client_secret: str


class Claims:
    """One signing key for each application."""

    def __init__(self, directory: Directory, slugs: Sequence[str]) -> None:
        self._directory = directory
        self._keys: dict[str, RSAKey] = {slug: _new_key() for slug in slugs}

    def rotate_key(self, slug: str) -> str:
        """A new signing key; the old one leaves the key set at once."""
        self._keys[slug] = _new_key()
        return str(self._keys[slug].kid)

    def tokens(self, client: OidcClient, user: User, scopes: list[str], issuer: str) -> dict[str, Any]:
        """The token endpoint's answer: the id_token is the access token less azp, uid and scope."""
        claims = self.claims(client, user, scopes, issuer)
        identity = {name: value for name, value in claims.items() if name not in ACCESS_ONLY}
        return {
            "access_token": self.sign(client.slug, claims),
            "id_token": self.sign(client.slug, identity),
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE,
            "scope": " ".join(scopes),
        }

    def claims(self, client: OidcClient, user: User, scopes: list[str], issuer: str) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": issuer,
            "sub": user.uid,
            "aud": client.client_id,
            "exp": now + TOKEN_LIFE,
            "iat": now,
            "auth_time": now,
            "acr": "goauthentik.io/providers/oauth2/default",
            "jti": secrets.token_hex(16),
            "azp": client.client_id,
            "uid": secrets.token_hex(20),
            "scope": " ".join(scopes),
            **self.about(user, scopes),
        }

    def about(self, user: User, scopes: Sequence[str]) -> dict[str, Any]:
        """What the scopes say of a user at this moment."""
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
        key = self._keys[slug]
        return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "JWT", **(headers or {})}, dict(claims), key)

    def read(self, token: str) -> tuple[User, dict[str, Any]] | None:
        """Whose access token this is and what it says; None for a bad or ended one, or one of an inactive user."""
        for key in self._keys.values():
            try:
                claims = dict(jwt.decode(token, key, algorithms=["RS256"]).claims)
            except (JoseError, ValueError):
                continue
            users = self._directory.users.values()
            user = next((user for user in users if user.uid == claims["sub"] and user.is_active), None)
            return (user, claims) if user is not None and claims["exp"] > time.time() else None
        return None


def _new_key() -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": secrets.token_hex(16)}, private=True)
