"""Keep Authentik's own tokens (API keys and app passwords), and expire them as it does."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from sandbox.simulators.authentik.records import Invalid, Token, User
from sandbox.simulators.authentik.user_fields import REQUIRED, SLUG
from sandbox.simulators.clock import Clock

#: lifetime of an expiring token, whatever was requested, unless the installation's settings change it
DEFAULT_LIFETIME = timedelta(minutes=30)
NEVER_EXPIRES = "goauthentik.io/user/token-expires"


class Tokens:
    """Tokens by identifier, and API keys by key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.by_identifier: dict[str, Token] = {}
        self._by_key: dict[str, Token] = {}

    def clear(self) -> None:
        self.by_identifier.clear()
        self._by_key.clear()

    def add(self, token: Token) -> Token:
        self.by_identifier[token.identifier] = token
        self._index(token)
        return token

    def bearer(self, key: str) -> Token | None:
        """Return the API token with this key, unless it has expired. App passwords are not found."""
        token = self._by_key.get(key)
        return None if token is None or self._ended(token) else token

    def opens(self, user: User, password: str) -> bool:
        """Return whether this is one of the user's app passwords."""
        return any(
            token.intent == "app_password"
            and token.user == user.pk
            and not self._ended(token)
            and secrets.compare_digest(token.key.encode(), password.encode())
            for token in self.by_identifier.values()
        )

    def set_key(self, token: Token, key: str) -> None:
        self._by_key.pop(token.key, None)
        token.key = key
        self._index(token)

    def remove(self, token: Token) -> None:
        del self.by_identifier[token.identifier]
        self._by_key.pop(token.key, None)

    def create(self, body: dict[str, Any], caller: Token, owner: User) -> Token:
        """Create a token as the API does. Only a superuser may choose its user and disable its expiry."""
        identifier, intent = str(body.get("identifier") or ""), body.get("intent", "api")
        if not identifier:
            raise Invalid(identifier=REQUIRED)
        if not SLUG.fullmatch(identifier):
            raise Invalid(identifier=["Enter a valid slug."])
        if identifier in self.by_identifier:
            raise Invalid(identifier=["Token with this identifier already exists."])
        if intent not in ("api", "app_password"):
            raise Invalid(intent=[f'"{intent}" is not a valid choice.'])
        expiring = body.get("expiring", True)
        if caller.permissions is not None:
            expiring = owner.attributes.get(NEVER_EXPIRES) is not False
        expires = self._end(intent, body.get("expires")) if expiring else None
        return self.add(Token(identifier, owner.pk, intent, str(body.get("description") or ""), expires))

    def expire(self) -> int:
        """Do what Authentik does with expired tokens: rotate API keys, delete app passwords. Return how many."""
        ended = [token for token in self.by_identifier.values() if self._ended(token)]
        for token in ended:
            if token.intent == "app_password":
                self.remove(token)
            else:
                self.set_key(token, secrets.token_urlsafe(45))
                token.expires = self._clock.now() + DEFAULT_LIFETIME
        return len(ended)

    def _end(self, intent: str, asked: Any) -> datetime:
        latest = self._clock.now() + DEFAULT_LIFETIME
        if intent == "api" or asked is None:
            return latest
        try:
            wanted = datetime.fromisoformat(str(asked))
        except ValueError:
            raise Invalid(expires=["Datetime has wrong format."]) from None
        if wanted.tzinfo is None or wanted > latest:
            raise Invalid(expires=["Token expires exceeds maximum lifetime."])
        return wanted

    def _ended(self, token: Token) -> bool:
        return token.expires is not None and token.expires <= self._clock.now()

    def _index(self, token: Token) -> None:
        if token.intent == "api":
            self._by_key[token.key] = token
