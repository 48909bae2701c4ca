"""Issue the tokens of Authentik's providers, and store them while they are valid."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc.jwk import Key

from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc.claims import claims_about, subject
from sandbox.simulators.authentik.oidc.clients import OidcClient
from sandbox.simulators.authentik.oidc.keys import KeyPairs, Signer
from sandbox.simulators.authentik.oidc.sessions import Session
from sandbox.simulators.authentik.records import User
from sandbox.simulators.clock import Clock

#: claims of access tokens only: without them the same claims are an id_token
ACCESS_ONLY = ("azp", "uid", "scope")
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_LIFETIME = 120


@dataclass(frozen=True)
class Issued:
    """A stored access token."""

    client_id: str
    user: int
    expires: datetime
    session: str | None


class Claims:
    """Tokens of all clients, by client id.

    The times in a token are real, because its verifiers use the real clock; userinfo and introspection use the
    simulator's clock.
    """

    def __init__(self, directory: Directory, clock: Clock, clients: Sequence[OidcClient]) -> None:
        self._directory = directory
        self._clock = clock
        self._configured = tuple(clients)
        self._clients: dict[str, OidcClient] = {client.client_id: client for client in clients}
        self._issued: dict[str, Issued] = {}
        self.key_pairs = KeyPairs()
        self._signer = Signer(self.key_pairs)

    def clear(self) -> None:
        """Delete all access tokens and all added clients."""
        self._issued.clear()
        self.key_pairs.clear()
        self._clients.clear()
        self._clients.update({client.client_id: client for client in self._configured})

    def client_of(self, slug: str) -> OidcClient | None:
        return next((one for one in self._clients.values() if slug and one.slug == slug), None)

    def set_client(self, client: OidcClient) -> None:
        self._clients[client.client_id] = client

    def remove_client(self, client_id: str) -> None:
        self._clients.pop(client_id, None)

    def key_of(self, slug: str) -> Key:
        """Return the signing key of an application. Raises LookupError when it has none."""
        client = self.client_of(slug)
        key = self._signer.key(client) if client is not None else None
        if key is None:
            raise LookupError(slug)
        return key

    def rotate_key(self, slug: str) -> str:
        """Replace the signing key; the old one leaves the key set at once."""
        client = self.client_of(slug)
        if client is None or client.signing_key is None:
            raise ValueError(f"the application {slug!r} has no signing key")
        return str(self.key_pairs.replace(client.signing_key or f"of {slug}").kid)

    def tokens(
        self,
        client: OidcClient,
        user: User,
        scopes: Sequence[str],
        issuer: str,
        *,
        session: Session | None = None,
        nonce: str | None = None,
    ) -> dict[str, Any]:
        """Return a token response. The id_token is the access token without azp, uid and scope."""
        claims = self.claims(client, user, scopes, issuer, session=session)
        if nonce is not None:
            claims["nonce"] = nonce
        identity = {name: value for name, value in claims.items() if name not in ACCESS_ONLY}
        return {
            "access_token": self._signer.sign(client, claims),
            "id_token": self._signer.sign(client, identity),
            "token_type": "Bearer",
            "expires_in": round(client.access_lifetime),
            "scope": " ".join(scopes),
        }

    def claims(
        self, client: OidcClient, user: User, scopes: Sequence[str], issuer: str, *, session: Session | None = None
    ) -> dict[str, Any]:
        """Return the claims of a new access token. Only a browser's session adds `sid` and `amr`."""
        now, token_id = int(time.time()), secrets.token_hex(16)
        lifetime = timedelta(seconds=client.access_lifetime)
        key = session.key if session is not None else None
        self._issued[token_id] = Issued(client.client_id, user.pk, self._clock.now() + lifetime, key)
        return {
            "iss": issuer,
            "sub": subject(client, user),
            "aud": client.client_id,
            "exp": now + round(client.access_lifetime),
            "iat": now,
            "auth_time": self._signed_in(session, now),
            "acr": "goauthentik.io/providers/oauth2/default",
            "jti": token_id,
            "azp": client.client_id,
            "uid": secrets.token_hex(20),
            "scope": " ".join(scopes),
            **({"sid": session.sid, "amr": ["pwd"]} if session is not None else {}),
            **(self.about(client, user, scopes) if client.include_claims_in_id_token else {}),
        }

    def logout_token(self, client: OidcClient, user: User, issuer: str, session: Session) -> str:
        """Return the token of a back-channel logout request."""
        now = int(time.time())
        claims = {
            "iss": issuer,
            "sub": subject(client, user),
            "aud": client.client_id,
            "iat": now,
            "exp": now + LOGOUT_LIFETIME,
            "jti": secrets.token_hex(16),
            "events": {LOGOUT_EVENT: {}},
            "sid": session.sid,
        }
        return self._signer.sign(client, claims, {"typ": "logout+jwt"})

    def about(self, client: OidcClient, user: User, scopes: Sequence[str]) -> dict[str, Any]:
        """Return the current claims about a user for these scopes."""
        return claims_about(client, user, [group.name for group in self._directory.groups_of(user)], scopes)

    def sign(self, slug: str, claims: Mapping[str, Any], headers: Mapping[str, Any] | None = None) -> str:
        """Sign any claims with an application's key."""
        client = self.client_of(slug)
        if client is None:
            raise LookupError(slug)
        return self._signer.sign(client, claims, headers)

    def verified(self, client: OidcClient, token: str) -> dict[str, Any] | None:
        """Return the claims of a token of this client, expired or not; otherwise None."""
        return self._signer.verified(client, token)

    def read(self, token: str) -> tuple[OidcClient, User, dict[str, Any]] | None:
        """Return client, user and claims of a valid access token of an active user; otherwise None."""
        for client in list(self._clients.values()):
            claims = self._signer.verified(client, token)
            issued = self._issued.get(str((claims or {}).get("jti")))
            user = self._directory.users.get(issued.user) if issued is not None else None
            if claims is None or issued is None or user is None:
                continue
            is_valid = issued.expires > self._clock.now() and claims["exp"] > time.time()
            return (client, user, claims) if is_valid and user.is_active else None
        return None

    def revoke_access_token(self, client: OidcClient, token: str) -> None:
        claims = self.verified(client, token) or {}
        if claims.get("aud") == client.client_id:
            self._issued.pop(str(claims.get("jti")), None)

    def end_session(self, session: Session, client_id: str | None = None) -> None:
        """Delete the access tokens of a session, or only those of one application."""
        for token_id, issued in list(self._issued.items()):
            if issued.session == session.key and client_id in (None, issued.client_id):
                del self._issued[token_id]

    def _signed_in(self, session: Session | None, now: int) -> int:
        if session is None or session.signed_in is None:
            return now
        return now - max(0, round((self._clock.now() - session.signed_in).total_seconds()))
