"""The tokens of Authentik's OIDC providers: keys, claims, signatures. Knows nothing of HTTP or of who may sign in."""

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
from sandbox.simulators.authentik.records import User
from sandbox.simulators.clock import Clock

TOKEN_LIFE = 3600
#: in access tokens only: without them the same claims are an id_token
ACCESS_ONLY = ("azp", "uid", "scope")


@dataclass(frozen=True)
class OidcClient:
    """An application with its provider. `slug` stands in the issuer; the audience is the client id.

    Without a secret it is a public client: a program on people's own machines.
    """

    slug: str
    client_id: str
    client_secret: str

    def knows(self, secret: str) -> bool:
        """Whether somebody with this secret may speak for the client; for a public one everybody may."""
        return not self.client_secret or secrets.compare_digest(self.client_secret.encode(), secret.encode())

    def proves(self, given: Mapping[str, str]) -> bool:
        """Whether a form comes from the client itself, which a public one cannot show."""
        return bool(self.client_secret) and self.knows(given.get("client_secret", ""))


class Claims:
    """One signing key for each application.

    Inside a token stands the true time, since nobody moves the clocks of those who verify it; asked here, a token
    ends by the stand-in's clock.
    """

    def __init__(self, directory: Directory, clock: Clock, slugs: Sequence[str]) -> None:
        self._directory = directory
        self._clock = clock
        self._ends: dict[str, datetime] = {}
        self._slugs = frozenset(slugs)
        self._keys: dict[str, RSAKey] = {}

    def clear(self) -> None:
        """No token is known any more."""
        self._ends.clear()

    def key_of(self, slug: str) -> RSAKey:
        """The application's key, made when it is first wanted: making one takes a while."""
        if slug not in self._keys:
            self._keys[slug] = _first_key(slug)
        return self._keys[slug]

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
        now, token_id = int(time.time()), secrets.token_hex(16)
        self._ends[token_id] = self._clock.now() + timedelta(seconds=TOKEN_LIFE)
        return {
            "iss": issuer,
            "sub": user.uid,
            "aud": client.client_id,
            "exp": now + TOKEN_LIFE,
            "iat": now,
            "auth_time": now,
            "acr": "goauthentik.io/providers/oauth2/default",
            "jti": token_id,
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
        key = self.key_of(slug)
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
            return (user, claims) if user is not None and self._lives(claims) else None
        return None

    def _lives(self, claims: Mapping[str, Any]) -> bool:
        end = self._ends.get(claims["jti"])
        return end is not None and end > self._clock.now() and claims["exp"] > time.time()


@cache
def _first_key(slug: str) -> RSAKey:
    # making an RSA key costs a tenth of a second of processor time, so all stand-ins of one process begin with this one
    return _new_key()


def _new_key() -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": secrets.token_hex(16)}, private=True)
