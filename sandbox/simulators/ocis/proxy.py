"""Who is calling, as the OCIS proxy decides it: OIDC access tokens of one issuer, or Basic with an app token."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from sandbox.simulators.ocis.people import GraphError, People, Person

ROLE_MAP = {"ocisAdmin": "Admin", "ocisSpaceAdmin": "Space Admin", "ocisUser": "User", "ocisGuest": "User Light"}


class Proxy:
    """Accounts are made at the first good token. A token that was seen stays good until it expires, IdP up or down."""

    def __init__(
        self,
        people: People,
        issuer: str,
        jwks_url: str | None,
        basic_users: Mapping[str, tuple[str, str]],
    ) -> None:
        self._people = people
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._basic_users = basic_users
        self._known: dict[str, tuple[str, float]] = {}

    def allow_token(self, token: str, username: str, role: str, seconds: float = 3600) -> None:
        """Put a token into the cache, as if it had been verified."""
        self._people.person(username, role).role = role
        self._known[token] = (username, time.time() + seconds)

    def forget_tokens(self) -> None:
        self._known.clear()

    async def person(self, authorization: str) -> Person:
        """Raises GraphError with an empty body: 401, or 500 for a token that maps to no account."""
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "basic":
            return self._by_password(value)
        if scheme.lower() != "bearer":
            raise GraphError(401)
        known = self._known.get(value)
        if known is None or known[1] < time.time():
            known = self._account(await self._claims(value))
            self._known[value] = known
        return self._people.people[known[0]]

    def _by_password(self, value: str) -> Person:
        try:
            username, _, password = base64.b64decode(value).decode().partition(":")
        except ValueError:
            raise GraphError(401) from None
        expected = self._basic_users.get(username)
        if expected is None or expected[0] != password:
            raise GraphError(401)
        return self._people.person(username, expected[1])

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            claims = jwt.decode(token, await self._keys(), algorithms=["RS256", "ES256"]).claims
        except (JoseError, ValueError, aiohttp.ClientError, TimeoutError):
            raise GraphError(401) from None
        if claims.get("iss") != self._issuer or claims.get("exp", 0) < time.time():
            raise GraphError(401)
        return claims

    async def _keys(self) -> KeySet:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5), raise_for_status=True) as session:
            url = self._jwks_url
            if url is None:
                async with session.get(f"{self._issuer}.well-known/openid-configuration") as answer:
                    url = (await answer.json())["jwks_uri"]
            async with session.get(url) as answer:
                return KeySet.import_key_set(await answer.json())

    def _account(self, claims: dict[str, Any]) -> tuple[str, float]:
        """What a new token does: the account is made, its role set, its groups read. Gives its name and the end."""
        username, email = claims.get("preferred_username"), claims.get("email")
        roles = [ROLE_MAP[role] for role in claims.get("roles", []) if role in ROLE_MAP]
        if not username or email == "" or not roles:
            raise GraphError(500)
        person = self._people.person(str(username), roles[0])
        person.role = roles[0]
        self._people.read_groups(person, claims.get("groups", []))
        return person.username, float(claims["exp"])
