"""The OpenID Connect issuer: its endpoints by discovery, and the grants this program uses. Keeps nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from platformctl.failures import CommandFailure, NotSignedIn, Refused, Unreachable
from platformctl.transport import CONNECT_SECONDS, unreachable

TIMEOUT = (CONNECT_SECONDS, 30.0)
#: an issuer that does not say how long its tokens live
DEFAULT_LIFE = 300
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class OAuthRefusal(NotSignedIn):
    """The issuer said no; `code` is the standard's word for it (RFC 6749 5.2, RFC 8628 3.5)."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"The issuer refused: {code}.", *([description] if description else []))
        self.code = code


@dataclass(frozen=True)
class Granted:
    """A token endpoint's success. `life`: seconds from now."""

    life: float
    scope: str
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)


@dataclass(frozen=True)
class Client:
    """Who we are at the issuer; without a secret, a public client."""

    id: str
    secret: str | None = field(default=None, repr=False)

    def form(self) -> dict[str, str]:
        return {"client_id": self.id, **({"client_secret": self.secret} if self.secret else {})}


class Issuer:
    """Found by discovery when made. Raises Unreachable, or Refused for a document that is not this issuer's."""

    def __init__(self, url: str, http: requests.Session) -> None:
        self._url = url
        self._http = http
        where = f"{url.rstrip('/')}/.well-known/openid-configuration"
        self._endpoints = self._asked("GET", where)
        named = str(self._endpoints.get("issuer", ""))
        # OpenID Connect Discovery 4.3: the same to the letter; a slash at the end is often left out by people
        if named.rstrip("/") != url.rstrip("/"):
            raise Refused(f"{where} is the document of another issuer, {named or 'which it does not name'}.")

    @property
    def signs_devices_in(self) -> bool:
        return "device_authorization_endpoint" in self._endpoints

    def ask_for_device(self, client: Client, scope: str) -> dict[str, Any]:
        """RFC 8628 3.2: device_code, user_code, verification_uri, expires_in and, perhaps, interval."""
        return self._posted("device_authorization_endpoint", {**client.form(), "scope": scope})

    def grant(self, client: Client, grant_type: str, **form: str) -> Granted:
        """Raises OAuthRefusal."""
        answer = self._posted("token_endpoint", {**client.form(), "grant_type": grant_type, **form})
        if not isinstance(answer.get("access_token"), str):
            raise Unreachable("The issuer's answer holds no token.")
        life = answer.get("expires_in")
        return Granted(
            life=float(life) if isinstance(life, int | float) else DEFAULT_LIFE,
            scope=str(answer.get("scope") or form.get("scope", "")),
            access_token=answer["access_token"],
            refresh_token=answer.get("refresh_token"),
        )

    def revoke(self, client: Client, token: str) -> None:
        """RFC 7009; nothing where the issuer cannot."""
        if "revocation_endpoint" in self._endpoints:
            self._posted("revocation_endpoint", {**client.form(), "token": token, "token_type_hint": "refresh_token"})

    def _posted(self, endpoint: str, form: dict[str, str]) -> dict[str, Any]:
        url = str(self._endpoints.get(endpoint, ""))
        if not url:
            raise Refused(f"The issuer {self._url} has no {endpoint}.")
        if urlsplit(self._url).scheme == "https" and urlsplit(url).scheme != "https":
            raise Refused(f"The issuer's {endpoint} is not encrypted: {url}")
        return self._asked("POST", url, data=form)

    def _asked(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        try:
            answer = self._http.request(
                method, url, headers=headers, auth=_as_it_is, timeout=TIMEOUT, allow_redirects=False, **options
            )
        except requests.RequestException as problem:
            raise unreachable(url, problem) from None
        body = _object(answer)
        if answer.status_code != 200:
            raise _refusal(answer, body)
        if body is None:
            raise Unreachable(f"{url} answered something that is not JSON; is --issuer right?")
        return body


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials from a .netrc."""
    return request


def _object(answer: requests.Response) -> dict[str, Any] | None:
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return {} if answer.status_code == 200 and not answer.content else None
    return body if isinstance(body, dict) else None


def _refusal(answer: requests.Response, body: dict[str, Any] | None) -> CommandFailure:
    if body and isinstance(body.get("error"), str):
        return OAuthRefusal(body["error"], str(body.get("error_description") or ""))
    kind = Unreachable if answer.status_code >= 500 else Refused
    return kind(f"{answer.url.partition('?')[0]} answered HTTP {answer.status_code}; is --issuer right?")
