"""Authentication of the OCIS proxy: OIDC access tokens of one issuer, or HTTP Basic with an app token."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from sandbox.simulators.clock import Clock
from sandbox.simulators.ocis.people import GraphError, People, Person

#: value of the role claim without its prefix, to role
ROLE_MAP = {"Admin": "Admin", "SpaceAdmin": "Space Admin", "User": "User", "Guest": "User Light"}


class Proxy:
    """Create accounts at their first valid token. A cached token stays valid until it expires, even without the IdP.

    `basic_users`: name to (app token without expiry, role). `role_prefix`: `ocis`, or `opencloud`.
    `role_delays`: seconds by username until a new account has its role.
    """

    def __init__(
        self,
        people: People,
        clock: Clock,
        issuer: str,
        jwks_url: str | None,
        basic_users: Mapping[str, tuple[str, str]],
        role_prefix: str,
        role_delays: Mapping[str, float],
    ) -> None:
        self._people = people
        self._clock = clock
        self._role_prefix = role_prefix
        self._app_tokens: dict[str, tuple[str, datetime]] = {}
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._basic_users = basic_users
        self._role_delays = role_delays
        self._known: dict[str, tuple[str, float]] = {}

    def allow_token(self, token: str, username: str, role: str, seconds: float = 3600) -> None:
        """Put a token into the cache, as if it had been verified."""
        self._people.person(username, role).role = role
        self._known[token] = (username, time.time() + seconds)

    def forget_tokens(self) -> None:
        self._known.clear()
        self._app_tokens.clear()

    def add_app_token(self, person: Person, lifetime: timedelta) -> tuple[str, datetime]:
        """Create an app token, which its owner uses as the password of Basic credentials until it expires."""
        token, ends_at = secrets.token_urlsafe(16), self._clock.now() + lifetime
        self._app_tokens[token] = (person.username, ends_at)
        return token, ends_at

    async def person(self, authorization: str, is_idp_down: Callable[[], bool] = lambda: False) -> Person:
        """Return the caller. Raises GraphError with an empty body: 401, or 500 for a token that maps to no account.

        Only a new token needs the identity provider; one that was verified before works until it expires.
        """
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "basic":
            return self._by_password(value)
        if scheme.lower() != "bearer":
            raise GraphError(401)
        known = self._known.get(value)
        if known is None or known[1] < time.time():
            if is_idp_down():
                raise GraphError(401)
            known = self._account(await self._claims(value))
            self._known[value] = known
        else:
            # groups that were added by an earlier request become effective now
            self._people.people[known[0]].new_groups = frozenset()
        return self._people.people[known[0]]

    def waits_for_role(self, person: Person) -> bool:
        return person.role_at is not None and self._clock.now() < person.role_at

    def _by_password(self, value: str) -> Person:
        try:
            username, _, password = base64.b64decode(value).decode().partition(":")
        except ValueError:
            raise GraphError(401) from None
        owner, ends_at = self._app_tokens.get(password, ("", self._clock.now()))
        if owner == username and ends_at > self._clock.now():
            return self._people.people[owner]
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
                async with session.get(f"{self._issuer}.well-known/openid-configuration") as response:
                    url = (await response.json())["jwks_uri"]
            async with session.get(url) as response:
                return KeySet.import_key_set(await response.json())

    def _account(self, claims: dict[str, Any]) -> tuple[str, float]:
        """Apply a new token's claims: create the account, set its role, read its groups. Returns name and expiry."""
        if "openid" not in str(claims.get("scope", "openid")).split():
            raise GraphError(401)  # the userinfo endpoint of the issuer refuses it
        username, roles = claims.get("preferred_username"), self._roles(claims)
        if not username or not roles:
            raise GraphError(500)
        known = self._people.people.get(str(username))
        self._require_mail(claims.get("email"), known)
        person = self._people.person(str(username), roles[0])
        if known is None:
            person.role_at = self._clock.now() + timedelta(seconds=self._role_delays.get(person.username, 0))
        person.role, person.mail = roles[0], claims.get("email") or person.mail
        self._people.read_groups(person, claims.get("groups", []))
        return person.username, float(claims["exp"])

    def _roles(self, claims: dict[str, Any]) -> list[str]:
        given = claims.get("roles", [])
        known = {self._role_prefix + name: role for name, role in ROLE_MAP.items()}
        return [known[role] for role in given if role in known]

    @staticmethod
    def _require_mail(given: str | None, person: Person | None) -> None:
        """Refuse a new account with an empty e-mail address, and a known account whose token lacks its address."""
        if given == "" and (person is None or person.mail is None):
            raise GraphError(500)
        if not given and person is not None and person.mail is not None:
            raise GraphError(500)
