"""The grants Authentik remembers: device codes (RFC 8628), and refresh tokens, each good for one use. No HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc_claims import OidcClient
from sandbox.simulators.authentik.records import User
from sandbox.simulators.authentik.sessions import Sessions
from sandbox.simulators.clock import Clock

DEVICE_LIFE = 60
REFRESH_LIFE = timedelta(days=30)
OFFLINE = "offline_access"


class GrantRefused(Exception):
    """A 400 of the token endpoint; `error` is its OAuth code."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass
class DeviceCode:
    """One request of a device; `user` is who approved it."""

    device_code: str
    user_code: str
    client: OidcClient
    scopes: list[str]
    expires: datetime
    user: User | None = None
    denied: bool = False


@dataclass(frozen=True)
class RefreshToken:
    """Who goes on with what, until when."""

    client_id: str
    user: User
    scopes: list[str]
    expires: datetime


class Grants:
    """All of them, in memory. The end of a user's sessions is the end of what they granted.

    `device_life`: seconds that a device's code is good for.
    """

    def __init__(self, directory: Directory, sessions: Sessions, clock: Clock) -> None:
        self._directory = directory
        self._sessions = sessions
        self._clock = clock
        self._devices: dict[str, DeviceCode] = {}
        self._refresh: dict[str, RefreshToken] = {}
        self.device_life: float = DEVICE_LIFE
        directory.on_sign_out.append(self._end)

    def clear(self) -> None:
        self._devices.clear()
        self._refresh.clear()

    # -- device codes

    def start_device(self, client: OidcClient, scopes: Sequence[str]) -> DeviceCode:
        made = DeviceCode(
            device_code=secrets.token_urlsafe(96),
            user_code=f"{secrets.randbelow(10**9 - 1) + 1:09}",
            client=client,
            scopes=list(scopes),
            expires=self._clock.now() + timedelta(seconds=self.device_life),
        )
        self._devices[made.device_code] = made
        return made

    def find_device(self, user_code: str) -> DeviceCode | None:
        waiting = (code for code in self._devices.values() if code.expires > self._clock.now())
        return next((code for code in waiting if code.user_code == user_code), None)

    def decide_device(self, user_code: str, username: str, *, approve: bool = True) -> None:
        """What a person does on the verification page, where they sign in first.

        Raises ValueError for an unknown code or user, and for one whom the application does not let in.
        """
        code, user = self.find_device(user_code), self._directory.users_by_name.get(username)
        if code is None:
            raise ValueError("no device waits with this code")
        if user is None:
            raise ValueError(f"there is no user {username!r}")
        if approve and not self._sessions.sign_in(user, code.client):
            raise ValueError(f"{username!r} is denied access")
        code.user, code.denied = (user, False) if approve else (None, True)

    def redeem_device(self, client: OidcClient, device_code: str) -> tuple[User, list[str]]:
        """Whose token, with which scopes; the code is then spent."""
        code = self._devices.get(device_code)
        if code is None or code.client.client_id != client.client_id:
            raise GrantRefused("invalid_grant")
        if code.expires <= self._clock.now():
            raise GrantRefused("expired_token")
        if code.denied:
            raise GrantRefused("access_denied")
        if code.user is None:
            raise GrantRefused("authorization_pending")
        del self._devices[device_code]
        return code.user, code.scopes

    # -- refresh tokens

    def new_refresh_token(self, client: OidcClient, user: User, scopes: Sequence[str]) -> str:
        """128 characters that say nothing, as the real one's."""
        token = secrets.token_hex(64)
        expires = self._clock.now() + REFRESH_LIFE
        self._refresh[token] = RefreshToken(client.client_id, user, list(scopes), expires)
        return token

    def redeem_refresh_token(self, client: OidcClient, token: str, scopes: Sequence[str]) -> tuple[User, list[str]]:
        """Spends the token; a second use is refused. Scopes may be left out, never widened."""
        held = self._held(client, token)
        if held is None or held.expires <= self._clock.now() or not held.user.is_active:
            raise GrantRefused("invalid_grant")
        wanted = set(scopes) or set(held.scopes)
        if not wanted <= set(held.scopes) or OFFLINE not in wanted:
            raise GrantRefused("invalid_scope")
        del self._refresh[token]
        return held.user, held.scopes

    def revoke_refresh_token(self, client: OidcClient, token: str) -> None:
        """Unknown ones and other clients' are passed over in silence (RFC 7009)."""
        if self._held(client, token) is not None:
            del self._refresh[token]

    def _held(self, client: OidcClient, token: str) -> RefreshToken | None:
        held = self._refresh.get(token)
        return held if held is not None and held.client_id == client.client_id else None

    def _end(self, user: User) -> None:
        self._refresh = {token: held for token, held in self._refresh.items() if held.user is not user}
        self._devices = {name: code for name, code in self._devices.items() if code.user is not user}
