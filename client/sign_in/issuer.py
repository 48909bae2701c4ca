"""The OpenID Connect issuer: endpoints from discovery, and grants with Authlib's OAuth2Session. Stores no tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from client.errors import TEMPORARY, PlatformError, SignInRefused, Unreachable
from client.transport import CONNECT_SECONDS, DEFAULT_RETRIES, RETRYABLE_AT_ISSUER, configure, unreachable

if TYPE_CHECKING:
    from authlib.integrations.requests_client import OAuth2Session

TIMEOUT = (CONNECT_SECONDS, 30.0)
#: lifetime of a token in seconds, if the issuer does not name one
DEFAULT_LIFETIME = 300.0
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
#: error codes of OAuth (RFC 6749 section 4.1.2.1) and of rate limiters that a later request may not meet
TEMPORARY_ERRORS = frozenset({"temporarily_unavailable", "server_error", "too_many_requests"})
#: error codes of a poll that goes on (RFC 8628 section 3.5)
POLL_ERRORS = frozenset({"authorization_pending", "slow_down"})
#: after discovery this is no sign of a wrong URL: Authentik's pages for its own faults are not JSON either
UNREADABLE = "sent a response that is not JSON; try again later."


class WrongIssuer(PlatformError):
    """The URL is not an issuer's, or the issuer lacks what is needed."""


@dataclass(frozen=True)
class Granted:
    """A successful response of the token endpoint. `lifetime`: that of the token in seconds."""

    lifetime: float
    scope: str
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)


@dataclass(frozen=True)
class OAuthClient:
    """This program's application at the issuer; without a secret, a public client."""

    id: str
    secret: str | None = field(default=None, repr=False)


class Issuer:
    """An issuer whose endpoints are discovered when it is created.

    Raises Unreachable, or WrongIssuer for a discovery document of another issuer.
    """

    def __init__(
        self, url: str, client: OAuthClient, *, ca_certs: Path | None = None, retries: int = DEFAULT_RETRIES
    ) -> None:
        self._url = url
        self._client = client
        self._session = _oauth_session(client, ca_certs, retries)
        where = f"{url.rstrip('/')}/.well-known/openid-configuration"
        found = _object(self._request("GET", where))
        if found is None:
            raise WrongIssuer(f"{where} sent a response that is not a JSON object; is this the issuer's URL?")
        self._endpoints = found
        named = str(self._endpoints.get("issuer", ""))
        # OpenID Connect Discovery section 4.3 requires equality; people often omit the trailing slash
        if named.rstrip("/") != url.rstrip("/"):
            raise WrongIssuer(f"{where} is the document of another issuer: {named or 'it names none'}.")

    @property
    def has_secret(self) -> bool:
        return self._client.secret is not None

    def authorize_device(self, scope: str) -> dict[str, Any]:
        """Request a device code (RFC 8628 section 3.2). Raises SignInRefused."""
        url = self._endpoint("device_authorization_endpoint")
        form = {"client_id": self._client.id, "scope": scope}
        if self._client.secret:
            form["client_secret"] = self._client.secret
        found = _object(self._request("POST", url, data=form))
        if found is None:
            raise Unreachable(f"{url} {UNREADABLE}")
        return found

    def redeem_device(self, device_code: str) -> Granted:
        """Request the tokens of a device code. Raises SignInRefused while it is not approved."""
        return self._grant(DEVICE_GRANT, device_code=device_code)

    def client_credentials(self, scope: str) -> Granted:
        """Sign the application itself in. Raises SignInRefused."""
        return self._grant("client_credentials", scope=scope)

    def refresh(self, refresh_token: str) -> Granted:
        """Renew the tokens. Raises SignInRefused when the refresh token is no longer accepted."""
        return self._grant("refresh_token", refresh_token=refresh_token)

    def revoke(self, refresh_token: str) -> None:
        """Revoke a refresh token (RFC 7009), if the issuer supports it."""
        if "revocation_endpoint" not in self._endpoints:
            return
        url = self._endpoint("revocation_endpoint")
        with _Faults(url):
            _success(
                self._session.revoke_token(
                    url,
                    refresh_token,
                    token_type_hint="refresh_token",  # noqa: S106
                    timeout=TIMEOUT,
                    allow_redirects=False,
                )
            )

    def _grant(self, grant_type: str, **form: str) -> Granted:
        url = self._endpoint("token_endpoint")
        with _Faults(url):
            token = self._session.fetch_token(
                url, grant_type=grant_type, timeout=TIMEOUT, allow_redirects=False, **form
            )
        if not isinstance(token.get("access_token"), str):
            raise Unreachable("The issuer's response holds no access token.")
        lifetime = token.get("expires_in")
        return Granted(
            lifetime=float(lifetime) if isinstance(lifetime, int | float) else DEFAULT_LIFETIME,
            scope=str(token.get("scope") or form.get("scope", "")),
            access_token=token["access_token"],
            refresh_token=token.get("refresh_token"),
        )

    def _endpoint(self, name: str) -> str:
        url = str(self._endpoints.get(name, ""))
        if not url:
            raise WrongIssuer(f"The issuer {self._url} has no {name}.")
        if urlsplit(self._url).scheme == "https" and urlsplit(url).scheme != "https":
            raise WrongIssuer(f"The issuer's {name} is not encrypted: {url}")
        return url

    def _request(self, method: str, url: str, **options: Any) -> requests.Response:
        with _Faults(url):
            return _success(
                self._session.request(
                    method, url, withhold_token=True, timeout=TIMEOUT, allow_redirects=False, **options
                )
            )


class _Faults:
    """Convert exceptions of Authlib and requests to ours."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        from authlib.integrations.base_client import OAuthError

        if isinstance(fault, OAuthError):
            raise _refusal(str(fault.error), str(fault.description or "")) from None
        if isinstance(fault, requests.HTTPError):
            raise _foreign_fault(fault.response) from None
        if isinstance(fault, requests.RequestException) and not isinstance(fault, requests.JSONDecodeError):
            raise unreachable(self._url, fault) from None
        if isinstance(fault, ValueError):
            raise Unreachable(f"{self._url} {UNREADABLE}") from None


def _oauth_session(client: OAuthClient, ca_certs: Path | None, retries: int) -> OAuth2Session:
    # Authlib takes a tenth of a second to import, which only signing in needs
    from authlib.integrations.requests_client import OAuth2Session

    method = "client_secret_post" if client.secret else "none"
    session = OAuth2Session(
        client.id,
        client.secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        update_token=None,
    )
    session.register_compliance_hook("access_token_response", _success)
    configure(session, ca_certs, retries=retries, methods=RETRYABLE_AT_ISSUER, user_agent="dezky-platform-client")
    session.headers["Accept"] = "application/json"
    return session


def _success(response: requests.Response) -> requests.Response:
    """Return the response if its status is 200, else raise the matching exception."""
    if response.status_code == 200:
        return response
    body = _object(response) or {}
    code = body.get("error")
    is_temporary = response.status_code >= 500 or response.status_code in TEMPORARY
    if isinstance(code, str) and (code in POLL_ERRORS or not is_temporary):
        raise _refusal(code, str(body.get("error_description") or ""))
    raise _foreign_fault(response)


def _refusal(code: str, description: str) -> PlatformError:
    """Return the exception for an OAuth error code: a temporary one says nothing about the sign-in."""
    if code in TEMPORARY_ERRORS:
        return Unreachable(f"The issuer is busy ({code}); try again later.")
    return SignInRefused(f"The issuer refused: {code}.", *([description] if description else []), code=code)


def _foreign_fault(response: requests.Response | None) -> PlatformError:
    if response is None:
        return Unreachable("The issuer gave no response.")
    place = f"{response.url.partition('?')[0]} answered HTTP {response.status_code}"
    # Authentik's error pages support GET only: other methods get an empty 405 after a fault of its own
    is_masked = response.status_code == 405 and not response.content
    if response.status_code >= 500 or response.status_code in TEMPORARY or is_masked:
        return Unreachable(f"{place}; try again later.")
    return WrongIssuer(f"{place}; is this the issuer's URL?")


def _object(response: requests.Response) -> dict[str, Any] | None:
    """Return the JSON object of a response; None for anything else."""
    try:
        body = response.json()
    except requests.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None
