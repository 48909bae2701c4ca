"""Store sign-ins in Redis, each as one encrypted value, which the sign-out deletes."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from redis import Redis

from console.auth.vault import Vault

PREFIX = "console:"
#: how long one request may hold the lock of a renewal: longer than the provider's discovery and renewal can take
LOCK_SECONDS = 60
#: how long another request waits for the lock when its access token has expired
WAIT_SECONDS = 20
STATE_PREFIX = f"{PREFIX}state:"


@dataclass(frozen=True)
class Tokens:
    """Tokens of the identity provider. `expires_at`: when the access token expires, in seconds since 1970."""

    access: str = field(repr=False)
    expires_at: float
    refresh: str | None = field(default=None, repr=False)
    identity: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class SignIn:
    """A person's sign-in. `provider_session`: the id of the session at the identity provider."""

    id: str = field(repr=False)
    tokens: Tokens
    started_at: float
    provider_session: str | None = None


class SignIns:
    """Stores sign-ins in Redis. Keys are digests, so that a reader of Redis cannot forge a cookie."""

    def __init__(self, redis: Redis, vault: Vault, longest: timedelta, idle: timedelta) -> None:
        self._redis, self._vault = redis, vault
        self._longest, self._idle = longest.total_seconds(), idle.total_seconds()

    def begin(self, tokens: Tokens, provider_session: str | None) -> SignIn:
        """Record a new sign-in."""
        sign_in = SignIn(secrets.token_urlsafe(32), tokens, time.time(), provider_session)
        self._redis.set(_key(sign_in.id), self._seal(sign_in), ex=self._lifetime(sign_in))
        if provider_session:
            index = _index(provider_session)
            self._redis.sadd(index, _key(sign_in.id))
            self._redis.expire(index, int(self._longest))
        return sign_in

    def find(self, sign_in_id: str) -> SignIn | None:
        """Find a sign-in that has neither ended nor been idle for too long."""
        sealed = self._redis.get(_key(sign_in_id))
        opened = self._vault.decrypt(sealed) if isinstance(sealed, bytes) else None
        if opened is None:
            return None
        fields = json.loads(opened)
        return SignIn(**{**fields, "tokens": Tokens(**fields["tokens"])})

    def keep_alive(self, sign_in: SignIn) -> None:
        """Restart the idle time. The record itself is only written under the renewal lock."""
        self._redis.expire(_key(sign_in.id), self._lifetime(sign_in))

    def save(self, sign_in: SignIn) -> bool:
        """Replace a sign-in's record; return False if it has ended meanwhile."""
        lifetime = self._lifetime(sign_in)
        self._redis.delete(_person_key(sign_in))
        return bool(lifetime > 0 and self._redis.set(_key(sign_in.id), self._seal(sign_in), ex=lifetime, xx=True))

    def end(self, sign_in: SignIn) -> None:
        """Delete a sign-in."""
        self._redis.delete(_key(sign_in.id), _person_key(sign_in))
        if sign_in.provider_session:
            self._redis.srem(_index(sign_in.provider_session), _key(sign_in.id))

    def end_all_of(self, provider_session: str) -> int:
        """Delete all sign-ins that came from one session at the identity provider."""
        index = _index(provider_session)
        keys = [key for key in self._redis.sscan_iter(index)]
        return int(self._redis.delete(index, *keys)) - 1 if keys else 0

    def is_new_statement(self, statement_id: str, seconds: int) -> bool:
        """Record a logout token's id; return False if it was seen before."""
        key = f"{PREFIX}statement:{_digest(statement_id)}"
        return bool(self._redis.set(key, b"", ex=seconds, nx=True))

    def keep_person(self, sign_in: SignIn, record: dict[str, Any], seconds: int) -> None:
        """Cache the person's user record."""
        self._redis.set(_person_key(sign_in), self._vault.encrypt(json.dumps(record).encode()), ex=seconds)

    def person(self, sign_in: SignIn) -> dict[str, Any] | None:
        """Return the cached user record, None if there is none."""
        sealed = self._redis.get(_person_key(sign_in))
        opened = self._vault.decrypt(sealed) if isinstance(sealed, bytes) else None
        record: dict[str, Any] | None = json.loads(opened) if opened is not None else None
        return record

    def renewal(self, sign_in: SignIn, wait_seconds: float = WAIT_SECONDS) -> AbstractContextManager[object]:
        """Return the lock under which one request renews the tokens: a refresh token can be used once."""
        name = f"{_key(sign_in.id)}:renewal"
        lock: AbstractContextManager[object] = self._redis.lock(name, LOCK_SECONDS, blocking_timeout=wait_seconds)
        return lock

    def _seal(self, sign_in: SignIn) -> bytes:
        return self._vault.encrypt(json.dumps(asdict(sign_in)).encode())

    def _lifetime(self, sign_in: SignIn) -> int:
        left = sign_in.started_at + self._longest - time.time()
        return int(min(left, self._idle))


class PendingSignIns:
    """Stores state, nonce and PKCE verifier of pending sign-ins; implements Authlib's cache interface."""

    def __init__(self, redis: Redis, vault: Vault) -> None:
        self._redis, self._vault = redis, vault

    def set(self, key: str, value: str, timeout: int) -> None:
        self._redis.set(STATE_PREFIX + _digest(key), self._vault.encrypt(value.encode()), ex=timeout)

    def get(self, key: str) -> bytes | None:
        sealed = self._redis.get(STATE_PREFIX + _digest(key))
        return self._vault.decrypt(sealed) if isinstance(sealed, bytes) else None

    def delete(self, key: str) -> None:
        self._redis.delete(STATE_PREFIX + _digest(key))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _key(sign_in_id: str) -> str:
    return f"{PREFIX}sign-in:{_digest(sign_in_id)}"


def _person_key(sign_in: SignIn) -> str:
    return f"{PREFIX}person:{_digest(sign_in.id)}"


def _index(provider_session: str) -> str:
    return f"{PREFIX}provider-session:{_digest(provider_session)}"
