"""Who is signed in to what at Authentik: browser sessions as an operator makes them, refresh tokens, their end."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from sandbox.stand_ins.authentik.access import Access
from sandbox.stand_ins.authentik.directory import Directory
from sandbox.stand_ins.authentik.oidc_claims import Claims, OidcClient
from sandbox.stand_ins.authentik.records import User

OFFLINE = "offline_access"


@dataclass(frozen=True)
class Grant:
    """What a refresh token stands for."""

    client: OidcClient
    user: User
    scopes: tuple[str, ...]


class Sessions:
    """The end of a user's sessions is the end of their refresh tokens; access tokens live on until they expire."""

    def __init__(self, directory: Directory, access: Access, claims: Claims) -> None:
        self._access = access
        self._claims = claims
        self.signed_in: dict[int, int] = {}
        self._refresh: dict[str, Grant] = {}
        directory.on_sign_out.append(self._end)

    def clear(self) -> None:
        self.signed_in.clear()
        self._refresh.clear()

    def may_use(self, user: User, client: OidcClient) -> bool:
        """An inactive user may nothing; everybody else what the application's bindings say."""
        application = self._access.applications.get(client.slug)
        return user.is_active and application is not None and self._access.passes(user, application)

    def sign_in(self, client: OidcClient, user: User, scopes: list[str], issuer: str) -> dict[str, Any] | None:
        """A browser sign-in that went well, as the application sees its end; None when access is denied."""
        if not self.may_use(user, client):
            return None
        self.signed_in[user.pk] = self.signed_in.get(user.pk, 0) + 1
        return self._issued(Grant(client, user, tuple(scopes)), issuer)

    def refresh(self, client: OidcClient, token: str, issuer: str) -> dict[str, Any] | None:
        """New tokens for a refresh token, which is good for one use."""
        grant = self._refresh.pop(token, None)
        if grant is None or grant.client != client or not grant.user.is_active:
            return None
        return self._issued(grant, issuer)

    def _issued(self, grant: Grant, issuer: str) -> dict[str, Any]:
        answer = self._claims.tokens(grant.client, grant.user, list(grant.scopes), issuer)
        if OFFLINE in grant.scopes:
            answer["refresh_token"] = secrets.token_hex(64)
            self._refresh[answer["refresh_token"]] = grant
        return answer

    def _end(self, user: User) -> None:
        self.signed_in.pop(user.pk, None)
        self._refresh = {token: grant for token, grant in self._refresh.items() if grant.user is not user}
