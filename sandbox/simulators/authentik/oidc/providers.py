"""Keep the OAuth2 providers, scope mappings and flows that the API manages, and turn providers into clients."""

from __future__ import annotations

import itertools
import secrets
import uuid
from dataclasses import dataclass, field, fields
from typing import Any, cast

from sandbox.simulators.authentik.access import Access
from sandbox.simulators.authentik.invitations import seconds_of
from sandbox.simulators.authentik.oidc.claims import DEFAULT_MAPPINGS, SUBJECTS
from sandbox.simulators.authentik.oidc.clients import OidcClient, RedirectUri, ScopeMapping
from sandbox.simulators.authentik.oidc.tokens import Claims
from sandbox.simulators.authentik.records import Invalid, new_id
from sandbox.simulators.authentik.user_fields import REQUIRED

IMPLICIT, EXPLICIT = (f"default-provider-authorization-{kind}-consent" for kind in ("implicit", "explicit"))
LEAVE, SIGN_OUT = "default-provider-invalidation-flow", "default-invalidation-flow"
#: slug: pk, the same in each simulator
FLOWS = {
    slug: str(uuid.uuid5(uuid.NAMESPACE_URL, slug))
    for slug in ("default-authentication-flow", IMPLICIT, EXPLICIT, LEAVE, SIGN_OUT)
}
UNKNOWN = 'Invalid pk "{}" - object does not exist.'


@dataclass
class Provider:
    """A provider with the field names and defaults of Authentik's API. Without grant types it grants nothing."""

    pk: int
    name: str
    authorization_flow: str
    invalidation_flow: str
    redirect_uris: list[dict[str, str]]
    client_id: str = field(default_factory=lambda: secrets.token_hex(20))
    client_secret: str = field(default_factory=lambda: secrets.token_hex(64))
    client_type: str = "confidential"
    grant_types: list[str] = field(default_factory=list)
    property_mappings: list[str] = field(default_factory=list)
    signing_key: str | None = None
    encryption_key: str | None = None
    issuer_mode: str = "per_provider"
    sub_mode: str = "hashed_user_id"
    include_claims_in_id_token: bool = True
    access_code_validity: str = "minutes=1"
    access_token_validity: str = "hours=1"  # noqa: S105  a lifetime
    refresh_token_validity: str = "days=30"  # noqa: S105  a lifetime
    logout_method: str = "backchannel"
    logout_uri: str = ""


FIELDS = frozenset(one.name for one in fields(Provider)) - {"pk"}
MANDATORY = ("name", "authorization_flow", "invalidation_flow", "redirect_uris")


class Providers:
    """Providers by pk. Every change is visible to the endpoints at once. Methods may raise Invalid."""

    def __init__(self, access: Access, oidc: Claims) -> None:
        self._access = access
        self._oidc = oidc
        self._numbers = itertools.count(1000)
        self.by_pk: dict[int, Provider] = {}
        self.mappings: dict[str, ScopeMapping] = {}
        self.clear()
        access.on_change.append(self.apply)

    def clear(self) -> None:
        self.by_pk.clear()
        self.mappings.clear()
        self.mappings.update({one.pk: one for one in DEFAULT_MAPPINGS})

    def add(self, body: dict[str, Any]) -> Provider:
        for name in MANDATORY:
            if body.get(name) is None:
                raise Invalid(**{name: REQUIRED})
        provider = Provider(pk=next(self._numbers), **self._check(body))
        self.by_pk[provider.pk] = provider
        self._access.providers.add(provider.pk)
        self.apply()
        return provider

    def change(self, provider: Provider, body: dict[str, Any]) -> None:
        for name, value in self._check(body).items():
            setattr(provider, name, value)
        self.apply()

    def delete(self, provider: Provider) -> None:
        """Delete a provider; its application stays without one."""
        del self.by_pk[provider.pk]
        self._access.providers.discard(provider.pk)
        self._oidc.remove_client(provider.client_id)
        for application in self._access.applications.values():
            if application.provider == provider.pk:
                application.provider = None

    def add_mapping(self, body: dict[str, Any]) -> ScopeMapping:
        for name in ("name", "scope_name", "expression"):
            if not body.get(name):
                raise Invalid(**{name: REQUIRED})
        if any(one.name == body["name"] for one in self.mappings.values()):
            raise Invalid(name=["property mapping with this name already exists."])
        made = ScopeMapping(new_id(), body["name"], body["scope_name"], expression=body["expression"])
        self.mappings[made.pk] = made
        return made

    def apply(self) -> None:
        """Pass the current providers to all endpoints."""
        slugs = {one.provider: one.slug for one in self._access.applications.values()}
        for provider in self.by_pk.values():
            self._oidc.set_client(self._client(provider, slugs.get(provider.pk, "")))

    def _client(self, provider: Provider, slug: str) -> OidcClient:
        return OidcClient(
            slug=slug,
            client_id=provider.client_id,
            client_secret="" if provider.client_type == "public" else provider.client_secret,
            redirect_uris=tuple(RedirectUri(**cast(dict[str, Any], one)) for one in provider.redirect_uris),
            logout_uri=provider.logout_uri if provider.logout_method == "backchannel" else "",
            ends_session=provider.invalidation_flow == FLOWS[SIGN_OUT],
            grant_types=tuple(provider.grant_types),
            include_claims_in_id_token=provider.include_claims_in_id_token,
            code_lifetime=seconds_of(provider.access_code_validity),
            access_lifetime=seconds_of(provider.access_token_validity),
            refresh_lifetime=seconds_of(provider.refresh_token_validity),
            asks_consent=provider.authorization_flow == FLOWS[EXPLICIT],
            signing_key=provider.signing_key,
            encryption_key=provider.encryption_key,
            issuer_mode="global" if provider.issuer_mode == "global" else "per_provider",
            sub_mode=provider.sub_mode,
            mappings=tuple(self.mappings[pk] for pk in provider.property_mappings),
        )

    def _check(self, body: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in body.items() if name in FIELDS}
        known: dict[str, Any] = {
            "authorization_flow": FLOWS.values(),
            "invalidation_flow": FLOWS.values(),
            "signing_key": [None, *self._oidc.key_pairs.names],
            "encryption_key": [None, *self._oidc.key_pairs.names],
        }
        for name, values in known.items():
            if name in given and given[name] not in values:
                raise Invalid(**{name: [UNKNOWN.format(given[name])]})
        for pk in given.get("property_mappings", []):
            if pk not in self.mappings:
                raise Invalid(property_mappings=[UNKNOWN.format(pk)])
        if given.get("sub_mode", "user_id") not in SUBJECTS:
            raise Invalid(sub_mode=[f'"{given["sub_mode"]}" is not a valid choice.'])
        return given
