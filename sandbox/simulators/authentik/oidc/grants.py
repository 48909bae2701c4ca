"""Store Authentik's grants: authorization codes, device codes (RFC 8628) and refresh tokens."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc.clients import OidcClient
from sandbox.simulators.authentik.oidc.sessions import Sessions
from sandbox.simulators.authentik.records import User
from sandbox.simulators.clock import Clock

OFFLINE = "offline_access"


class GrantRefused(Exception):
    """A 400 of the token endpoint; `error` is its OAuth code."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class Grant:
    """The scopes that a person granted to a client. `session`: key of the browser session in which it happened."""

    user: User
    scopes: tuple[str, ...]
    session: str | None = None
    nonce: str | None = None


@dataclass(frozen=True)
class AuthorizationCode:
    client_id: str
    redirect_uri: str
    grant: Grant
    expires: datetime
    challenge: str | None = None
    challenge_method: str = "plain"

    def accepts(self, verifier: str) -> bool:
        """Check PKCE (RFC 7636). A verifier without a challenge is refused too, which prevents a downgrade."""
        if self.challenge is None or not verifier:
            return self.challenge is None and not verifier
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        return (digest if self.challenge_method == "S256" else verifier) == self.challenge


@dataclass
class DeviceCode:
    """One request of a device. `user`: the person who approved it."""

    device_code: str
    user_code: str
    client: OidcClient
    scopes: list[str]
    expires: datetime
    user: User | None = None
    denied: bool = False


@dataclass(frozen=True)
class RefreshToken:
    client_id: str
    grant: Grant
    expires: datetime


class Grants:
    """All grants, in memory. Deactivating a user ends them; the end of a browser session does not.

    `device_lifetime` replaces the client's lifetime of device codes, in seconds.
    """

    def __init__(self, directory: Directory, sessions: Sessions, clock: Clock) -> None:
        self._directory = directory
        self._sessions = sessions
        self._clock = clock
        self._codes: dict[str, AuthorizationCode] = {}
        self._devices: dict[str, DeviceCode] = {}
        self._refresh: dict[str, RefreshToken] = {}
        self.device_lifetime: float | None = None
        directory.on_sign_out.append(self._end)

    def clear(self) -> None:
        for held in (self._codes, self._devices, self._refresh):
            held.clear()

    # -- authorization codes

    def new_code(self, code: AuthorizationCode) -> str:
        key = secrets.token_hex(16)
        self._codes[key] = code
        return key

    def redeem_code(self, client: OidcClient, key: str, redirect_uri: str, verifier: str) -> Grant:
        """Exchange an authorization code, once."""
        if not client.may_redirect(redirect_uri):
            raise GrantRefused("invalid_client")
        code = self._codes.get(key)
        if code is None or code.client_id != client.client_id or code.expires <= self._clock.now():
            raise GrantRefused("invalid_grant")
        if code.redirect_uri != redirect_uri or not code.accepts(verifier):
            raise GrantRefused("invalid_grant")
        del self._codes[key]
        return code.grant

    # -- device codes

    def start_device(self, client: OidcClient, scopes: Sequence[str]) -> DeviceCode:
        made = DeviceCode(
            device_code=secrets.token_urlsafe(96),
            user_code=f"{secrets.randbelow(10**9 - 1) + 1:09}",
            client=client,
            scopes=list(scopes),
            expires=self._clock.now() + timedelta(seconds=self.device_seconds(client)),
        )
        self._devices[made.device_code] = made
        return made

    def device_seconds(self, client: OidcClient) -> float:
        return client.code_lifetime if self.device_lifetime is None else self.device_lifetime

    def find_device(self, user_code: str) -> DeviceCode | None:
        waiting = (code for code in self._devices.values() if code.expires > self._clock.now())
        return next((code for code in waiting if code.user_code == user_code), None)

    def decide_device(self, user_code: str, username: str, *, approve: bool = True) -> None:
        """Approve a device as a signed-in person does on the verification page. Only other products let them deny.

        Raises ValueError for an unknown code or user, and for a user without access to the application.
        """
        code, user = self.find_device(user_code), self._directory.users_by_name.get(username)
        if code is None:
            raise ValueError("no device waits with this code")
        if user is None:
            raise ValueError(f"there is no user {username!r}")
        if approve and not self._sessions.may_use(user, code.client):
            raise ValueError(f"{username!r} is denied access")
        if approve:
            self._sessions.sign_in(user)
        code.user, code.denied = (user, False) if approve else (None, True)

    def redeem_device(self, client: OidcClient, device_code: str) -> Grant:
        """Exchange a device code that a person has approved, once."""
        code = self._devices.get(device_code)
        if code is None or code.client.client_id != client.client_id:
            raise GrantRefused("invalid_grant")
        if code.expires <= self._clock.now():
            raise GrantRefused("invalid_grant")
        if code.denied:
            raise GrantRefused("access_denied")
        if code.user is None:
            raise GrantRefused("authorization_pending")
        del self._devices[device_code]
        return Grant(code.user, tuple(code.scopes))

    # -- refresh tokens

    def new_refresh_token(self, client: OidcClient, grant: Grant) -> str:
        """Return an opaque token of 128 characters, as in Authentik."""
        token = secrets.token_hex(64)
        expires = self._clock.now() + timedelta(seconds=client.refresh_lifetime)
        self._refresh[token] = RefreshToken(client.client_id, replace(grant, nonce=None), expires)
        return token

    def redeem_refresh_token(self, client: OidcClient, token: str, scopes: Sequence[str]) -> Grant:
        """Exchange a refresh token, once. Applications' bindings are not checked again, and scopes cannot grow."""
        held = self._held(client, token)
        if held is None or held.expires <= self._clock.now() or not held.grant.user.is_active:
            raise GrantRefused("invalid_grant")
        wanted = set(scopes) or set(held.grant.scopes)
        if not wanted <= set(held.grant.scopes) or OFFLINE not in wanted:
            raise GrantRefused("invalid_scope")
        del self._refresh[token]
        return held.grant

    def revoke_refresh_token(self, client: OidcClient, token: str) -> None:
        """Forget a token; ignore an unknown one or another client's (RFC 7009)."""
        if self._held(client, token) is not None:
            del self._refresh[token]

    def _held(self, client: OidcClient, token: str) -> RefreshToken | None:
        held = self._refresh.get(token)
        return held if held is not None and held.client_id == client.client_id else None

    def _end(self, user: User) -> None:
        pk = user.pk
        self._refresh = {token: held for token, held in self._refresh.items() if held.grant.user.pk != pk}
        self._devices = {name: code for name, code in self._devices.items() if code.user is None or code.user.pk != pk}
        self._codes = {key: code for key, code in self._codes.items() if code.grant.user.pk != pk}
