"""The grants Authentik remembers: device codes (RFC 8628), and refresh tokens, each good for one use. No HTTP."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.stand_ins.authentik.directory import Directory, User

DEVICE_LIFE = 60
REFRESH_LIFE = 30 * 86400
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
    client_id: str
    scopes: list[str]
    expires_at: float
    user: User | None = None
    denied: bool = False


@dataclass(frozen=True)
class RefreshToken:
    client_id: str
    user: User
    scopes: list[str]
    expires_at: float


class Grants:
    """All of them, in memory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._devices: dict[str, DeviceCode] = {}
        self._refresh: dict[str, RefreshToken] = {}
        self.device_life: float = DEVICE_LIFE

    def clear(self) -> None:
        self._devices.clear()
        self._refresh.clear()

    # -- device codes

    def start_device(self, client_id: str, scopes: Sequence[str]) -> DeviceCode:
        made = DeviceCode(
            device_code=secrets.token_urlsafe(96),
            user_code=f"{secrets.randbelow(10**9 - 1) + 1:09}",
            client_id=client_id,
            scopes=list(scopes),
            expires_at=time.time() + self.device_life,
        )
        self._devices[made.device_code] = made
        return made

    def find_device(self, user_code: str) -> DeviceCode | None:
        waiting = (code for code in self._devices.values() if code.expires_at > time.time())
        return next((code for code in waiting if code.user_code == user_code), None)

    def decide_device(self, user_code: str, username: str, *, approve: bool = True) -> None:
        """What a person does on the verification page. Raises ValueError for an unknown code or user."""
        code, user = self.find_device(user_code), self._directory.users_by_name.get(username)
        if code is None:
            raise ValueError("no device waits with this code")
        if user is None:
            raise ValueError(f"there is no user {username!r}")
        code.user, code.denied = (user, False) if approve else (None, True)

    def redeem_device(self, client_id: str, device_code: str) -> tuple[User, list[str]]:
        """Whose token, with which scopes; the code is then spent."""
        code = self._devices.get(device_code)
        if code is None or code.client_id != client_id:
            raise GrantRefused("invalid_grant")
        if code.expires_at <= time.time():
            raise GrantRefused("expired_token")
        if code.denied:
            raise GrantRefused("access_denied")
        if code.user is None:
            raise GrantRefused("authorization_pending")
        del self._devices[device_code]
        return code.user, code.scopes

    # -- refresh tokens

    def new_refresh_token(self, client_id: str, user: User, scopes: Sequence[str]) -> str:
        """128 characters that say nothing, as the real one's."""
        token = secrets.token_hex(64)
        self._refresh[token] = RefreshToken(client_id, user, list(scopes), time.time() + REFRESH_LIFE)
        return token

    def redeem_refresh_token(self, client_id: str, token: str, scopes: Sequence[str]) -> tuple[User, list[str]]:
        """Spends the token; a second use is refused. Scopes may be left out, never widened."""
        held = self._refresh.get(token)
        if held is None or held.client_id != client_id or held.expires_at <= time.time() or not held.user.is_active:
            raise GrantRefused("invalid_grant")
        wanted = set(scopes) or set(held.scopes)
        if not wanted <= set(held.scopes) or OFFLINE not in wanted:
            raise GrantRefused("invalid_scope")
        del self._refresh[token]
        return held.user, held.scopes

    def revoke_refresh_token(self, client_id: str, token: str) -> None:
        """Unknown ones and other clients' are passed over in silence (RFC 7009)."""
        held = self._refresh.get(token)
        if held is not None and held.client_id == client_id:
            del self._refresh[token]
