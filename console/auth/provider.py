"""The identity provider: code flow with PKCE by Authlib, renewal, revocation, end of session."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import structlog
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.flask_client import FlaskOAuth2App, OAuth
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask, Response, request, session
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from client.transport import RETRYABLE_AT_ISSUER, configure
from console.auth.sign_ins import PendingSignIns, Tokens
from console.settings import ConsoleSettings

log = structlog.get_logger(__name__)

SCOPE = "openid email profile offline_access"
CONNECT_SECONDS = 3
#: seconds to connect, and to wait for a response
TIMEOUT = (CONNECT_SECONDS, 10)
#: the same for a renewal
RENEWAL_TIMEOUT = (CONNECT_SECONDS, 20)
#: algorithms with a public key only, so that a verifier cannot sign
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_SECONDS = 300


class ProviderUnreachable(Exception):
    """The identity provider sends no readable response."""


class SignInRefused(Exception):
    """The identity provider or the API refuses the sign-in; message and advice are sentences for people."""

    def __init__(self, message: str, advice: str = "Nothing was changed. Start again.") -> None:
        super().__init__(message)
        self.advice = advice


class Provider:
    """The identity provider, at which the console is a confidential client."""

    def __init__(self, app: Flask, settings: ConsoleSettings, pending: PendingSignIns) -> None:
        self._settings = settings
        client_class = _session_class(settings.ca_certs)
        app_class = type("ConsoleApp", (FlaskOAuth2App,), {"client_cls": client_class, "OAUTH_APP_CONFIG": None})
        oauth = OAuth(app, cache=pending)
        self._client: Any = oauth.register(
            "provider",
            client_cls=app_class,
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
            server_metadata_url=f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={"scope": SCOPE, "code_challenge_method": "S256", "default_timeout": TIMEOUT},
        )

    def sign_in_redirect(self) -> Response:
        """Send the browser to the provider's sign-in. Raises ProviderUnreachable."""
        with _translated_errors():
            response: Response = self._client.authorize_redirect(f"{self._settings.url}/auth/callback")
            return response

    def tokens_of_callback(self) -> tuple[Tokens, str | None]:
        """Redeem this request's code for tokens and the provider's session id. Raises SignInRefused as well."""
        # otherwise a link could show its author's text as the provider's refusal
        if self._client.framework.get_state_data(session, request.args.get("state")) is None:
            raise SignInRefused("No sign-in was started here, or it took longer than an hour, or it has ended already.")
        with _translated_errors():
            given = self._client.authorize_access_token(
                claims_options={
                    "iss": {"essential": True, "values": [self._settings.issuer]},
                    "aud": {"essential": True, "values": [self._settings.client_id]},
                }
            )
        if "userinfo" not in given:
            raise SignInRefused("The identity provider sent no identity token.")
        return _tokens(given, None), given["userinfo"].get("sid")

    def renew(self, tokens: Tokens) -> Tokens:
        """Exchange the refresh token. Raises ProviderUnreachable, SignInRefused."""
        if tokens.refresh is None:
            raise SignInRefused("The identity provider gave no refresh token.")
        with _translated_errors(), self._session() as http:
            # the longest time, because a lost response ends the sign-in: the old refresh token is no longer valid
            given = http.refresh_token(
                self._endpoint("token_endpoint"), refresh_token=tokens.refresh, timeout=RENEWAL_TIMEOUT
            )
        return _tokens(given, tokens)

    def revoke(self, tokens: Tokens) -> None:
        """Revoke the tokens if the provider can be reached: they outlive its session."""
        try:
            with _translated_errors(), self._session() as http:
                endpoint = self._endpoint("revocation_endpoint")
                for kind, token in (("refresh_token", tokens.refresh), ("access_token", tokens.access)):
                    if token is not None:
                        http.revoke_token(endpoint, token=token, token_type_hint=kind).raise_for_status()
        except (ProviderUnreachable, SignInRefused):
            log.warning("sign_out.not_revoked")

    def end_session_url(self, tokens: Tokens) -> str:
        """Return the URL that ends the person's session at the provider. Raises ProviderUnreachable."""
        with _translated_errors():
            made = self._client.create_logout_url(f"{self._settings.url}/", tokens.identity)
            return str(made["url"])

    def logout_claims(self, logout_token: str) -> dict[str, Any] | None:
        """Verify a logout token (OpenID Connect Back-Channel Logout 2.6); return its claims, None if it is invalid."""
        # anybody may send one: the provider's keys are fetched only for what may be a token
        if not _is_signed(logout_token):
            return None
        with _translated_errors():
            for force in (False, True):
                claims = self._decode(logout_token, KeySet.import_key_set(self._client.fetch_jwk_set(force=force)))
                if claims is not None:
                    break
        return claims if claims is not None and self._is_logout(claims) else None

    def _decode(self, token: str, keys: KeySet) -> dict[str, Any] | None:
        try:
            decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            return None
        return dict(decoded.claims) if decoded.header.get("typ", "logout+jwt") in ("logout+jwt", "JWT") else None

    def _is_logout(self, claims: dict[str, Any]) -> bool:
        audience = claims.get("aud")
        issued = claims.get("iat")
        return (
            claims.get("iss") == self._settings.issuer
            and self._settings.client_id in (audience if isinstance(audience, list) else [audience])
            and isinstance(issued, int | float)
            and abs(time.time() - issued) < LOGOUT_SECONDS
            and isinstance(claims.get("events"), dict)
            and LOGOUT_EVENT in claims["events"]
            and "nonce" not in claims
            and isinstance(claims.get("jti"), str)
            and isinstance(claims.get("sid"), str)
        )

    def _session(self) -> OAuth2Session:
        made: OAuth2Session = self._client.client_cls(
            self._settings.client_id, self._settings.client_secret.get_secret_value(), default_timeout=TIMEOUT
        )
        return made

    def _endpoint(self, name: str) -> str:
        return str(self._client.load_server_metadata()[name])


def _session_class(ca_certs: Path | None) -> type[OAuth2Session]:
    """Return Authlib's session class, with the console's trusted certificates."""

    class Session(OAuth2Session):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            configure(self, ca_certs, retries=1, methods=RETRYABLE_AT_ISSUER)

    return Session


def _is_signed(token: str) -> bool:
    """Return whether a token has a readable header with an accepted algorithm; its signature is not verified."""
    try:
        return jws.extract_compact(token.encode()).headers().get("alg") in ALGORITHMS
    except (JoseError, ValueError):
        return False


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Raise SignInRefused for a refusal of the provider, ProviderUnreachable for an unreadable response."""
    try:
        yield
    except OAuthError as problem:
        log.info("provider.refused", error=problem.error)
        raise SignInRefused(problem.description or f"The identity provider refused: {problem.error}.") from None
    except (requests.RequestException, KeyError, RuntimeError) as problem:
        log.warning("provider.unreachable", kind=type(problem).__name__)
        raise ProviderUnreachable from None
    except (JoseError, ValueError) as problem:
        log.warning("provider.invalid_token", kind=type(problem).__name__)
        raise SignInRefused("The identity provider's response could not be verified.") from None


def _tokens(given: dict[str, Any], before: Tokens | None) -> Tokens:
    """Read a token response; a renewal may omit unchanged values."""
    return Tokens(
        access=str(given["access_token"]),
        expires_at=float(given.get("expires_at") or time.time() + float(given.get("expires_in", 60))),
        refresh=given.get("refresh_token") or (before.refresh if before else None),
        identity=given.get("id_token") or (before.identity if before else None),
    )
