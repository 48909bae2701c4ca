"""Define an OAuth client: an Authentik application together with its provider."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS = "authorization_code", "refresh_token", "client_credentials"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
GRANT_TYPES = (AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, DEVICE_CODE)


@dataclass(frozen=True)
class RedirectUri:
    """A registered redirect URI, with the field names of Authentik's API."""

    url: str
    matching_mode: Literal["strict", "regex"] = "strict"
    redirect_uri_type: Literal["authorization", "logout"] = "authorization"

    def matches(self, given: str) -> bool:
        return given == self.url if self.matching_mode == "strict" else re.fullmatch(self.url, given) is not None


@dataclass(frozen=True)
class ScopeMapping:
    """Claims that come with a scope. `expression` is empty for the mappings that Authentik ships."""

    pk: str
    name: str
    scope_name: str
    managed: str | None = None
    expression: str = ""


@dataclass(frozen=True)
class OidcClient:
    """An application and its provider. The issuer contains `slug`; the audience is the client id.

    A client without a secret is public. `ends_session`: the provider's invalidation flow ends the session in Authentik
    (`default-invalidation-flow`) instead of only leaving the application. `asks_consent`: the authorization flow always
    asks. Lifetimes are in seconds; `code_lifetime` is that of authorization codes and device codes.

    `signing_key` is the id of a key pair, empty for one that is made for the application, None for HS256.
    `mappings` None: all that Authentik ships.
    """

    slug: str
    client_id: str
    client_secret: str
    redirect_uris: tuple[RedirectUri, ...] = ()
    logout_uri: str = ""
    ends_session: bool = False
    grant_types: tuple[str, ...] = GRANT_TYPES
    include_claims_in_id_token: bool = True
    code_lifetime: float = 60
    access_lifetime: float = 3600
    refresh_lifetime: float = 30 * 86400
    asks_consent: bool = False
    signing_key: str | None = ""
    encryption_key: str | None = None
    issuer_mode: Literal["per_provider", "global"] = "per_provider"
    sub_mode: str = "hashed_user_id"
    mappings: tuple[ScopeMapping, ...] | None = None

    def accepts_secret(self, secret: str) -> bool:
        """Compare a secret with the client's. A public client accepts any."""
        return not self.client_secret or secrets.compare_digest(self.client_secret.encode(), secret.encode())

    def authenticates(self, form: Mapping[str, str]) -> bool:
        """Return whether a form proves that the client itself sent it, which a public client cannot do."""
        return bool(self.client_secret) and self.accepts_secret(form.get("client_secret", ""))

    def issuer(self, origin: str) -> str:
        return f"{origin}/" if self.issuer_mode == "global" else f"{origin}/application/o/{self.slug}/"

    def allowed(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """Return the scopes that the provider has a mapping for; unknown ones are dropped silently."""
        known = None if self.mappings is None else {one.scope_name for one in self.mappings}
        return tuple(scope for scope in dict.fromkeys(scopes) if known is None or scope in known)

    def may_redirect(self, url: str, kind: str = "authorization") -> bool:
        """Return whether a redirect URI of this kind is registered."""
        return any(one.redirect_uri_type == kind and one.matches(url) for one in self.redirect_uris)
